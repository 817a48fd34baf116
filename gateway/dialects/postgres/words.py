"""PostgreSQL's own ways in what engines write alike: texts by code point, exact numbers as they are."""

from sqlglot import exp

from gateway.dialects.operators import Words
from gateway.dialects.postgres import doubles
from gateway.dialects.typed import Kind, Typed


def collated(node: exp.Expr) -> exp.Expr:
    return exp.Collate(this=node, expression=exp.Column(this=exp.to_identifier("C", quoted=True)))


class _Postgres:
    """Its exact numbers meet in one type of any size: nothing has to be brought together."""

    def of_exact(self, one: Typed) -> Typed:
        return doubles.of_exact(one)

    def by_code(self, one: Typed) -> exp.Expr:
        if one.kind is not Kind.TEXT or isinstance(one.node, exp.Collate):
            return one.copy()
        return collated(one.copy())

    def alike(self, values: list[Typed]) -> list[Typed]:
        return values


WORDS: Words = _Postgres()
