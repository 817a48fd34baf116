"""A canonical statement to Spark's: base tables and released rows are views of the session, by their own names.

The secret of the keyed hash is a parameter at each place where it is used. Nothing is materialized: a step that is read
twice is planned twice, and Spark shares what both have.
"""

from dataclasses import replace

from sqlglot import exp

from gateway.dialects.model import Tables, Written
from gateway.dialects.operators import Write
from gateway.dialects.relations import Writer
from gateway.dialects.spark.expressions import expression
from gateway.dialects.spark.words import MAX_DIGITS, WORDS
from gateway.dialects.typed import Kind, Typed, cast, refused, typed


def write(query: exp.Query, tables: Tables) -> Written:
    """Return Spark's text of a canonical statement. Raises Unanswered for what has no rule, by name."""
    written, _ = _Writer(tables).query(query, None)
    _spell(written)
    sql = _Writer(tables).short(written).sql("spark", copy=False)
    return Written(sql, sum(1 for _ in written.find_all(exp.Placeholder)))


MAX_NODES = 30_000
"""Nodes of a statement: Spark plans long expressions for longer than it runs them, and is not interrupted at that."""


class _Writer(Writer):
    words = WORDS
    most_nodes = MAX_NODES

    def rule(self, node: exp.Expr, write: Write) -> Typed:
        return expression(node, write)

    def secret(self) -> Typed:
        return typed(cast(exp.Placeholder(), Kind.TEXT), Kind.TEXT)

    def stage(self, name: str) -> None:
        """Released rows are a view beside the base tables."""

    def as_planned(self, column: Typed) -> Typed:
        """Return a base column as the plan reads it: a FLOAT among them as a DOUBLE."""
        match column.kind:
            case Kind.UUID:
                raise refused("A UUID")
            case Kind.DOUBLE:
                return replace(column, node=cast(column.node, Kind.DOUBLE))
            case _:
                return column


def _spell(written: exp.Query) -> None:
    """Name the types that Spark calls by another name: moments without a zone, and the widest whole number."""
    for type_ in list(written.find_all(exp.DataType)):
        if type_.this is exp.DType.TIMESTAMP:
            type_.set("this", exp.DType.TIMESTAMPNTZ)
        elif type_.this is exp.DType.DECIMAL and not type_.expressions:
            sizes = [exp.DataTypeParam(this=exp.Literal.number(size)) for size in (MAX_DIGITS, 0)]
            type_.set("expressions", sizes)
    for step in written.find_all(exp.CTE):
        step.set("materialized", None)
