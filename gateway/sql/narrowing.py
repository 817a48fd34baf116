"""What a condition lets be known of the expressions it tests: IN lists, equalities and comparisons with literals."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DATE, INTEGER, Cell
from gateway.sql.operators import comparable, flatten
from gateway.sql.ranges import Range
from gateway.sql.terms import Term

Facts = dict[exp.Expr, Term]
"""What is known of expressions, by their syntax and by their resolved node; of columns by the latter alone."""

Resolve = Callable[[exp.Expr], Term]

_FLIPPED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.EQ,
    exp.NEQ: exp.NEQ,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
}


def narrowed(term: Term, node: exp.Expr | None, facts: Facts) -> Term:
    """Return a term with what is known of it (by its syntax `node`, or as it is resolved)."""
    fact = facts.get(term.node)
    if fact is None and node is not None:
        fact = facts.get(node)
    return term if fact is None else _met(term, fact)


def learned(facts: Facts, node: exp.Expr, resolve: Resolve) -> Facts:
    """Return what is known once `node` is true, on top of `facts`.

    Every test of an expression excludes its NULLs; only terms that are understood narrow anything else. No subquery
    stands in `node`.
    """
    found = dict(facts)
    for term in flatten(node, exp.And):
        _learn(found, term.unnest(), resolve)
    return found


def _learn(facts: Facts, node: exp.Expr, resolve: Resolve) -> None:
    match node:
        case exp.Between() if not node.args.get("symmetric"):
            _compared(facts, exp.GTE, node.this, node.args["low"], resolve)
            _compared(facts, exp.LTE, node.this, node.args["high"], resolve)
        case exp.In() if node.expressions:
            _members(facts, node, resolve)
        case exp.Not(this=exp.Is(expression=exp.Null())):
            _known(facts, node.this.this, replace(_fact(facts, node.this.this, resolve), nullable=False), resolve)
        case exp.Like() | exp.ILike():
            _known(facts, node.this, replace(_fact(facts, node.this, resolve), nullable=False), resolve)
        case exp.EQ() | exp.NEQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
            _compared(facts, type(node), node.this, node.expression, resolve)
            _compared(facts, _FLIPPED[type(node)], node.expression, node.this, resolve)
        case exp.Or():
            _either(facts, [learned(facts, branch, resolve) for branch in flatten(node, exp.Or)])
        case _:
            pass


def _either(facts: Facts, branches: list[Facts]) -> None:
    """Take on what holds in every branch of an OR."""
    for node in set(branches[0]).intersection(*branches[1:]):
        terms = [branch[node] for branch in branches]
        first = terms[0]
        limits, domain, span = first.range, first.domain, first.span
        for term in terms[1:]:
            limits = limits.join(term.range)
            domain = None if domain is None or term.domain is None else tuple(dict.fromkeys((*domain, *term.domain)))
            span = (
                None if span is None or term.span is None else (min(span[0], term.span[0]), max(span[1], term.span[1]))
            )
        facts[node] = replace(
            first,
            range=limits,
            domain=domain,
            span=span,
            nullable=any(t.nullable for t in terms),
            raw=any(t.raw for t in terms),
        )


def _met(term: Term, fact: Term) -> Term:
    """Return a term with the narrower of its own facts and what a condition says of the same value."""
    if fact.type != term.type:
        return term
    domain = term.domain
    if fact.domain is not None and domain is not fact.domain:
        domain = fact.domain if domain is None else _both(domain, fact.domain)
    span = term.span
    if fact.span is not None:
        span = fact.span if span is None else _within(span, fact.span)
    return replace(
        term,
        nullable=term.nullable and fact.nullable,
        range=term.range.meet(fact.range),
        domain=domain,
        span=span,
        raw=term.raw or fact.raw,
    )


def _both(domain: tuple[Cell, ...], other: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """Return the cells of one domain that are in another too, in the order of the first (they may be thousands)."""
    inside = frozenset(other)
    return tuple(cell for cell in domain if cell in inside)


def _within(span: tuple[date, date], other: tuple[date, date]) -> tuple[date, date]:
    first, last = max(span[0], other[0]), min(span[1], other[1])
    return (first, last) if first <= last else (last, last)


def _fact(facts: Facts, node: exp.Expr, resolve: Resolve) -> Term:
    return narrowed(resolve(node), node.unnest(), facts)


def _known(facts: Facts, node: exp.Expr, term: Term, resolve: Resolve) -> None:
    node = node.unnest()
    facts[resolve(node).node] = term
    if not isinstance(node, exp.Column):
        facts[node] = term


def _literal(term: Term, node: exp.Expr, resolve: Resolve) -> Term | None:
    other = resolve(node)
    if other.literal is None:
        return None
    _, right = comparable(node, term, other)
    return replace(right, domain=right.domain, range=other.range)


def _members(facts: Facts, node: exp.In, resolve: Resolve) -> None:
    subject = _fact(facts, node.this, resolve)
    if subject.literal is not None:
        return
    literals = [_literal(subject, member, resolve) for member in node.expressions]
    known = replace(subject, nullable=False)
    if all(x is not None and x.type == subject.type for x in literals):
        cells = tuple(dict.fromkeys(x.literal for x in literals if x is not None))
        if subject.domain is not None:
            cells = tuple(cell for cell in subject.domain if cell in cells)
        known = replace(known, domain=cells, raw=True)
    _known(facts, node.this, known, resolve)


def _compared(facts: Facts, kind: type[exp.Expr], left: exp.Expr, right: exp.Expr, resolve: Resolve) -> None:
    subject = _fact(facts, left, resolve)
    if subject.literal is None and subject.ids:
        _known(facts, left, _against(subject, kind, _literal(subject, right, resolve)), resolve)


def _against(subject: Term, kind: type[exp.Expr], other: Term | None) -> Term:
    """Return what is known of a value that compares as `kind` with a literal (None: with something else)."""
    term = replace(subject, nullable=False)
    if other is None or kind is exp.NEQ:
        return term
    if kind is exp.EQ:
        if other.type != term.type:
            return term
        inside = term.domain is None or other.literal in term.domain
        term = replace(term, domain=(other.literal,) if inside else (), raw=True)
        return replace(term, range=term.range.meet(other.range)) if term.type.numeric else term
    above = kind in (exp.GT, exp.GTE)
    if term.type.numeric and other.range.lo is not None and other.range.finite:
        limit = other.range.lo
        if term.type == INTEGER and limit.denominator == 1 and kind in (exp.GT, exp.LT):
            limit += 1 if above else -1
        limits = term.range.meet(Range(limit, None) if above else Range(None, limit))
        return replace(term, range=limits, domain=_inside(term, limits), raw=True)
    if term.span is not None and other.span is not None:
        first, last = term.span
        edge = _edge(kind, other)
        span = (min(max(first, edge), last), last) if above else (first, max(min(last, edge), first))
        return replace(term, span=span, domain=None, raw=True)
    return term


def _edge(kind: type[exp.Expr], other: Term) -> date:
    """Return the outermost day of the dates that compare as `kind` with a literal."""
    assert other.span is not None  # INVARIANT: asked of literal dates
    day = other.span[0]
    if kind is exp.GT and other.type == DATE and day < date.max:
        return day + timedelta(days=1)
    midnight = other.type == DATE or str(other.literal).endswith("T00:00:00")
    return day - timedelta(days=1) if kind is exp.LT and midnight and day > date.min else day


def _inside(term: Term, limits: Range) -> tuple[Cell, ...] | None:
    if term.domain is None:
        return None
    kept: list[Cell] = []
    for cell in term.domain:
        value = Fraction(str(cell)) if not isinstance(cell, date) else None
        if value is None or ((limits.lo is None or value >= limits.lo) and (limits.hi is None or value <= limits.hi)):
            kept.append(cell)
    return tuple(kept)
