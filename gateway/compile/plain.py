"""Finishing queries that only show what was released, read off their own tree: any other form is none of them."""

import re
from collections.abc import Mapping

from sqlglot import exp

from gateway.compile.leaves import CELL
from gateway.privacy.measurement import Copied, Plain, Sorted

_SHOWS = {"expressions", "from_"}
_RELEASED = re.compile(r"[kp][0-9]+")
_WIDE = 38
"""Digits of the decimal that a scaled sum becomes; the integer is one of 19."""


def plain(query: exp.Select) -> Plain | None:
    """Return what a finishing query shows where it is the cells of one released table; else None."""
    if _clauses(query) != {*_SHOWS, "order"}:
        return None
    found = _released(query.args["from_"].this)
    if found is None:
        return None
    source, values = found
    if not all(isinstance(one, exp.Column) and one.name in values for one in query.expressions):
        return None
    *shown, cell = query.expressions
    *keys, last = query.args["order"].expressions
    if not (_is_column(values[cell.name], CELL) and _is_column(last.this, cell.name) and not last.args.get("desc")):
        return None
    columns = [_copied(values[one.name]) for one in shown]
    order = [_sorted(key, values) for key in keys]
    if None in columns or None in order:
        return None
    return Plain(source, tuple(filter(None, columns)), tuple(filter(None, order)))


def _released(node: exp.Expr) -> tuple[str, dict[str, exp.Expr]] | None:
    """Return the table below SELECTs that only name columns anew, and what each column is there."""
    query = node.this if isinstance(node, exp.Subquery) else None
    if not isinstance(query, exp.Select) or _clauses(query) != _SHOWS:
        return None
    shown = {one.alias_or_name: one.unalias() for one in query.expressions}
    source = query.args["from_"].this
    if isinstance(source, exp.Table):
        return source.name, shown
    below = _released(source)
    if below is None or not all(isinstance(one, exp.Column) and one.name in below[1] for one in shown.values()):
        return None
    return below[0], {name: below[1][one.name] for name, one in shown.items()}


def _clauses(query: exp.Select) -> set[str]:
    return {name for name, value in query.args.items() if value}


def _is_column(node: exp.Expr, name: str) -> bool:
    return isinstance(node, exp.Column) and node.name == name


def _sorted(key: exp.Ordered, values: Mapping[str, exp.Expr]) -> Sorted | None:
    """Return a key of the order that is a released column."""
    named = key.this
    by = _copied(values[named.name]) if isinstance(named, exp.Column) and named.name in values else None
    return None if by is None else Sorted(by, bool(key.args.get("desc")), bool(key.args.get("nulls_first")))


def _copied(node: exp.Expr) -> Copied | None:
    if isinstance(node, exp.Column):
        return Copied(node.name) if _RELEASED.fullmatch(node.name) else None
    # CAST(CAST(p0 AS DECIMAL(19, 0)) * CAST('0.01' AS DECIMAL(3, 2)) AS DECIMAL(38, 2))
    scaled, sizes = _cast(node)
    if not isinstance(scaled, exp.Mul):
        return None
    (whole, digits), (factor, of) = _cast(scaled.this), _cast(scaled.expression)
    if not (isinstance(whole, exp.Column) and re.fullmatch(r"p[0-9]+", whole.name) and digits == (19, 0)):
        return None
    if not (isinstance(factor, exp.Literal) and factor.is_string and sizes == (_WIDE, of[1]) and 19 + of[0] <= _WIDE):
        return None
    times = _unscaled(factor.name, of[1])
    return None if times is None else Copied(whole.name, times, of[1])


def _cast(node: exp.Expr) -> tuple[exp.Expr, tuple[int, int]]:
    """Return what is cast to a decimal, and its digits and scale; of another node the node, and digits of none."""
    if type(node) is not exp.Cast or node.to.this is not exp.DType.DECIMAL or len(node.to.expressions) != 2:
        return node, (0, 0)
    digits, scale = (int(size.name) for size in node.to.expressions)
    return node.this, (digits, scale)


def _unscaled(literal: str, scale: int) -> int | None:
    """Return a decimal literal of just this scale times 10**scale."""
    whole, _, part = literal.partition(".")
    if not (re.fullmatch(r"-?[0-9]+", whole) and re.fullmatch(r"[0-9]*", part) and len(part) == scale):
        return None
    return int(whole + part)
