"""What a condition lets be known of the columns it tests: IN lists, equalities and comparisons with literals."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import Cell
from gateway.sql.expressions import Resolver
from gateway.sql.operators import comparable
from gateway.sql.plan import Field
from gateway.sql.ranges import Range
from gateway.sql.terms import Term

_FLIPPED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.EQ,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
}


def narrow(fields: tuple[Field, ...], terms: list[exp.Expr], resolve: Resolver) -> tuple[Field, ...]:
    """Return the fields with ranges, domains and NULLs narrowed by top-level AND terms.

    Every AND term that tests a column bare excludes its NULLs; only terms that are understood narrow anything else.
    """
    for node in terms:
        fields = tuple(_apply(field, node, resolve) for field in fields)
    return fields


def _apply(field: Field, node: exp.Expr, resolve: Resolver) -> Field:
    match node:
        case exp.Between() if not node.args.get("symmetric"):
            low = exp.GTE(this=node.this, expression=node.args["low"])
            high = exp.LTE(this=node.this, expression=node.args["high"])
            return _apply(_apply(field, low, resolve), high, resolve)
        case exp.In() if node.args.get("query") is None and _is(node.this, field, resolve):
            return _members(field, node, resolve)
        case exp.Not(this=exp.Is(expression=exp.Null())) if _is(node.this.this, field, resolve):
            return _known(field, replace(field.term, nullable=False))
        case exp.EQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
            if _is(node.this, field, resolve):
                return _compared(field, type(node), node.expression, resolve)
            if _is(node.expression, field, resolve):
                return _compared(field, _FLIPPED[type(node)], node.this, resolve)
        case _:
            pass
    return field


def _is(node: exp.Expr, field: Field, resolve: Resolver) -> bool:
    return isinstance(node, exp.Column) and resolve(node).id == field.id


def _known(field: Field, term: Term) -> Field:
    return Field(field.name, term)


def _literal(field: Field, node: exp.Expr, resolve: Resolver) -> Term | None:
    term = resolve(node)
    if term.literal is None:
        return None
    _, right = comparable(node, field.term, term)
    return replace(right, domain=right.domain, range=term.range)


def _members(field: Field, node: exp.In, resolve: Resolver) -> Field:
    literals = [_literal(field, member, resolve) for member in node.expressions]
    if any(x is None or x.type != field.term.type for x in literals):
        return _known(field, replace(field.term, nullable=False))
    cells = tuple(dict.fromkeys(x.literal for x in literals if x is not None))
    if field.term.domain is not None:
        cells = tuple(cell for cell in field.term.domain if cell in cells)
    return _known(field, replace(field.term, domain=cells, nullable=False, raw=True))


def _compared(field: Field, kind: type[exp.Expr], node: exp.Expr, resolve: Resolver) -> Field:
    term = replace(field.term, nullable=False)
    other = _literal(field, node, resolve)
    if other is None:
        return _known(field, term)
    if kind is exp.EQ:
        if other.type == term.type:
            inside = term.domain is None or other.literal in term.domain
            term = replace(term, domain=(other.literal,) if inside else (), raw=True)
            return _known(field, replace(term, range=term.range.meet(other.range) if term.type.numeric else term.range))
        return _known(field, term)
    if term.type.numeric and other.range.finite:
        limit = other.range.lo
        edge = Range(limit, None) if kind in (exp.GT, exp.GTE) else Range(None, limit)
        narrowed = term.range.meet(edge)
        return _known(field, replace(term, range=narrowed, domain=_inside(term, narrowed), raw=True))
    if term.span is not None and other.span is not None:
        first, last = term.span
        edge_day = other.span[0]
        if kind in (exp.GT, exp.GTE):
            first = min(max(first, edge_day), last)
        else:
            last = max(min(last, edge_day), first)
        return _known(field, replace(term, span=(first, last), domain=None, raw=True))
    return _known(field, term)


def _inside(term: Term, limits: Range) -> tuple[Cell, ...] | None:
    if term.domain is None:
        return None
    kept: list[Cell] = []
    for cell in term.domain:
        value = Fraction(str(cell)) if not isinstance(cell, date) else None
        if value is None or ((limits.lo is None or value >= limits.lo) and (limits.hi is None or value <= limits.hi)):
            kept.append(cell)
    return tuple(kept)
