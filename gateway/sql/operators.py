"""Comparison and logic, and what every handler needs: numbers and dates in one type, chains of an operator."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, time

from sqlglot import exp

from gateway.catalog.types import BOOLEAN, DOUBLE, OTHER, TEXT, TIMESTAMP, SqlType, TypeKind, decimal
from gateway.errors import GatewayError
from gateway.sql import ranges
from gateway.sql.parse import place
from gateway.sql.ranges import Range
from gateway.sql.rows import Resolve
from gateway.sql.terms import Term, cast, enforced, predicate, try_cast

MAX_COPIED = 2_000
"""Nodes of an expression that has to be written more than once in what an engine runs."""


def mismatch(node: exp.Expr, detail: str) -> GatewayError:
    return GatewayError("type_mismatch", detail, "CAST one side, or write a literal of the right type.", place(node))


def affordable(node: exp.Expr, terms: Iterable[Term]) -> None:
    """Refuse to write long expressions more than once: nested, they would double at each step.

    Raises GatewayError `sql_too_complex`.
    """
    if sum(1 for term in terms for _ in term.node.walk()) > MAX_COPIED:
        hint = "Compute its argument in a WITH query, and use the column."
        raise GatewayError("sql_too_complex", f"The argument of {node.key.upper()} is too long.", hint, place(node))


def numeric(node: exp.Expr, resolve: Resolve) -> Term:
    """Return a number with its bounds enforced. Raises `type_mismatch` for anything else."""
    term = resolve(node)
    if term.type == OTHER and term.domain == ():
        return replace(term, node=cast(exp.Null(), DOUBLE), type=DOUBLE, domain=None)
    if not term.type.numeric:
        raise mismatch(node, f"A number is expected; this is {term.type}.")
    return enforced(term)


def as_double(term: Term) -> exp.Expr:
    return term.node if term.type == DOUBLE else cast(term.node, DOUBLE)


def digits_needed(limits: Range, scale: int) -> int:
    """Return the precision of a decimal that holds the whole range, or 39 where it is open."""
    bound = limits.magnitude()
    return 39 if bound is None else max(len(str(int(bound * 10**scale))), scale + 1)


# -- comparison and logic ---------------------------------------------------------------------------------------


def comparable(node: exp.Expr, left: Term, right: Term) -> tuple[Term, Term]:
    """Return both sides in one type. Text literals beside dates become dates.

    Raises `type_mismatch`: nothing is compared across families.
    """
    if OTHER in (left.type, right.type) and () in (left.domain, right.domain):
        return left, right  # NULL compares with anything, to NULL
    left, right = _dated(node, left, right), _dated(node, right, left)
    if left.type.numeric and right.type.numeric:
        return _one_number(node, left, right)
    if left.type.temporal and right.type.temporal and left.type != right.type:
        return _one_moment(left, right)
    if left.type != right.type or left.type == OTHER:
        raise mismatch(node, f"{left.type} is compared with {right.type}.")
    return left, right


def _one_moment(left: Term, right: Term) -> tuple[Term, Term]:
    """Return a date and a timestamp in one type: dates where the timestamp is a literal midnight."""
    for side, other in ((left, right), (right, left)):
        if side.type == TIMESTAMP and isinstance(side.literal, str) and side.literal.endswith("T00:00:00"):
            day = dated_literal(side.node, side.literal.removesuffix("T00:00:00"), other.type)
            return (day, right) if side is left else (left, day)
    return as_timestamp(left), as_timestamp(right)


def as_timestamp(term: Term) -> Term:
    """Return a date as a timestamp; one beyond the years that timestamps have is NULL."""
    if term.type == TIMESTAMP:
        return term
    held = enforced(term)
    built = try_cast(held.node, TIMESTAMP)
    return replace(
        held, node=built, type=TIMESTAMP, nullable=held.nullable or held.span is None, domain=None, origin=None
    )


def _dated(node: exp.Expr, term: Term, other: Term) -> Term:
    if not (other.type.temporal and term.type == TEXT and isinstance(term.literal, str)):
        return term
    return dated_literal(node, term.literal, other.type)


_MOMENT = re.compile(r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$", re.ASCII)


def _moment(text: str) -> datetime | None:
    """Return a date or timestamp without a zone, or None."""
    if not _MOMENT.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is None else None


def dated_literal(node: exp.Expr, text: str, type_: SqlType) -> Term:
    """Return a date or timestamp literal. Raises `type_mismatch` if the text is none."""
    moment = _moment(text.strip())
    midnight = moment is not None and moment.time() == time.min
    if moment is None or (type_.kind is TypeKind.DATE and not midnight):
        raise mismatch(node, f"The text is not a {type_}; write for example '1997-01-31'.")
    day = moment.date()
    cell = day.isoformat() if type_.kind is TypeKind.DATE else moment.isoformat()
    span = (day, day)
    return Term(cast(exp.Literal.string(cell), type_), type_, nullable=False, domain=(cell,), span=span)


def _one_number(node: exp.Expr, left: Term, right: Term) -> tuple[Term, Term]:
    kinds = {left.type.kind, right.type.kind}
    if kinds == {TypeKind.INTEGER}:
        return left, right
    if TypeKind.DOUBLE not in kinds:
        scale = max(left.type.scale, right.type.scale)
        wide = max(digits_needed(ranges.type_limits(t.type), scale) for t in (left, right))
        if wide > 38:  # as DOUBLEs, numbers that differ might be equal
            raise mismatch(node, f"{left.type} and {right.type} have more digits than one type holds.")
        type_ = decimal(wide, scale)
        return replace(left, node=cast(left.node, type_)), replace(right, node=cast(right.node, type_))
    return replace(left, node=as_double(left)), replace(right, node=as_double(right))


def comparison(node: exp.Binary, resolve: Resolve) -> Term:
    """Return =, <>, <, <=, >, >=, IS [NOT] DISTINCT FROM."""
    left, right = comparable(node, resolve(node.this), resolve(node.expression))
    built = type(node)(this=exp.paren(left.node, copy=False), expression=exp.paren(right.node, copy=False))
    safe = isinstance(node, exp.NullSafeEQ | exp.NullSafeNEQ)
    return predicate(exp.paren(built, copy=False), left, right, nullable=not safe and (left.nullable or right.nullable))


def between(node: exp.Between, resolve: Resolve) -> Term:
    """Return BETWEEN; SYMMETRIC takes the ends in either order."""
    if node.args.get("symmetric"):
        subject, low, high = (node.args[part] for part in ("this", "low", "high"))
        ways = [exp.Between(this=subject, low=a, high=b) for a, b in ((low, high), (high, low))]
        return resolve(exp.Or(this=ways[0], expression=ways[1]))
    low = exp.GTE(this=node.this, expression=node.args["low"])
    high = exp.LTE(this=node.this, expression=node.args["high"])
    return resolve(exp.And(this=low, expression=high))


def membership(node: exp.In, resolve: Resolve) -> Term:
    """Return `a IN (literals)`; a subquery is refused."""
    if node.args.get("query") is not None:
        hint = "Join the tables along their keys instead."
        raise GatewayError("subquery", "IN with a subquery is not answered here.", hint, place(node))
    if node.args.get("unnest") or node.args.get("field"):
        raise GatewayError("unsupported_sql", "IN takes a list of literals.", "Write IN (1, 2, 3).", place(node))
    subject = resolve(node.this)
    members: list[exp.Expr] = []
    terms = [subject]
    for member in node.expressions:
        left, right = comparable(node, subject, resolve(member))
        members.append(exp.EQ(this=exp.paren(left.node, copy=False), expression=exp.paren(right.node, copy=False)))
        terms.append(right)
    uniform = all(t.type == subject.type for t in terms) and subject.type != OTHER
    if uniform:
        built: exp.Expr = exp.In(this=exp.paren(subject.node, copy=False), expressions=[t.node for t in terms[1:]])
    else:
        built = chain(exp.Or, members)
    return predicate(exp.paren(built, copy=False), *terms, nullable=any(t.nullable for t in terms))


def chain(kind: type[exp.Binary], parts: list[exp.Expr]) -> exp.Expr:
    """Return a balanced tree of an operator like AND, so that a long chain stays shallow."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return exp.paren(kind(this=chain(kind, parts[:middle]), expression=chain(kind, parts[middle:])), copy=False)


def flatten(node: exp.Expr, kind: type[exp.Binary]) -> list[exp.Expr]:
    """Return the members of a chain of an operator like AND, in order, without recursion."""
    members: list[exp.Expr] = []
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, kind):
            pending.extend((current.expression, current.this))
        elif isinstance(current, exp.Paren) and isinstance(current.this, kind):
            pending.append(current.this)
        else:
            members.append(current)
    return members


def connector(node: exp.Connector, resolve: Resolve) -> Term:
    terms = [truth(member, resolve) for member in flatten(node, type(node))]
    built = chain(type(node), [t.node for t in terms])
    return predicate(built, *terms, nullable=any(t.nullable for t in terms))


def truth(node: exp.Expr, resolve: Resolve) -> Term:
    """Return a boolean term. Raises `type_mismatch`: a number is not a condition here."""
    term = resolve(node)
    if term.type == OTHER and term.domain == ():
        return replace(term, node=cast(exp.Null(), BOOLEAN), type=BOOLEAN)
    if term.type != BOOLEAN:
        raise mismatch(node, f"A condition is expected; this is {term.type}.")
    return term


def negated(node: exp.Not, resolve: Resolve) -> Term:
    term = truth(node.this, resolve)
    return predicate(
        exp.paren(exp.Not(this=exp.paren(term.node, copy=False)), copy=False),
        term,
        nullable=term.nullable,
    )


def is_test(node: exp.Is, resolve: Resolve) -> Term:
    """Return `a IS NULL`, `a IS TRUE` or `a IS FALSE`."""
    if not isinstance(node.expression, exp.Null | exp.Boolean):
        raise GatewayError("unsupported_sql", "IS takes NULL, TRUE or FALSE.", "Write IS NULL.", place(node))
    is_null = isinstance(node.expression, exp.Null)
    term = resolve(node.this) if is_null else truth(node.this, resolve)
    built = exp.Is(this=exp.paren(term.node, copy=False), expression=node.expression)
    return predicate(exp.paren(built, copy=False), term, nullable=False)
