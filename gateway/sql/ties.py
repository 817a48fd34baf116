"""A subquery ready to be joined to the query around it: what it selects, and the terms that tie the two."""

from dataclasses import dataclass

from gateway.sql.conditions import equality
from gateway.sql.plan import Plan
from gateway.sql.terms import Term


@dataclass(frozen=True, slots=True)
class Tied:
    """A subquery that may be tied to the query around it.

    `outputs` are terms over `plan`. `pairs` are (outer, inner) terms that are equal, of one type; `others` are ties
    that are no such equality. `single`: an aggregate without GROUP BY, which has a row for every outer row; its outputs
    are to be computed after the join, where a row without a match reads as the aggregate of nothing.
    """

    plan: Plan
    outputs: tuple[tuple[str, Term], ...]
    pairs: tuple[tuple[Term, Term], ...] = ()
    others: tuple[Term, ...] = ()
    single: bool = False

    @property
    def correlated(self) -> bool:
        return bool(self.pairs or self.others)

    @property
    def ties(self) -> tuple[Term, ...]:
        return (*(equality(outer, inner) for outer, inner in self.pairs), *self.others)
