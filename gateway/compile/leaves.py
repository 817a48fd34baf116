"""The leaves of a plan as SELECTs: base tables with their way to the owner, literal rows, noisy and staged tables."""

from collections.abc import Sequence

from sqlglot import exp

from gateway.catalog.types import TypeKind
from gateway.compile.lineage import Leaf
from gateway.compile.statements import join, listing, more, named, table
from gateway.sql.plan import JoinKind, Measured, Read, Scan, Staged, Values
from gateway.sql.terms import Term, cast, whole
from gateway.sql.writing import copied, identifier, reference

CELL, ROW = "__cell", "__row"
"""The number of a cell in its noisy table, of a row among public rows that were read."""

DRAW, DRAWS = "__draw", "__draws"
"""Which redraw of the noise a row belongs to, and the table of all of them."""


def column(name: str, relation: str) -> exp.Column:
    return exp.Column(this=exp.Identifier(this=name, quoted=True), table=identifier(relation))


def scan(plan: Scan, needed: Sequence[str]) -> exp.Select:
    """Return a base table's columns under their ids; of a private one only rows whose chain leads to an owner.

    An owner that is never NULL is not tested: an engine that sees no test may add up rows before it joins them. Nothing
    rests on it, for rows without an owner are left out where they are added up.
    """
    query = listing(source=table(plan.table.name, "t"))
    for field in plan.fields:
        assert field.term.origin is not None  # INVARIANT: scanned fields are base columns
        if field.id in needed:
            more(query, named(_widened(column(field.term.origin.column, "t"), field.term), field.id))
    if plan.owner is None:
        return query
    before, last = "t", plan.table
    for index, link in enumerate(plan.chain):
        here = f"h{index}"
        on = exp.EQ(this=column(link.column, before), expression=column(link.target, here))
        join(query, table(link.table.name, here), JoinKind.INNER, on)
        before, last = here, link.table
    owner, held = column(plan.owner.name, before), last.column(plan.owner.name)
    if plan.owner.id in needed and plan.owner.id not in {field.id for field in plan.fields}:
        more(query, named(_widened(copied(owner), plan.owner.term), plan.owner.id))
    if held is not None and not held.nullable:
        return query
    return query.where(exp.Not(this=exp.Is(this=copied(owner), expression=exp.Null())), copy=False)


def _widened(node: exp.Expr, term: Term) -> exp.Expr:
    """Return numbers in the one width that expressions count with (an engine's INTEGER would overflow at 2^31)."""
    return cast(node, term.type) if term.type.kind in (TypeKind.INTEGER, TypeKind.DOUBLE) else node


def staged(plan: Staged, needed: Sequence[str]) -> exp.Select:
    """Return a table of released rows that the engine was given, in the types that the plan gives them."""
    query = listing(source=table(plan.name, "t"))
    for field in plan.fields:
        if field.id in needed:
            node: exp.Expr = reference(field.id)
            typed = field.term.type.kind is not TypeKind.OTHER
            more(query, named(cast(node, field.term.type) if typed else node, field.id))
    return query


def read(plan: Read, needed: Sequence[str]) -> exp.Select:
    """Return public rows that were read; a UUID arrives as text."""
    query = listing(source=table(plan.name, "t"))
    for field in plan.fields:
        if field.id in needed:
            node: exp.Expr = reference(field.id)
            node = named(cast(node, field.term.type), field.id) if field.term.type.kind is TypeKind.UUID else node
            more(query, node)
    return query


def values(plan: Values, needed: Sequence[str], *, numbered: bool) -> exp.Select:
    """Return rows that the query wrote; `numbered`: with the number of each as `i0`."""
    kept = [index for index, field in enumerate(plan.fields) if field.id in needed]
    names = [plan.fields[index].id for index in kept]
    if not plan.rows:
        columns = [named(_null(plan.fields[index].term), name) for index, name in zip(kept, names, strict=True)]
        query = listing(*columns, *([named(whole(0), "i0")] if numbered else []))
        return query.where(exp.false(), copy=False)
    counted = numbered or not kept
    tuples = [
        exp.Tuple(
            expressions=[*(copied(row[index].node) for index in kept), *([whole(number)] if counted else [])],
        )
        for number, row in enumerate(plan.rows)
    ]
    listed = [*names, *(["i0"] if counted else [])]
    alias = exp.TableAlias(this=identifier("v"), columns=[identifier(name) for name in listed])
    return listing(*names, *(["i0"] if numbered else []), source=exp.Values(expressions=tuples, alias=alias))


def _null(term: Term) -> exp.Expr:
    return exp.Null() if term.type.kind is TypeKind.OTHER else cast(exp.Null(), term.type)


def measured(plan: Measured, leaf: Leaf, needed: Sequence[str]) -> exp.Select:
    """Return a noisy table's keys and aggregates under their ids."""
    outputs = {output.column: output for output in leaf.outputs}
    query = listing(source=table(plan.name, "t"))
    keys = [field.id for field in plan.fields if field.id not in outputs]
    assert len(keys) == len(leaf.keys)  # INVARIANT: a measured aggregate shows its keys, then its calls
    names = dict(zip(keys, leaf.keys, strict=True))
    for field in plan.fields:
        if field.id in needed:
            node = reference(names[field.id]) if field.id in names else copied(outputs[field.id].expression)
            more(query, named(node, field.id))
    return query
