"""Literals, arithmetic, comparison and logic: each handler returns a total, row-local term.

Overflow never happens: integers and decimals whose range might leave the type are computed in DOUBLE. Division by
zero gives NULL, whatever the buyer's dialect does.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import BOOLEAN, DOUBLE, INTEGER, OTHER, TEXT, TIMESTAMP, SqlType, TypeKind, decimal
from gateway.errors import GatewayError
from gateway.sql import ranges
from gateway.sql.parse import dialect_of, place
from gateway.sql.ranges import BIGINT_MAX, BIGINT_MIN, Range
from gateway.sql.terms import Term, cast, enforced, merge, number, predicate, try_cast

Resolve = Callable[[exp.Expr], Term]

MAX_WILDCARDS = 2
"""Signs % inside a LIKE pattern: an engine tries every place for each of them."""


def mismatch(node: exp.Expr, detail: str) -> GatewayError:
    return GatewayError("type_mismatch", detail, "CAST one side, or write a literal of the right type.", place(node))


# -- arithmetic -------------------------------------------------------------------------------------------------


def numeric(node: exp.Expr, resolve: Resolve) -> Term:
    """Return a number with its bounds enforced. Raises `type_mismatch` for anything else."""
    term = resolve(node)
    if term.type == OTHER and term.domain == ():
        return replace(term, node=cast(exp.Null(), DOUBLE), type=DOUBLE, domain=None)
    if not term.type.numeric:
        raise mismatch(node, f"A number is expected; this is {term.type}.")
    return enforced(term)


def as_double(term: Term) -> exp.Expr:
    return term.node if term.type == DOUBLE else cast(term.node.copy(), DOUBLE)


def digits_needed(limits: Range, scale: int) -> int:
    """Return the precision of a decimal that holds the whole range, or 39 where it is open."""
    bound = limits.magnitude()
    return 39 if bound is None else max(len(str(int(bound * 10**scale))), scale + 1)


Operands = tuple[SqlType, exp.Expr, exp.Expr]


def _exact_operands(node: exp.Binary, left: Term, right: Term, limits: Range) -> Operands | None:
    """Return the exact type of a result and its operands cast so that nothing overflows; None: only DOUBLE will do."""
    kinds = {left.type.kind, right.type.kind}
    if TypeKind.DOUBLE in kinds:
        return None
    if kinds == {TypeKind.INTEGER}:
        fits = limits.lo is not None and limits.hi is not None and limits.lo >= BIGINT_MIN and limits.hi <= BIGINT_MAX
        return (INTEGER, left.node.copy(), right.node.copy()) if fits else None
    if isinstance(node, exp.Mul):
        widths = [digits_needed(term.limits(), term.type.scale) for term in (left, right)]
        if sum(widths) > 38:
            return None
        operands = [cast(t.node.copy(), decimal(w, t.type.scale)) for t, w in zip((left, right), widths, strict=True)]
        scale = left.type.scale + right.type.scale
        return decimal(digits_needed(limits, scale), scale), operands[0], operands[1]
    scale = max(left.type.scale, right.type.scale)
    width = max(digits_needed(term.limits(), scale) for term in (left, right)) + 1
    if width > 37:
        return None
    common = decimal(width, scale)
    return decimal(digits_needed(limits, scale), scale), cast(left.node.copy(), common), cast(right.node.copy(), common)


def arithmetic(node: exp.Binary, resolve: Resolve) -> Term:
    """Return a + b, a - b or a * b."""
    left, right = numeric(node.this, resolve), numeric(node.expression, resolve)
    rule = {exp.Add: ranges.add, exp.Sub: ranges.subtract, exp.Mul: ranges.multiply}[type(node)]
    limits, claimed = rule(left.limits(), right.limits()), rule(left.range, right.range)
    exact = _exact_operands(node, left, right, limits)
    type_, first, second = exact if exact is not None else (DOUBLE, as_double(left), as_double(right))
    built = type(node)(this=exp.paren(first, copy=False), expression=exp.paren(second, copy=False))
    result: exp.Expr = exp.paren(built, copy=False)
    if type_.kind is TypeKind.DECIMAL:
        result = cast(result, type_)
    return Term(result, type_, nullable=left.nullable or right.nullable, range=claimed, **merge(left, right))


def negation(node: exp.Neg, resolve: Resolve) -> Term:
    """Return -a; a negative literal stays a literal."""
    term = numeric(node.this, resolve)
    limits = ranges.negate(term.limits())
    if term.type == INTEGER and (limits.hi is None or limits.hi > BIGINT_MAX):
        term = replace(term, node=as_double(term), type=DOUBLE)
    domain = None
    if term.literal is not None:
        cell = term.literal
        domain = (-cell,) if isinstance(cell, int) else (_negated(str(cell)),)
    result = exp.paren(exp.Neg(this=exp.paren(term.node.copy(), copy=False)), copy=False)
    return replace(
        term, node=result, range=ranges.negate(term.range), domain=domain, granularity=None, per_unit_sum=None
    )


def _negated(cell: str) -> str:
    """Return the canonical text of minus a decimal: zero has no sign."""
    return cell[1:] if cell.startswith("-") else (f"-{cell}" if Decimal(cell) else cell)


def division(node: exp.Div, resolve: Resolve) -> Term:
    """Return a / b as the buyer's dialect means it: DOUBLE, or truncated where both are integers and it says so."""
    left, right = numeric(node.this, resolve), numeric(node.expression, resolve)
    if left.type == INTEGER and right.type == INTEGER and node.args.get("typed"):
        return _whole_quotient(left, right)
    if dialect_of(node) == "trino" and TypeKind.DOUBLE not in (left.type.kind, right.type.kind):
        hint = "Write CAST(a AS DOUBLE) / b."
        raise GatewayError(
            "unsupported_sql", "trino rounds the quotient of decimals to their scale.", hint, place(node)
        )
    divisor = exp.Nullif(this=as_double(right), expression=number(Fraction(0), DOUBLE))
    result = exp.paren(exp.Div(this=exp.paren(as_double(left), copy=False), expression=divisor), copy=False)
    nullable = left.nullable or right.nullable or not right.limits().excludes_zero
    claimed = ranges.divide(left.range, right.range)
    return Term(result, DOUBLE, nullable=nullable, range=claimed, **merge(left, right))


def whole_division(node: exp.IntDiv, resolve: Resolve) -> Term:
    left, right = numeric(node.this, resolve), numeric(node.expression, resolve)
    if not (left.type == INTEGER and right.type == INTEGER):
        raise mismatch(node, "Whole division takes two integers.")
    return _whole_quotient(left, right)


def _whole_quotient(left: Term, right: Term) -> Term:
    limits = ranges.truncated_quotient(left.limits(), right.limits())
    nullable = left.nullable or right.nullable or not right.limits().excludes_zero
    if limits.hi is None or limits.hi > BIGINT_MAX:  # the smallest integer over -1
        raise GatewayError("no_bounds", "This whole division may overflow.", "Divide a column with bounds.")
    divisor = exp.Nullif(this=right.node.copy(), expression=number(Fraction(0), INTEGER))
    result = exp.paren(exp.IntDiv(this=exp.paren(left.node.copy(), copy=False), expression=divisor), copy=False)
    claimed = ranges.truncated_quotient(left.range, right.range)
    return Term(result, INTEGER, nullable=nullable, range=claimed, **merge(left, right))


def modulo(node: exp.Mod, resolve: Resolve) -> Term:
    left, right = numeric(node.this, resolve), numeric(node.expression, resolve)
    if not (left.type == INTEGER and right.type == INTEGER):
        raise mismatch(node, "% takes two integers.")
    low = left.limits().lo
    if low is None or low <= BIGINT_MIN:  # INT64_MIN % -1 overflows
        raise GatewayError("no_bounds", "This remainder may overflow.", "Use a column with bounds.", place(node))
    divisor = exp.Nullif(this=right.node.copy(), expression=number(Fraction(0), INTEGER))
    result = exp.paren(exp.Mod(this=exp.paren(left.node.copy(), copy=False), expression=divisor), copy=False)
    nullable = left.nullable or right.nullable or not right.limits().excludes_zero
    return Term(
        result,
        INTEGER,
        nullable=nullable,
        range=ranges.remainder(left.range, right.range),
        **merge(left, right),
    )


# -- comparison and logic ---------------------------------------------------------------------------------------


def comparable(node: exp.Expr, left: Term, right: Term) -> tuple[Term, Term]:
    """Return both sides in one type. Text literals beside dates become dates.

    Raises `type_mismatch`: nothing is compared across families.
    """
    if OTHER in (left.type, right.type) and () in (left.domain, right.domain):
        return left, right  # NULL compares with anything, to NULL
    left, right = _dated(node, left, right), _dated(node, right, left)
    if left.type.numeric and right.type.numeric:
        return _one_number(left, right)
    if left.type.temporal and right.type.temporal and left.type != right.type:
        return as_timestamp(left), as_timestamp(right)
    if left.type != right.type or left.type == OTHER:
        raise mismatch(node, f"{left.type} is compared with {right.type}.")
    return left, right


def as_timestamp(term: Term) -> Term:
    """Return a date as a timestamp; one beyond the years that timestamps have is NULL."""
    if term.type == TIMESTAMP:
        return term
    held = enforced(term)
    built = try_cast(held.node.copy(), TIMESTAMP)
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


def _one_number(left: Term, right: Term) -> tuple[Term, Term]:
    kinds = {left.type.kind, right.type.kind}
    if kinds == {TypeKind.INTEGER}:
        return left, right
    if TypeKind.DOUBLE not in kinds:
        scale = max(left.type.scale, right.type.scale)
        wide = max(digits_needed(ranges.type_limits(t.type), scale) for t in (left, right))
        if wide <= 38:
            type_ = decimal(wide, scale)
            return replace(left, node=cast(left.node.copy(), type_)), replace(
                right, node=cast(right.node.copy(), type_)
            )
    return replace(left, node=as_double(left)), replace(right, node=as_double(right))


def comparison(node: exp.Binary, resolve: Resolve) -> Term:
    """Return =, <>, <, <=, >, >=, IS [NOT] DISTINCT FROM."""
    left, right = comparable(node, resolve(node.this), resolve(node.expression))
    built = type(node)(
        this=exp.paren(left.node.copy(), copy=False), expression=exp.paren(right.node.copy(), copy=False)
    )
    safe = isinstance(node, exp.NullSafeEQ | exp.NullSafeNEQ)
    return predicate(exp.paren(built, copy=False), left, right, nullable=not safe and (left.nullable or right.nullable))


def between(node: exp.Between, resolve: Resolve) -> Term:
    low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
    high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
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
        members.append(
            exp.EQ(this=exp.paren(left.node.copy(), copy=False), expression=exp.paren(right.node, copy=False))
        )
        terms.append(right)
    uniform = all(t.type == subject.type for t in terms) and subject.type != OTHER
    if uniform:
        built: exp.Expr = exp.In(
            this=exp.paren(subject.node.copy(), copy=False), expressions=[t.node.copy() for t in terms[1:]]
        )
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
    built = chain(type(node), [t.node.copy() for t in terms])
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
        exp.paren(exp.Not(this=exp.paren(term.node.copy(), copy=False)), copy=False),
        term,
        nullable=term.nullable,
    )


def is_test(node: exp.Is, resolve: Resolve) -> Term:
    """Return `a IS NULL`, `a IS TRUE` or `a IS FALSE`."""
    if not isinstance(node.expression, exp.Null | exp.Boolean):
        raise GatewayError("unsupported_sql", "IS takes NULL, TRUE or FALSE.", "Write IS NULL.", place(node))
    is_null = isinstance(node.expression, exp.Null)
    term = resolve(node.this) if is_null else truth(node.this, resolve)
    built = exp.Is(this=exp.paren(term.node.copy(), copy=False), expression=node.expression.copy())
    return predicate(exp.paren(built, copy=False), term, nullable=False)


def like(node: exp.Binary, resolve: Resolve) -> Term:
    """Return LIKE or ILIKE with a literal pattern."""
    subject, pattern = resolve(node.this), resolve(node.expression)
    if subject.type != TEXT or not isinstance(pattern.literal, str):
        raise mismatch(node, "LIKE takes a text column and a literal pattern.")
    if "\\" in pattern.literal:
        hint = "Leave the backslash out; % and _ are the only signs with a meaning."
        raise GatewayError("unsupported_sql", "Escapes in LIKE differ between engines.", hint, place(node))
    if pattern.literal.strip("%").count("%") > MAX_WILDCARDS:  # some texts, not all, would take an engine for ever
        detail = f"The pattern has more than {MAX_WILDCARDS} % between its other signs."
        raise GatewayError("sql_too_complex", detail, "Test several shorter patterns with AND.", place(node))
    built = type(node)(this=exp.paren(subject.node.copy(), copy=False), expression=pattern.node.copy())
    return predicate(exp.paren(built, copy=False), subject, nullable=subject.nullable)
