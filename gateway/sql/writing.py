"""Syntax trees to DuckDB's text and to copies: what sqlglot does, in a part of its time. Nothing here decides anything.

A plan is written many times over (statements, what a release is called, what a buyer is told), so its commonest nodes
have shortcuts. They write the same text: statements are read back and written by sqlglot's own writer before they
leave (gateway/compile/measurement.py).
"""

import re
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.generators.duckdb import DuckDBGenerator

E = TypeVar("E", bound=exp.Expr)

_DIALECT = DuckDB()
_PLAIN_TYPE = frozenset({"this", "expressions", "nested"})
_PLAIN_COLUMN = frozenset({"this", "table"})
_PLAIN_WORD = re.compile(r"[_a-zA-Z][\w]*")
_SHORT = 64
"""Signs of a name that is remembered: what is kept for all plans stays small."""


class _Writer(DuckDBGenerator):
    """sqlglot's writer, which asks what an identifier, a column and a type are called once for each of them."""

    # Without what rewrites the SELECTs of other dialects, which walks each subquery once for every one around it.
    TRANSFORMS: ClassVar = {kind: how for kind, how in DuckDBGenerator.TRANSFORMS.items() if kind is not exp.Select}

    def identifier_sql(self, expression: exp.Identifier) -> str:
        name, quoted = expression.args["this"], bool(expression.args.get("quoted"))
        return _identifier(name, quoted) if len(name) <= _SHORT else super().identifier_sql(expression)

    def column_sql(self, expression: exp.Column) -> str:
        args = expression.args
        name = args["this"]
        if not isinstance(name, exp.Identifier) or any(args[key] for key in args.keys() - _PLAIN_COLUMN):
            return super().column_sql(expression)
        table = args.get("table")
        return f"{self.identifier_sql(table)}.{self.identifier_sql(name)}" if table else self.identifier_sql(name)

    def datatype_sql(self, expression: exp.DataType) -> str:
        args = expression.args
        kind, sizes = args["this"], args.get("expressions") or ()
        plain = isinstance(kind, exp.DType) and not args.get("nested") and args.keys() <= _PLAIN_TYPE
        if not plain or not all(isinstance(size, exp.DataTypeParam) for size in sizes):
            return super().datatype_sql(expression)
        return _type(kind, tuple(size.name for size in sizes))


@lru_cache(maxsize=4096)
def _identifier(name: str, quoted: bool) -> str:  # noqa: FBT001 - the key of a cache
    return DuckDBGenerator(dialect=_DIALECT).identifier_sql(exp.Identifier(this=name, quoted=quoted))


@lru_cache(maxsize=1024)
def _type(kind: exp.DType, sizes: tuple[str, ...]) -> str:
    parameters = [exp.DataTypeParam(this=exp.Literal.number(size)) for size in sizes]
    return DuckDBGenerator(dialect=_DIALECT).datatype_sql(exp.DataType(this=kind, expressions=parameters))


def text(node: exp.Expr) -> str:
    """Return a tree as DuckDB's text. The writer may change the tree: it is the caller's own, and not used again."""
    return _Writer(dialect=_DIALECT, comments=False).generate(node, copy=False)


def shown(node: exp.Expr) -> str:
    """Return a tree as DuckDB's text, and leave it as it is."""
    return text(copied(node))


def reference(name: str, relation: str | exp.Identifier | None = None) -> exp.Column:
    """Return a column of a relation; a name that is no plain word is quoted."""
    if relation is None:
        return exp.Column(this=identifier(name))
    return exp.Column(this=identifier(name), table=identifier(relation) if isinstance(relation, str) else relation)


def identifier(name: str) -> exp.Identifier:
    return exp.Identifier(this=name, quoted=_PLAIN_WORD.fullmatch(name) is None)


def named_in(node: exp.Expr) -> frozenset[str]:
    """Return the names of all columns in a tree."""
    found: set[str] = set()
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, exp.Column):
            found.add(one.name)
            continue
        for value in one.args.values():
            if isinstance(value, exp.Expr):
                pending.append(value)
            elif type(value) is list:
                pending += [part for part in value if isinstance(part, exp.Expr)]
    return frozenset(found)


def copied(node: E) -> E:
    """Return a tree of one's own that is equal to another, with its places in the text."""
    root = node.__class__()
    pending: list[tuple[exp.Expr, exp.Expr]] = [(node, root)]
    while pending:
        original, twin = pending.pop()
        args: dict[str, Any] = {}
        for key, value in original.args.items():
            if isinstance(value, exp.Expr):
                args[key] = _below(twin, key, None, value, pending)
            elif type(value) is list:
                args[key] = [
                    _below(twin, key, place, one, pending) if isinstance(one, exp.Expr) else one
                    for place, one in enumerate(value)
                ]
            else:
                args[key] = value
        twin.args = args
        if original._meta is not None:  # noqa: SLF001 - the property would make one for each node
            twin._meta = dict(original._meta)  # noqa: SLF001
    return root


def _below(
    twin: exp.Expr, key: str, place: int | None, value: exp.Expr, pending: list[tuple[exp.Expr, exp.Expr]]
) -> exp.Expr:
    made = value.__class__()
    made.parent, made.arg_key, made.index = twin, key, place
    pending.append((value, made))
    return made
