"""SELECTs put together from parts that are used once: nothing is parsed and nothing is copied (planning is timed)."""

from collections.abc import Iterable

from sqlglot import exp

from gateway.sql.plan import JoinKind
from gateway.sql.writing import identifier, reference


def listing(*columns: exp.Expr | str, source: exp.Expr | None = None, where: exp.Expr | None = None) -> exp.Select:
    """Return a SELECT of some columns; a text is a column's id."""
    query = exp.Select(expressions=[reference(column) if isinstance(column, str) else column for column in columns])
    if source is not None:
        query.set("from_", exp.From(this=source))
    if where is not None:
        query.set("where", exp.Where(this=where))
    return query


def more(query: exp.Select, *columns: exp.Expr | str) -> None:
    """List more columns in a SELECT."""
    for column in columns:
        query.append("expressions", reference(column) if isinstance(column, str) else column)


def grouped(query: exp.Select, *columns: exp.Expr | str) -> exp.Select:
    """Group a SELECT by columns; by none it stays as it is."""
    if columns:
        by = [reference(column) if isinstance(column, str) else column for column in columns]
        query.set("group", exp.Group(expressions=by))
    return query


def named(node: exp.Expr, name: str) -> exp.Expr:
    return exp.Alias(this=node, alias=identifier(name))


def step(name: str) -> exp.Table:
    """Return a step of the WITH clause as a FROM clause reads it."""
    return exp.Table(this=identifier(name))


def table(name: str, alias: str, *, quoted: bool = True) -> exp.Table:
    return exp.Table(this=exp.to_identifier(name, quoted=quoted), alias=exp.TableAlias(this=identifier(alias)))


def sub(query: exp.Query, alias: str) -> exp.Subquery:
    return exp.Subquery(this=query, alias=exp.TableAlias(this=identifier(alias)))


def join(query: exp.Select, source: exp.Expr, kind: JoinKind | None, on: exp.Expr | None = None) -> None:
    """Join one more relation; a kind of None is CROSS."""
    if kind is None:
        built = exp.Join(this=source, kind="CROSS")
    elif kind is JoinKind.INNER:
        built = exp.Join(this=source, kind="INNER", on=on)
    else:
        built = exp.Join(this=source, side=kind.value, on=on)
    query.append("joins", built)


def ascending(names: Iterable[str]) -> list[exp.Ordered]:
    """Return an ORDER BY of columns, NULL last."""
    return [exp.Ordered(this=reference(name), desc=False, nulls_first=False) for name in names]
