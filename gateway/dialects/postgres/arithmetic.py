"""Arithmetic in PostgreSQL's words. None of it raises for any value of its types."""

from dataclasses import replace

from sqlglot import exp

from gateway.dialects.arguments import bare
from gateway.dialects.operators import Write
from gateway.dialects.postgres import doubles
from gateway.dialects.typed import EXACT, NUMBERS, WHOLE, Kind, Typed, as_bigint, call, held, quotient, refused, typed


def arithmetic(node: exp.Binary, write: Write) -> Typed:
    """Return a + b, a - b, a * b. The canonical text has exact operands in types that hold the result."""
    left, right = write(node.this), write(node.expression)
    if Kind.DATE in (left.kind, right.kind) or Kind.TIMESTAMP in (left.kind, right.kind):
        return _dated(node, left, right)
    if Kind.DOUBLE in (left.kind, right.kind):
        left, right = _doubles(left, right)
        if isinstance(node, exp.Mul):
            return doubles.multiply(left, right)
        return doubles.add(left, right, type(node))  # type: ignore[arg-type]
    if left.kind not in EXACT or right.kind not in EXACT:
        raise refused(f"{node.key.upper()} of {left.kind} and {right.kind}")
    left, right = as_bigint(left), as_bigint(right)
    kind = _wider(left, right)
    reach = left.reach * right.reach if isinstance(node, exp.Mul) else left.reach + right.reach
    built = type(node)(this=left.copy(), expression=right.copy())
    scale = left.scale + right.scale if isinstance(node, exp.Mul) else max(left.scale, right.scale)
    made = typed(held(built), kind, 38, scale)
    natural = isinstance(node, exp.Mul) and bare(node.this) == bare(node.expression)
    return replace(made, reach=min(reach, made.reach) if kind is not Kind.HUGE else reach, natural=natural)


def _doubles(left: Typed, right: Typed) -> tuple[Typed, Typed]:
    if left.kind not in NUMBERS or right.kind not in NUMBERS:
        raise refused(f"Arithmetic of {left.kind} and {right.kind}")
    first, second = (one if one.kind is Kind.DOUBLE else doubles.of_exact(one) for one in (left, right))
    return first, second


def _wider(left: Typed, right: Typed) -> Kind:
    kinds = (left.kind, right.kind)
    return next(kind for kind in (Kind.DECIMAL, Kind.HUGE, Kind.BIGINT) if kind in kinds)


def _dated(node: exp.Binary, left: Typed, right: Typed) -> Typed:
    """Return date + days, date + interval or date - date; what is guarded in the canonical text stays in range."""
    built = held(type(node)(this=left.copy(), expression=right.copy()))
    if left.kind is Kind.DATE and right.kind is Kind.DATE and isinstance(node, exp.Sub):
        return Typed(built, Kind.INT, reach=1e7, least=1.0)
    if isinstance(node, exp.Add) and right.kind is Kind.INTERVAL:
        return typed(built, Kind.TIMESTAMP)
    if isinstance(node, exp.Add) and left.kind is Kind.DATE and right.kind is Kind.INT:
        return typed(built, Kind.DATE)
    raise refused(f"{node.key.upper()} of {left.kind} and {right.kind}")


def opposite(node: exp.Neg, write: Write) -> Typed:
    inner = write(node.this)
    if inner.kind not in NUMBERS:
        raise refused(f"Minus {inner.kind}")
    return replace(inner, node=exp.Neg(this=inner.copy() if inner.literal is None else inner.node), natural=False)


def division(node: exp.Div, write: Write) -> Typed:
    left, right = _doubles(write(node.this), write(node.expression))
    return doubles.divide(left, right)


def whole_division(node: exp.IntDiv, write: Write) -> Typed:
    left, right = as_bigint(write(node.this)), as_bigint(write(node.expression))
    if left.kind not in WHOLE or right.kind not in WHOLE:
        raise refused("Whole division of what is no whole number")
    if Kind.HUGE in (left.kind, right.kind):
        return replace(left, node=call("DIV", left.node, right.node), kind=Kind.HUGE, natural=False)
    return replace(left, natural=False, node=held(quotient(left.copy(), right.copy())))


def remainder(node: exp.Mod, write: Write) -> Typed:
    left, right = as_bigint(write(node.this)), as_bigint(write(node.expression))
    if left.kind not in EXACT or right.kind not in EXACT:
        raise refused("The remainder of a floating point number")
    made = typed(held(exp.Mod(this=left.copy(), expression=right.copy())), _wider(left, right), 38, left.scale)
    return replace(made, scale=max(left.scale, right.scale))
