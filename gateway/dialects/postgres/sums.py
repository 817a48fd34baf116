"""SUM in PostgreSQL's words."""

from dataclasses import replace

from sqlglot import exp

from gateway.dialects import aggregates
from gateway.dialects.operators import Write
from gateway.dialects.typed import Kind, Typed, cast, typed

_MOST_ROWS = 10**12
"""A relation has fewer rows."""


def total(node: exp.Sum, write: Write) -> Typed:
    """Return an exact SUM: of small numbers in 64 bits, where the server makes one of any size of BIGINTs."""
    one = write(node.this)
    if one.kind is not Kind.BIGINT or one.reach * _MOST_ROWS >= 2.0**63:
        return aggregates.total(node, write)
    return replace(typed(exp.Sum(this=cast(one.node, Kind.INT)), Kind.BIGINT), natural=one.natural)
