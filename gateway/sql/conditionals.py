"""CASE, IF, COALESCE, NULLIF, GREATEST and LEAST: a value chosen among values of one type."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DATE, DOUBLE, OTHER, TEXT, TIMESTAMP, SqlType, TypeKind, decimal
from gateway.sql import ranges
from gateway.sql.operators import (
    as_timestamp,
    comparable,
    dated_literal,
    digits_needed,
    mismatch,
    truth,
)
from gateway.sql.ranges import Range
from gateway.sql.rows import Resolve
from gateway.sql.terms import Term, cast, merge


def one_type(node: exp.Expr, terms: list[Term]) -> list[Term]:
    """Return the terms in one common type (NULL literals take it on)."""
    known = [t for t in terms if not (t.type == OTHER and t.domain == ())]
    if not known:
        raise mismatch(node, "Every branch is NULL.")
    type_ = known[0].type
    for term in known[1:]:
        type_ = _common(node, type_, term)
    return [_into(node, t, type_) for t in terms]


def _common(node: exp.Expr, type_: SqlType, term: Term) -> SqlType:
    if type_ == term.type:
        return type_
    if type_.numeric and term.type.numeric:
        if TypeKind.DOUBLE in (type_.kind, term.type.kind):
            return DOUBLE
        scale = max(type_.scale, term.type.scale)
        whole = max(digits_needed(ranges.type_limits(t), 0) for t in (type_, term.type))
        return decimal(whole + scale, scale) if whole + scale <= 38 else DOUBLE
    if type_.temporal and term.type == TEXT and isinstance(term.literal, str):
        return type_
    if type_.temporal and term.type.temporal:
        return TIMESTAMP
    raise mismatch(node, f"{type_} and {term.type} meet in one column.")


def _into(node: exp.Expr, term: Term, type_: SqlType) -> Term:
    if term.type == type_:
        return term
    if type_.temporal and term.type == TEXT and isinstance(term.literal, str):
        return dated_literal(node, term.literal, type_)
    if type_ == TIMESTAMP and term.type == DATE:
        return as_timestamp(term)
    domain = term.domain if not term.domain or type_ == DOUBLE else _recast(term.domain, type_)
    return replace(term, node=cast(term.node, type_), type=type_, domain=domain, origin=None)


def _recast(domain: tuple[object, ...], type_: SqlType) -> tuple[str, ...] | None:
    if type_.kind is not TypeKind.DECIMAL:
        return None
    return tuple(f"{Decimal(str(cell)):.{type_.scale}f}" for cell in domain)


def choose(terms: list[Term], conditions: list[Term], node: exp.Expr, *, nullable: bool) -> Term:
    """Return a term whose value is one of `terms`, of one type, chosen by `conditions`."""
    lo_hi = terms[0].range
    for term in terms[1:]:
        lo_hi = lo_hi.join(term.range) if not (term.type == OTHER or term.domain == ()) else lo_hi
    domains = [t.domain for t in terms]
    domain = None
    if all(d is not None for d in domains):
        domain = tuple(dict.fromkeys(cell for d in domains if d is not None for cell in d))
    spans = [t.span for t in terms if t.domain != ()]
    span = None
    if spans and all(s is not None for s in spans):
        span = (min(s[0] for s in spans if s), max(s[1] for s in spans if s))
    grains = {t.granularity for t in terms if t.bases}
    return Term(
        node,
        terms[0].type,
        nullable=nullable,
        range=lo_hi,
        span=span,
        domain=domain,
        raw=any(t.raw for t in terms),
        granularity=grains.pop()
        if len(grains) == 1 and all(t.bases or t.range == ranges.point(0) for t in terms)
        else None,
        **merge(*terms, conditional=tuple(conditions)),
    )


def _ranged(terms: list[Term]) -> list[Term]:
    """Give NULL branches a range that does not widen the others'."""
    known = [t for t in terms if t.domain != ()]
    return [replace(t, range=known[0].range) if t.domain == () else t for t in terms]


def case(node: exp.Case, resolve: Resolve) -> Term:
    """Return CASE in both forms."""
    conditions: list[Term] = []
    branches: list[Term] = []
    for branch in node.args.get("ifs") or []:
        test = branch.this if node.this is None else exp.EQ(this=node.this, expression=branch.this)
        conditions.append(truth(test, resolve))
        branches.append(resolve(branch.args["true"]))
    default = node.args.get("default")
    branches.append(resolve(default) if default is not None else Term(exp.Null(), OTHER, nullable=True, domain=()))
    return _conditional(node, conditions, branches)


def if_function(node: exp.If, resolve: Resolve) -> Term:
    default = node.args.get("false")
    otherwise = resolve(default) if default is not None else Term(exp.Null(), OTHER, nullable=True, domain=())
    return _conditional(node, [truth(node.this, resolve)], [resolve(node.args["true"]), otherwise])


def _conditional(node: exp.Expr, conditions: list[Term], branches: list[Term]) -> Term:
    terms = _ranged(one_type(node, branches))
    ifs = [exp.If(this=c.node, true=t.node) for c, t in zip(conditions, terms, strict=False)]
    built = exp.Case(ifs=ifs, default=terms[-1].node)
    return choose(terms, conditions, built, nullable=any(t.nullable for t in terms))


def nvl2(node: exp.Nvl2, resolve: Resolve) -> Term:
    """Return NVL2(a, b, c): b where a is not NULL, else c."""
    test = exp.Not(this=exp.Is(this=node.this, expression=exp.Null()))
    if node.args.get("false") is None:
        raise mismatch(node, "NVL2 takes three arguments.")
    return resolve(exp.If(this=test, true=node.args["true"], false=node.args["false"]))


def coalesce(node: exp.Coalesce, resolve: Resolve) -> Term:
    terms = _ranged(one_type(node, [resolve(x) for x in (node.this, *node.expressions)]))
    built = exp.Coalesce(this=terms[0].node, expressions=[t.node for t in terms[1:]])
    return choose(terms, [], built, nullable=all(t.nullable for t in terms))


def nullif(node: exp.Nullif, resolve: Resolve) -> Term:
    subject = resolve(node.this)
    left, right = comparable(node, subject, resolve(node.expression))
    test = exp.EQ(this=exp.paren(left.node, copy=False), expression=exp.paren(right.node, copy=False))
    built = exp.Case(ifs=[exp.If(this=test, true=exp.Null())], default=subject.node)
    both = merge(subject, conditional=(right,))
    return replace(subject, node=built, nullable=True, origin=None, **both)


def extreme(node: exp.Greatest | exp.Least, resolve: Resolve) -> Term:
    """Return GREATEST or LEAST; a NULL argument is skipped or makes NULL, as the buyer's dialect has it."""
    skips = bool(node.args.get("ignore_nulls"))
    terms = one_type(node, [resolve(x) for x in (node.this, *node.expressions)])
    if not (terms[0].type.numeric or terms[0].type.temporal):
        raise mismatch(node, f"{node.key.upper()} takes numbers or dates.")
    built = type(node)(this=terms[0].node, expressions=[t.node for t in terms[1:]], ignore_nulls=skips)
    missing = [t.nullable for t in terms]
    chosen = choose(terms, [], built, nullable=all(missing) if skips else any(missing))
    sure = [t for t in terms if not (t.nullable and skips)]
    limits = ranges.least([t.range for t in terms])
    for term in sure:
        edge = Range(None, term.range.hi) if isinstance(node, exp.Least) else Range(term.range.lo, None)
        limits = limits.meet(edge)
    return replace(chosen, range=limits, domain=None, granularity=_common_granularity(terms))


def _common_granularity(terms: list[Term]) -> Fraction | None:
    """Return the granularity that all terms share; a literal shares it where it is a multiple."""
    grains = {t.granularity for t in terms if t.ids}
    grain = grains.pop() if len(grains) == 1 else None
    literals = [t.range.lo for t in terms if not t.ids]
    return grain if grain and all(value is not None and value % grain == 0 for value in literals) else None
