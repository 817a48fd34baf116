"""A canonical statement to PostgreSQL's: how its base columns, released rows and the secret are read there.

Base columns are read in the types that the plan gives them: numeric's NaN is NULL, texts are compared by code point.
Released rows come as arrays, one parameter for each column, and are a step of the WITH clause.
"""

from dataclasses import replace

from sqlglot import exp

from gateway.dialects.model import Tables, Written
from gateway.dialects.operators import Write
from gateway.dialects.postgres.expressions import expression
from gateway.dialects.postgres.words import WORDS, collated
from gateway.dialects.relations import Writer
from gateway.dialects.typed import Kind, Typed, cast, data_type, of, typed


def write(query: exp.Query, tables: Tables) -> Written:
    """Return PostgreSQL's text of a canonical statement. Raises Unanswered for what has no rule, by name."""
    writer = _Writer(query, tables)
    written, _ = writer.query(query, None)
    if writer.staged:
        clause = written.args.get("with_")
        steps = [*writer.staged.values(), *(clause.expressions if clause is not None else [])]
        written.set("with_", exp.With(expressions=steps))
    return Written(writer.short(written).sql("postgres", copy=False), int(writer.keyed))


class _Writer(Writer):
    words = WORDS

    def __init__(self, query: exp.Query, tables: Tables) -> None:
        super().__init__(tables)
        self.keyed = query.find(exp.Placeholder) is not None
        self.staged: dict[str, exp.CTE] = {}
        self.columns = 0

    def rule(self, node: exp.Expr, write: Write) -> Typed:
        return expression(node, write)

    def secret(self) -> Typed:
        return typed(cast(exp.Parameter(this=exp.Literal.number(1)), Kind.TEXT), Kind.TEXT)

    def stage(self, name: str) -> None:
        """Make released rows a step: one array for each column, in the order that they arrive in."""
        if name in self.staged:
            return
        columns = self.tables.staged[name]
        arrays = []
        for type_ in columns.values():
            self.columns += 1
            one = of(exp.Null(), type_)
            array = exp.DataType(
                this=exp.DType.ARRAY, expressions=[data_type(one.kind, one.digits, one.scale)], nested=True
            )
            parameter = exp.Parameter(this=exp.Literal.number(self.columns + self.keyed))
            arrays.append(exp.Cast(this=parameter, to=array))
        alias = exp.TableAlias(this=exp.to_identifier("t"), columns=[exp.to_identifier(column) for column in columns])
        query = exp.select(*columns).from_(exp.Unnest(expressions=arrays, alias=alias))
        self.staged[name] = exp.CTE(this=query, alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)))

    def as_planned(self, column: Typed) -> Typed:
        """Return a base column as the plan reads it."""
        match column.kind:
            case Kind.TEXT:
                return replace(column, node=collated(cast(column.node, Kind.TEXT)))
            case Kind.DECIMAL:
                return replace(column, node=exp.Nullif(this=column.node, expression=_nan()))
            case Kind.DOUBLE:  # a REAL among them
                return replace(column, node=cast(column.node, Kind.DOUBLE))
            case _:
                return column


def _nan() -> exp.Expr:
    return cast(exp.Literal.string("NaN"), Kind.HUGE)
