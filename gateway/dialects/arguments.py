"""What a rule asks of an argument: a number, a text, a place in one, a moment; anything else is refused by name."""

from sqlglot import exp

from gateway.dialects.operators import Write
from gateway.dialects.typed import NUMBERS, WHOLE, Kind, Typed, cast, refused, typed

DATED = (Kind.DATE, Kind.TIMESTAMP)


def numeric(node: exp.Expr, write: Write, name: str) -> Typed:
    one = write(node)
    if one.kind not in NUMBERS:
        raise refused(f"{name} of {one.kind}")
    return one


def decimals_of(node: exp.Expr | None) -> int:
    """Return a literal number of places, below zero those before the point; none is 0."""
    if node is None:
        return 0
    negative = isinstance(node, exp.Neg)
    return (-1 if negative else 1) * int((node.this if negative else node).name)


def bare(node: exp.Expr) -> exp.Expr:
    """Return a number without its brackets and casts."""
    while isinstance(node, exp.Paren | exp.Cast):
        node = node.this
    return node


def text(node: exp.Expr, write: Write) -> Typed:
    one = write(node)
    if one.kind not in (Kind.TEXT, Kind.NULL):
        raise refused(f"A function of texts over {one.kind}")
    return one


def count(node: exp.Expr, write: Write) -> exp.Expr:
    """Return a number of signs, or a place among them."""
    one = write(node)
    if one.kind not in WHOLE:
        raise refused("A place in a text that is no whole number")
    return one.node if one.kind is Kind.INT else cast(one.node, Kind.INT)


def moment(node: exp.Expr, write: Write) -> Typed:
    """Return a date or a timestamp, also one that is not there."""
    one = write(node)
    if one.kind is Kind.NULL:
        return typed(cast(exp.Null(), Kind.TIMESTAMP), Kind.TIMESTAMP)
    if one.kind not in DATED:
        raise refused(f"A field of {one.kind}")
    return one


def stamp(one: Typed) -> exp.Expr:
    """Return a date or a timestamp as a timestamp."""
    return one.node.copy() if one.kind is Kind.TIMESTAMP else cast(one.node.copy(), Kind.TIMESTAMP)
