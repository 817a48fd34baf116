"""Arithmetic: + - * / % and whole division, each a total, row-local term.

Overflow never happens: integers and decimals whose range might leave the type are computed in DOUBLE. Division by
zero gives NULL, whatever the buyer's dialect does.
"""

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DOUBLE, INTEGER, Cell, SqlType, TypeKind, decimal
from gateway.errors import GatewayError
from gateway.sql import moves, ranges
from gateway.sql.operators import as_double, digits_needed, mismatch, numeric
from gateway.sql.parse import dialect_of, place
from gateway.sql.ranges import BIGINT_MAX, BIGINT_MIN, Range
from gateway.sql.rows import Resolve
from gateway.sql.terms import MAX_IMAGES, Term, cast, merge, number

Operands = tuple[SqlType, exp.Expr, exp.Expr]


def _exact_operands(node: exp.Binary, left: Term, right: Term, limits: Range) -> Operands | None:
    """Return the exact type of a result and its operands cast so that nothing overflows; None: only DOUBLE will do."""
    kinds = {left.type.kind, right.type.kind}
    if TypeKind.DOUBLE in kinds:
        return None
    if kinds == {TypeKind.INTEGER}:
        fits = limits.lo is not None and limits.hi is not None and limits.lo >= BIGINT_MIN and limits.hi <= BIGINT_MAX
        return (INTEGER, left.node, right.node) if fits else None
    if isinstance(node, exp.Mul):
        widths = [digits_needed(term.limits(), term.type.scale) for term in (left, right)]
        if sum(widths) > 38:
            return None
        if sum(widths) > 18 >= max(widths):  # DuckDB multiplies two narrow decimals in 18 digits, and raises beyond
            widths[0] = 19
        operands = [cast(t.node, decimal(w, t.type.scale)) for t, w in zip((left, right), widths, strict=True)]
        scale = left.type.scale + right.type.scale
        return decimal(digits_needed(limits, scale), scale), operands[0], operands[1]
    scale = max(left.type.scale, right.type.scale)
    width = max(digits_needed(term.limits(), scale) for term in (left, right)) + 1
    if width > 37:
        return None
    common = decimal(width, scale)
    return (
        decimal(digits_needed(limits, scale), scale),
        cast(left.node, common),
        cast(right.node, common),
    )


def arithmetic(node: exp.Binary, resolve: Resolve) -> Term:
    """Return a + b, a - b or a * b of numbers; with a date on a side, the date moved or the days between."""
    if (moved := moves.dated_arithmetic(node, resolve)) is not None:
        return moved
    left, right = numeric(node.this, resolve), numeric(node.expression, resolve)
    rule = {exp.Add: ranges.add, exp.Sub: ranges.subtract, exp.Mul: ranges.multiply}[type(node)]
    limits, claimed = rule(left.limits(), right.limits()), rule(left.range, right.range)
    exact = _exact_operands(node, left, right, limits)
    type_, first, second = exact if exact is not None else (DOUBLE, as_double(left), as_double(right))
    built = type(node)(this=exp.paren(first, copy=False), expression=exp.paren(second, copy=False))
    result: exp.Expr = exp.paren(built, copy=False)
    if type_.kind is TypeKind.DECIMAL:
        result = cast(result, type_)
    if type_ == DOUBLE:
        claimed = ranges.in_doubles(claimed)
    nullable, domain = left.nullable or right.nullable, _multiples(node, left, right) if type_ == INTEGER else None
    return Term(result, type_, nullable=nullable, range=claimed, domain=domain, **merge(left, right))


def _multiples(node: exp.Binary, left: Term, right: Term) -> tuple[Cell, ...] | None:
    """Return the values of a bounded whole number times a literal: buckets (x // 10 * 10) have no keys in between."""
    factor, term = (right.literal, left) if right.literal is not None else (left.literal, right)
    if not isinstance(node, exp.Mul) or not isinstance(factor, int) or not term.bases:
        return None
    lo, hi = term.range.lo, term.range.hi
    if lo is None or hi is None or hi - lo >= MAX_IMAGES:
        return None
    return tuple(sorted({factor * value for value in range(math.ceil(lo), math.floor(hi) + 1)}))


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
    result = exp.paren(exp.Neg(this=exp.paren(term.node, copy=False)), copy=False)
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
        if left.fractional or right.fractional:
            dialect = dialect_of(node)
            detail = f"A side of this division is no integer in {dialect}, though it is one here."
            hint = "Write CAST(a AS DOUBLE PRECISION) / b, or CAST both sides to BIGINT."
            raise GatewayError("unsupported_sql", detail, hint, place(node))
        return _whole_quotient(node, left, right)
    if dialect_of(node) == "trino" and TypeKind.DOUBLE not in (left.type.kind, right.type.kind):
        hint = "Write CAST(a AS DOUBLE) / b."
        raise GatewayError(
            "unsupported_sql", "trino rounds the quotient of decimals to their scale.", hint, place(node)
        )
    divisor = exp.Nullif(this=as_double(right), expression=number(Fraction(0), DOUBLE))
    result = exp.paren(exp.Div(this=exp.paren(as_double(left), copy=False), expression=divisor), copy=False)
    nullable = left.nullable or right.nullable or not right.limits().excludes_zero
    claimed = ranges.in_doubles(ranges.divide(left.range, right.range))
    return Term(result, DOUBLE, nullable=nullable, range=claimed, **merge(left, right))


def whole_division(node: exp.IntDiv, resolve: Resolve) -> Term:
    left, right = numeric(node.this, resolve), numeric(node.expression, resolve)
    if not (left.type == INTEGER and right.type == INTEGER):
        raise mismatch(node, "Whole division takes two integers.")
    return _whole_quotient(node, left, right)


def _whole_quotient(node: exp.Expr, left: Term, right: Term) -> Term:
    limits = ranges.truncated_quotient(left.limits(), right.limits())
    nullable = left.nullable or right.nullable or not right.limits().excludes_zero
    if limits.hi is None or limits.hi > BIGINT_MAX:  # the smallest integer over -1
        detail = "This whole division may overflow."
        raise GatewayError("no_bounds", detail, "Divide a column with bounds.", place(node))
    divisor = exp.Nullif(this=right.node, expression=number(Fraction(0), INTEGER))
    result = exp.paren(exp.IntDiv(this=exp.paren(left.node, copy=False), expression=divisor), copy=False)
    claimed = ranges.truncated_quotient(left.range, right.range)
    return Term(result, INTEGER, nullable=nullable, range=claimed, **merge(left, right))


def modulo(node: exp.Mod, resolve: Resolve) -> Term:
    """Return a % b with the sign of a: of integers and decimals, exactly."""
    left, right = numeric(node.this, resolve), numeric(node.expression, resolve)
    if TypeKind.DOUBLE in (left.type.kind, right.type.kind):
        raise mismatch(node, "% takes integers or decimals.")
    scale = max(left.type.scale, right.type.scale)
    type_, first, second = INTEGER, left.node, right.node
    if not left.type == right.type == INTEGER:
        width = max(digits_needed(ranges.type_limits(term.type), scale) for term in (left, right))
        if width > 38:
            raise mismatch(node, "The digits of these decimals do not fit one type.")
        type_ = decimal(width, scale)
        first, second = cast(first, type_), cast(second, type_)
    else:
        low, divisors = left.limits().lo, right.limits()
        holds = divisors.lo is None or divisors.hi is None or divisors.lo <= -1 <= divisors.hi
        if holds and (low is None or low <= BIGINT_MIN):  # INT64_MIN % -1 overflows
            raise GatewayError("no_bounds", "This remainder may overflow.", "Use a column with bounds.", place(node))
    divisor = exp.Nullif(this=second, expression=number(Fraction(0), type_))
    result = exp.paren(exp.Mod(this=exp.paren(first, copy=False), expression=divisor), copy=False)
    nullable = left.nullable or right.nullable or not right.limits().excludes_zero
    limits = ranges.remainder(left.range, right.range, Fraction(1, 10**scale))
    return Term(
        result if type_ == INTEGER else cast(result, type_),
        type_,
        nullable=nullable,
        range=limits,
        **merge(left, right),
    )
