"""Which columns a measurement uses, and how (group, filter, aggregate, join): the list that the policy decides on."""

from gateway.catalog.model import Dataset, Use
from gateway.errors import Position
from gateway.policy.model import Access
from gateway.privacy.ownership import key_columns
from gateway.sql.plan import Aggregate, AggregateKind, Filter, Join, Plan, Scan
from gateway.sql.sources import equated, key_names
from gateway.sql.terms import BaseColumn, Term


def accesses(aggregate: Aggregate, dataset: Dataset) -> tuple[Access, ...]:
    """Return every use of a private table's column, in the order of the plan, each once.

    Keys of the unit and its chain may be joined on and counted as people without a `use`; nothing else.
    """
    found: list[Access] = []
    _below(aggregate.input, dataset, found)
    for key in aggregate.keys:
        _note(found, dataset, key.term.bases, Use.GROUP, key.term.place)
    owners = {column for table in dataset.tables if not table.public for column in key_columns(table)}
    for call in aggregate.calls:
        if call.filter is not None:
            _note(found, dataset, call.filter.bases, Use.FILTER, call.filter.place)
        if call.argument is not None:
            counted = call.kind is AggregateKind.COUNT_DISTINCT and call.argument.value <= owners
            if not counted:
                _note(found, dataset, call.argument.value, Use.AGGREGATE, call.argument.place or call.place)
                _note(found, dataset, call.argument.condition, Use.FILTER, call.argument.place or call.place)
    return tuple(dict.fromkeys(found))


def _note(
    found: list[Access], dataset: Dataset, bases: frozenset[BaseColumn], use: Use, place: Position | None
) -> None:
    for table_name, column in sorted(bases):
        table = dataset.table(table_name)
        assert table is not None  # INVARIANT: bases are columns of the catalog
        if not table.public:
            found.append(Access(table_name, column, use, place))


def _below(plan: Plan, dataset: Dataset, found: list[Access]) -> None:
    if isinstance(plan, Scan):
        return
    if isinstance(plan, Join):
        _below(plan.left, dataset, found)
        _below(plan.right, dataset, found)
        for term in plan.condition:
            _joined(plan, term, dataset, found)
        return
    _below(plan.input, dataset, found)
    if isinstance(plan, Filter):
        for term in plan.condition:
            _note(found, dataset, term.bases, Use.FILTER, term.place)


def _joined(plan: Join, term: Term, dataset: Dataset, found: list[Access]) -> None:
    sides = {f.id: f.term for f in (*plan.left.fields, *plan.right.fields)}
    pair = equated(term, {f.id for f in plan.left.fields}, {f.id for f in plan.right.fields}) is not None
    for column_id in sorted(term.ids):
        source = sides[column_id]
        if pair and source.origin is not None:
            table = dataset.table(source.origin.table)
            assert table is not None  # INVARIANT: origins are columns of the catalog
            if source.origin.column in key_names(dataset, table):
                continue
        _note(found, dataset, source.bases, Use.JOIN if pair else Use.FILTER, plan.place)
