"""What follows measurements, as SQL over their noisy tables and public rows, in the gateway's own DuckDB.

Two texts come out of a plan: one that makes the answer, and one that makes the same columns for every redraw of the
noise, for error bars. Rows are told apart by the cells that they were made of.
"""

from collections.abc import Mapping, Sequence

from sqlglot import exp

from gateway.catalog.types import SqlType, TypeKind
from gateway.compile import windows
from gateway.compile.columns import of, ordering
from gateway.compile.leaves import DRAW
from gateway.compile.lineage import Leaf, trace
from gateway.compile.measurement import tables_of
from gateway.compile.plain import plain
from gateway.compile.redraws import loosened
from gateway.compile.relations import Context, Writer, Written, select
from gateway.compile.statements import ascending, listing, named, sub
from gateway.dialects.writing import write
from gateway.errors import GatewayError
from gateway.privacy.measurement import Derived, Finish, OutputColumn, PublicRead
from gateway.privacy.relations import Released
from gateway.sql.plan import Aggregate, AggregateKind, Field, Plan, Project, Read, SortKey, Staged
from gateway.sql.terms import whole
from gateway.sql.walk import upward
from gateway.sql.writing import text


def compile_read(read: Read, engine: str = "duckdb", schema: str | None = None) -> PublicRead:
    """Return the engine's SQL for public rows, sorted by all their columns so that they are the same each time."""
    fields = _distinct(read.fields)
    names = [field.id for field in fields]
    columns: list[exp.Expr | str] = [*names] if names else [named(whole(1), "present")]
    query = listing(*columns, source=sub(select(read.plan, names), "r"))
    _sort(query, names)
    return PublicRead(read.name, write(query, engine, tables_of([read.plan], schema)).sql, _typed(fields))


def compile_derived(staged: Staged, leaves: Mapping[str, Leaf]) -> Derived:
    """Return the finisher's SQL for released rows that a later measurement reads."""
    fields = _distinct(staged.fields)
    names = [field.id for field in fields]
    lineage = trace(staged.plan, leaves)
    written = Writer(staged.plan, names, Context(leaves, lineage, drawn=False)).whole()
    query = listing(*names, source=sub(written.query, "r"))
    order = [*names, *written.names] if written.identity is not None else names
    _sort(query, order)
    return Derived(staged.name, text(query), _typed(fields))


def compile_finish(root: Released, leaves: Mapping[str, Leaf]) -> Finish:
    """Return the post-processing of a plan over measurements and public rows.

    Rows come in the buyer's order, then by their cells, so that their order is total and follows released values
    alone. Raises GatewayError `type_mismatch` for a column of a type that cannot leave.
    """
    plan = root.plan
    for field in plan.fields:
        _check_type(field, plan)
    lineage = trace(plan, leaves)
    own = lineage[id(plan)]
    columns = tuple(
        OutputColumn(
            name=field.name,
            type=field.term.type,
            noisy=field.id in own.noisy or field.id in root.noisy,
            direct=own.direct.get(field.id),
            chosen=field.id in own.chosen,
        )
        for field in plan.fields
    )
    base, keys = _top_order(plan)
    names = [field.id for field in plan.fields]
    wanted = {*names, *of(key.term for key in keys)}
    written = Writer(base, wanted, Context(leaves, lineage, drawn=False)).whole()
    query = listing(*names, *written.names, source=sub(written.query, "r"))
    ties = written.names if written.identity is not None else written.columns
    _sort(query, ties, keys)
    derived = [f.id for f, c in zip(plan.fields, columns, strict=True) if c.noisy and c.direct is None]
    redraw = _redraw(base, derived, leaves, written) if derived and written.identity is not None else None
    simple = plain(query) if redraw is None else None
    return Finish(text(query), len(written.names), redraw, columns, ordered=bool(keys), plain=simple)


def _redraw(plan: Plan, derived: list[str], leaves: Mapping[str, Leaf], answer: Written) -> str | None:
    """Return the derived columns of every draw, beside the identity of their rows; None where no draw differs."""
    loose = loosened(plan, trace(plan, leaves))
    written = Writer(loose, derived, Context(leaves, trace(loose, leaves), drawn=True)).whole()
    assert written.identity == answer.identity  # INVARIANT: a row is the same row in every draw
    if not written.drawn:
        return None
    query = listing(DRAW, *written.names, *derived, source=sub(written.query, "r"))
    return text(query)


def _top_order(plan: Plan) -> tuple[Plan, tuple[SortKey, ...]]:
    """Return the relation that shows the answer's columns and what it is sorted by, and these keys."""
    while isinstance(plan, Project) and all(column.term.id == column.field.id for column in plan.columns):
        plan = plan.input
    return plan, ordering(plan)


def _check_type(field: Field, plan: Plan) -> None:
    if field.term.type.kind is not TypeKind.OTHER or field.term.domain == ():
        return
    lists = {
        call.field.id
        for node in upward(plan)
        if isinstance(node, Aggregate)
        for call in node.calls
        if call.kind is AggregateKind.APPROX_TOP_K
    }
    if field.id not in lists:
        detail = f"The column '{field.name}' has a type that cannot be written in an answer."
        raise GatewayError("type_mismatch", detail, "CAST it to VARCHAR, or to a number.", field.term.place)


def _distinct(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return fields, each id once: a column may be listed under two names."""
    return tuple({field.id: field for field in reversed(fields)}.values())[::-1]


def _typed(fields: tuple[Field, ...]) -> tuple[tuple[str, SqlType], ...]:
    return tuple((field.id, field.term.type) for field in fields)


def _sort(query: exp.Select, names: Sequence[str], keys: Sequence[SortKey] = ()) -> None:
    """Sort a query by the buyer's keys, then by columns."""
    order = [*(windows.ordered(key) for key in keys), *ascending(names)]
    if order:
        query.order_by(*order, copy=False)


__all__ = ["Leaf", "compile_derived", "compile_finish", "compile_read"]
