"""A policy and what the engine says of its tables, to the dataset that every stage reads. Pure; lists all problems."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePath

from gateway.catalog import entries
from gateway.catalog.alone import alone
from gateway.catalog.classes import beneath, class_of
from gateway.catalog.document import ColumnEntry, PolicyDocument, TableEntry
from gateway.catalog.inspection import EngineColumn, EngineTable, Inspection
from gateway.catalog.keys import mistyped
from gateway.catalog.load import PolicyLines, policy_version
from gateway.catalog.model import Column, DataClass, Dataset, Hop, Table, Use
from gateway.catalog.problems import Problems
from gateway.catalog.scalars import coerced, sql_type
from gateway.catalog.types import OTHER, Cell, Scalar, SqlType, TypeKind, to_cell

_KEYS = (TypeKind.INTEGER, TypeKind.TEXT, TypeKind.UUID)
ALL_USES = frozenset(Use)


@dataclass(frozen=True, slots=True)
class _Builder:
    problems: Problems
    inspection: Inspection

    @property
    def document(self) -> PolicyDocument:
        return self.problems.document

    def problem(self, path: str, message: str, fix: str) -> None:
        self.problems.add(path, message, fix)

    def tables(self) -> tuple[Table, ...]:
        self.table_names()
        return tuple(t for name, entry in self.document.tables.items() if (t := self.table(name, entry)) is not None)

    def table_names(self) -> None:
        seen: set[str] = set()
        for name in self.document.tables:
            if name.startswith("__"):
                self.problem(f"tables.{name}", "names that begin with __ are the gateway's own", "Rename the table.")
            if name.casefold() in seen:
                fix = "Name each table once: capitals do not tell tables apart."
                self.problem(f"tables.{name}", "this table stands twice", fix)
            seen.add(name.casefold())

    def engine_table(self, name: str) -> EngineTable | None:
        return next((t for t in self.inspection.tables if t.name.casefold() == name.casefold()), None)

    def spelled(self, table: str, column: str) -> str:
        """Return a column's name as the engine writes it, since SQL names have no case; unknown ones as they are."""
        engine = self.engine_table(table)
        columns = engine.columns if engine is not None else ()
        return next((c.name for c in columns if c.name.casefold() == column.casefold()), column)

    def table(self, name: str, entry: TableEntry) -> Table | None:
        path = f"tables.{name}"
        engine = self.engine_table(name)
        if engine is None:
            self.problem(path, "the engine has no such table", "Correct the name, or load the table.")
            return None
        if engine.kind != "table":
            self.problem(path, "this is a view", "Name base tables; a view may read anything.")
            return None
        owner, hop = self.path_to_unit(name, entry)
        if not entry.public and owner is None and hop is None:
            fix = "Add `unit_path: {column: table.key}`, or `public: true` for open data."
            self.problem(path, "nothing leads from this table to the privacy unit", fix)
        if entry.public and (owner is not None or entry.unit_path):
            self.problem(path, "a public table holds the privacy unit", "Remove `public: true`.")
        self.named_columns_exist(path, name, entry, engine)
        if entry.public:
            self.nothing_of_people(path, engine)
        for below in beneath(path, entry):
            self.problem(*below)
        return Table(
            name=name,
            public=entry.public,
            rows=entry.rows,
            columns=self.columns(name, entry, engine, owner, hop),
            unique=tuple(tuple(self.spelled(name, column) for column in key) for key in entry.unique),
            owner=owner,
            hop=hop,
            per_unit_rows=entry.per_unit.rows if entry.per_unit else 1,
            per_unit_groups=entry.per_unit.groups if entry.per_unit else 1,
        )

    def named_columns_exist(self, path: str, name: str, entry: TableEntry, engine: EngineTable) -> None:
        present = {column.name.casefold() for column in engine.columns}
        named = [(c, f"{path}.columns.{c}") for c in entry.columns]
        named += [(c, f"{path}.unit_path.{c}") for c in entry.unit_path or {}]
        named += [(c, f"{path}.unique") for key in entry.unique for c in key]
        if name == self.document.privacy.unit.table:
            named.append((self.document.privacy.unit.key, "privacy.unit.key"))
        for other, led in self.document.tables.items():
            named += [(key, f"tables.{other}.unit_path") for _, table, key in led.steps if table == name]
        self.told_apart_by_capitals(path, engine, present if entry.public else {name.casefold() for name, _ in named})
        for column, place in named:
            if column.casefold() not in present:
                message = f"the engine's table '{name}' has no such column: '{column}'"
                self.problem(place, message, "Correct the name.")
        folded = [column.casefold() for column in entry.columns]
        for column in entry.columns:
            if folded.count(column.casefold()) > 1:
                fix = "Name it once: capitals do not tell columns apart."
                self.problem(f"{path}.columns.{column}", "this column stands twice", fix)

    def told_apart_by_capitals(self, path: str, engine: EngineTable, read: Collection[str]) -> None:
        """Refuse two columns of one name: which of them a constraint speaks of would be anyone's guess."""
        names = [column.name.casefold() for column in engine.columns]
        for column in engine.columns:
            if names.count(column.name.casefold()) > 1 and column.name.casefold() in read:
                fix = "Rename it in the source, or let the gateway's role read only the other."
                self.problem(f"{path}.columns.{column.name}", "capitals alone tell this column from another", fix)

    def nothing_of_people(self, path: str, engine: EngineTable) -> None:
        """Refuse a public table that refers to what is not public, or holds a key that leads to the unit."""
        public = {name.casefold() for name, entry in self.document.tables.items() if entry.public}
        for columns, target in engine.references:
            if target.casefold() not in public:
                message = f"a public table refers to '{target}', which is not public ({', '.join(columns)})"
                fix = "Remove `public: true` and declare `unit_path`, or drop the foreign key in the source."
                self.problem(path, message, fix)
        keys = self.keys_of_people()
        for column in engine.columns:
            if column.name.casefold() in keys:
                message = f"a public table has a column named like a key of the privacy unit: '{column.name}'"
                fix = "Rename the column, or remove `public: true` and declare `unit_path`."
                self.problem(f"{path}.columns.{column.name}", message, fix)

    def keys_of_people(self) -> frozenset[str]:
        """Return the names, case folded, of the unit key and of every column on a path towards it."""
        steps = [step for entry in self.document.tables.values() for step in entry.steps]
        names = {name for column, _, key in steps for name in (column, key)}
        return frozenset(name.casefold() for name in names | {self.document.privacy.unit.key})

    def path_to_unit(self, name: str, entry: TableEntry) -> tuple[str | None, Hop | None]:
        unit = self.document.privacy.unit
        if name == unit.table:
            return self.spelled(name, unit.key), None
        if not entry.unit_path:
            return None, None
        path = f"tables.{name}.unit_path"
        if len(entry.unit_path) != 1:
            self.problem(path, "a table has one step towards the unit", "Write {column: table.key}.")
            return None, None
        ((column, table, key),) = entry.steps
        target = entry.unit_path[column]
        column = self.spelled(name, column)
        if (table, key.casefold()) == (unit.table, unit.key.casefold()):
            return column, None
        following = self.document.tables.get(table)
        unique = {tuple(c.casefold() for c in columns) for columns in following.unique} if following else set()
        if following is None or following.public or (key.casefold(),) not in unique:
            fix = "Lead to the unit's key, or to a private table that lists the key under `unique`."
            self.problem(path, f"'{target}' does not lead to the unit", fix)
            return None, None
        if self.circular(name):
            self.problem(path, "the path comes back to this table", "Lead towards the unit.")
            return None, None
        return None, Hop(column, table, self.spelled(table, key))

    def circular(self, name: str) -> bool:
        seen: set[str] = set()
        here = name
        while here not in seen:
            seen.add(here)
            entry = self.document.tables.get(here)
            if entry is None or not entry.unit_path:
                return False
            here = entry.steps[0][1]
        return True

    def columns(
        self, name: str, entry: TableEntry, engine: EngineTable, owner: str | None, hop: Hop | None
    ) -> tuple[Column, ...]:
        led_to = {
            self.spelled(name, key)
            for other in self.document.tables.values()
            for _, target, key in other.steps
            if target == name
        }
        keys = {owner, hop.column if hop else None} | led_to
        by_name = {column.casefold(): listed for column, listed in entry.columns.items()}
        built = []
        for column in engine.columns:
            listed = by_name.get(column.name.casefold())
            if listed is None and not entry.public and column.name not in keys:
                continue
            built.append(self.column(f"tables.{name}", name, column, listed, entry, key=column.name in keys))
        return tuple(built)

    def column(
        self, path: str, table: str, engine: EngineColumn, entry: ColumnEntry | None, within: TableEntry, *, key: bool
    ) -> Column:
        public = within.public
        here, type_ = f"{path}.columns.{engine.name}", sql_type(engine.type_text)
        if key and not public and type_.kind not in _KEYS:
            self.problem(here, f"{engine.type_text} cannot be a unit or chain key", "Use integers, UUIDs or text.")
        entry = entry or ColumnEntry()
        use = frozenset(entry.use) if entry.use or not public else ALL_USES
        data_class = class_of(within, entry)
        self.check_use(here, entry, type_, use, data_class, key=key and not public)
        distinct = next((c for t, n, c in self.inspection.distinct if (t, n) == (table, engine.name)), None)
        return Column(
            name=engine.name,
            type=type_,
            nullable=engine.nullable and entry.nullable is not False,
            data_class=DataClass.CORE if key and not public else data_class,
            use=use if type_ != OTHER else frozenset(),
            bounds=self.bounds(here, entry, type_),
            values=self.values(here, entry, type_),
            public_values=distinct if public else None,
            granularity=entry.granularity,
            per_unit_sum=entry.per_unit_sum,
        )

    def check_use(
        self, path: str, entry: ColumnEntry, type_: SqlType, use: frozenset[Use], data_class: DataClass, *, key: bool
    ) -> None:
        if (data_class is DataClass.CORE or key) and entry.use:
            self.problem(f"{path}.use", "core data and keys are never used", "Remove `use`.")
        if data_class is DataClass.IMPORTANT and Use.GROUP in use:
            self.problem(f"{path}.use", "important data is never a group key", "Remove `group`.")
        if type_ == OTHER and entry.use:
            self.problem(f"{path}.use", "this type is not computed with", "Cast the column in the source.")

    def bounds(self, path: str, entry: ColumnEntry, type_: SqlType) -> tuple[Scalar, Scalar] | None:
        if entry.bounds is None:
            return None
        ends = [coerced(end, type_) for end in entry.bounds]
        if any(end is None for end in ends) or not (type_.numeric or type_.temporal):
            self.problem(
                f"{path}.bounds", f"these are no bounds of a {type_}", "Write two numbers, or two dates without quotes."
            )
            return None
        lo, hi = ends
        if lo > hi:  # type: ignore[operator]
            self.problem(f"{path}.bounds", "the lower bound is above the upper", "Swap them.")
        return lo, hi  # type: ignore[return-value]

    def values(self, path: str, entry: ColumnEntry, type_: SqlType) -> tuple[Cell, ...] | None:
        if entry.values is None:
            return None
        cells: list[Cell] = []
        for value in entry.values:
            scalar = coerced(value, type_)
            if scalar is None:
                fix = "Quote text; write numbers and dates as such."
                self.problem(f"{path}.values", f"'{value}' is not a {type_}", fix)
                continue
            cells.append(f"{scalar:.{type_.scale}f}" if isinstance(scalar, Decimal) else to_cell(scalar))
        if len(set(cells)) != len(cells):
            self.problem(f"{path}.values", "a value stands twice", "List each once.")
        return tuple(cells)


def build(
    document: PolicyDocument,
    inspection: Inspection,
    *,
    data_version: str,
    base: PurePath,
    lines: PolicyLines | None = None,
) -> Dataset:
    """Return the dataset of a policy over the engine's own types; `lines` lets problems name file and line.

    Raises PolicyErrors with every name, type, path, class and sum that does not hold.
    """
    problems = Problems(document, lines)
    tables = _Builder(problems, inspection).tables()
    for path, message in mistyped(tables, document.privacy.unit.table, document.privacy.unit.key):
        problems.add(path, message, "Give both columns one type in the source.")
    alone(problems)
    problems.refuse()
    broken = inspection.broken_facts
    return Dataset(
        name=document.dataset,
        title=document.title,
        provider=document.provider.organisation,
        source=entries.source(document.engine, base),
        compliance=entries.compliance(document),
        privacy=entries.privacy(document),
        tables=tables,
        grants=tuple(entries.grant(entry, document) for entry in document.grants),
        prices=tuple(entries.plan(name, entry) for name, entry in document.prices.items()),
        policy_version=policy_version(document),
        data_version=data_version,
        stamp=inspection.stamp,
        keep_texts_days=document.retention.query_texts,
        keep_answers_days=document.retention.answers,
        alerts=entries.alert_limits(document),
        suspended=f"declared facts do not hold: {', '.join(broken)}" if broken else None,
    )
