"""SUM in Spark's words: it wraps whole numbers of 64 bits, and makes NULL of more than 38 digits."""

from dataclasses import replace

from sqlglot import exp

from gateway.dialects.aggregates import window
from gateway.dialects.operators import Write
from gateway.dialects.spark.words import MAX_DIGITS, as_decimal
from gateway.dialects.typed import Kind, Typed, cast, refused, typed

ROWS = 2.0**40
"""How many rows a sum is counted to have at most."""

_EXACT = "Aggregate integers or decimals: CAST(x AS DECIMAL(18, s))."
_RANKED = ("ROW_NUMBER", "RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST", "NTILE", "LAG", "LEAD", "NTH_VALUE")


def total(node: exp.Sum, write: Write) -> Typed:
    """Return an exact SUM. One of sums has no more rows than they have."""
    one = write(node.this)
    if one.kind is Kind.DOUBLE or one.kind not in (Kind.INT, Kind.BIGINT, Kind.HUGE, Kind.DECIMAL):
        raise refused("SUM of floating point numbers", _EXACT)
    reach = one.reach if one.kind is Kind.HUGE else one.reach * ROWS
    if reach * 10.0**one.scale >= 10.0**MAX_DIGITS:
        raise refused("SUM of so many digits", "CAST what is summed to DECIMAL(18, s), or to BIGINT.")
    if one.kind is not Kind.DECIMAL and reach < 2.0**63:
        summed = cast(exp.Sum(this=one.node), Kind.HUGE)
        return replace(typed(summed, Kind.HUGE), reach=reach, natural=one.natural)
    summed_ = exp.Sum(this=as_decimal(one, MAX_DIGITS, one.scale).node)
    kind = Kind.DECIMAL if one.kind is Kind.DECIMAL else Kind.HUGE
    return replace(typed(summed_, kind, MAX_DIGITS, one.scale), reach=reach, natural=one.natural)


def over(node: exp.Window, write: Write) -> Typed:
    """Return a function OVER its rows; Spark asks for an order where a place among them is asked for."""
    function = node.this
    name = function.name.upper() if isinstance(function, exp.Anonymous) else function.sql_name().upper()
    if name in _RANKED and node.args.get("order") is None:
        raise refused(f"{name} without an order", "Write OVER (ORDER BY ...).")
    spec = node.args.get("spec")
    if spec is not None and str(spec.args.get("kind")).upper() == "GROUPS":
        raise refused("A frame of GROUPS", "Use ROWS, or RANGE without an offset.")
    if spec is not None and spec.args.get("exclude"):
        raise refused("A frame with EXCLUDE")
    made = window(node, write)
    if isinstance(function, exp.Sum) and isinstance(made.node, exp.Window) and isinstance(made.node.this, exp.Cast):
        inner = made.node.this.this  # the sum itself is over the rows, not what it is cast to
        made.node.set("this", inner)
        return replace(made, node=cast(made.node, Kind.HUGE))
    return made
