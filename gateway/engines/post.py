"""Step 11, finish: the gateway's own locked in-memory DuckDB over released tables. No exact row ever comes here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa

from gateway.catalog.types import Cell, TypeKind
from gateway.privacy.intervals import draws_for, half_width, redraw
from gateway.privacy.measurement import Finish, Measurement, NoisyTable, OutputColumn
from gateway.privacy.release import visible

MAX_ROWS = 1_000_000

_LOCKS = (
    "SET enable_external_access = false",
    "SET autoload_known_extensions = false",
    "SET autoinstall_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
    "SET memory_limit = '1GB'",
    "SET max_temp_directory_size = '0KiB'",
    "SET threads = 1",
    "SET TimeZone = 'UTC'",
)

Bars = dict[str, list[list[object] | None]]


@dataclass(frozen=True, slots=True)
class FinishedRows:
    """Rows of the answer as JSON-safe values, and intervals by column."""

    rows: list[list[object]]
    intervals: Bars
    truncated: bool


class PostProcessor:
    """Runs the finish SQL of one answer at a time; keeps no table afterwards."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:", config={"temp_directory": ""})
        for statement in _LOCKS:
            self._connection.execute(statement)
        self._connection.execute("SET lock_configuration = true")

    def finish(
        self,
        tables: Sequence[NoisyTable],
        measurements: Sequence[Measurement],
        finish: Finish,
        seed: int,
        row_limit: int | None,
    ) -> FinishedRows:
        """Return the answer's rows with a 95 % interval for every noisy cell."""
        shown = [visible(m, t) for m, t in zip(measurements, tables, strict=True)]
        measurement, noisy = measurements[0], shown[0]
        limit = min(row_limit or MAX_ROWS, MAX_ROWS)
        try:
            self._register(noisy, measurement)
            fetched = self._connection.execute(finish.sql).fetchmany(limit + 1)
            rows, truncated = fetched[:limit], len(fetched) > limit
            bars = _direct(rows, finish.columns, measurement)
            bars |= self._bootstrap(noisy, measurement, finish, seed, [row[-1] for row in rows])
        finally:
            self._connection.execute(f"DROP TABLE IF EXISTS {measurement.name}")
        return FinishedRows([[_safe(v) for v in row[:-1]] for row in rows], bars, truncated)

    def _register(self, noisy: NoisyTable, measurement: Measurement) -> None:
        columns: dict[str, pa.Array] = {"__cell": pa.array(range(len(noisy.keys)), pa.int64())}
        columns |= self._key_columns(noisy, measurement)
        for index, primitive in enumerate(measurement.primitives):
            columns[primitive.name] = pa.array([row[index] for row in noisy.values], pa.int64())
        self._create(columns, measurement)

    @staticmethod
    def _key_columns(noisy: NoisyTable, measurement: Measurement) -> dict[str, pa.Array]:
        return {
            key.name: pa.array([_text(cells[i]) for cells in noisy.keys], pa.string())
            for i, key in enumerate(measurement.keys)
        }

    def _create(self, columns: dict[str, pa.Array], measurement: Measurement) -> None:
        """Make the measurement's table, with the keys in their own types."""
        types = {key.name: str(key.type) for key in measurement.keys}
        selected = ", ".join(f"CAST({n} AS {types[n]}) AS {n}" if n in types else n for n in columns)
        self._connection.register("arriving", pa.table(columns))
        try:
            self._connection.execute(f"CREATE OR REPLACE TABLE {measurement.name} AS SELECT {selected} FROM arriving")
        finally:
            self._connection.unregister("arriving")

    def _bootstrap(
        self, noisy: NoisyTable, measurement: Measurement, finish: Finish, seed: int, cells: list[int]
    ) -> Bars:
        """Return intervals of derived columns: redraw the noise, run the same expressions, take quantiles."""
        derived = [c for c in finish.columns if c.noisy and c.primitive is None]
        if finish.bootstrap_sql is None or not derived:
            return {}
        draws = draws_for(len(noisy.keys))
        if draws == 0:
            return {column.name: [None] * len(cells) for column in derived}
        columns = redraw(noisy, measurement, draws, seed)
        keys = self._key_columns(noisy, measurement)
        columns |= {name: pa.concat_arrays([array] * draws) for name, array in keys.items()}
        self._create(columns, measurement)
        names = [f"d{i}" for i in range(len(derived))]
        parts = ", ".join(f"quantile_cont(TRY_CAST({n} AS DOUBLE), [0.025, 0.975])" for n in names)
        found = self._connection.execute(
            f"SELECT __cell, {parts} FROM ({finish.bootstrap_sql}) AS b(__draw, __cell, {', '.join(names)}) "
            "GROUP BY __cell"
        ).fetchall()
        by_cell = {row[0]: row[1:] for row in found}
        return {
            column.name: [_pair(by_cell[cell][i]) if cell in by_cell else None for cell in cells]
            for i, column in enumerate(derived)
        }


def _direct(rows: list[tuple[object, ...]], columns: tuple[OutputColumn, ...], measurement: Measurement) -> Bars:
    """Return closed-form intervals of the columns that are a multiple of one noisy integer."""
    scales = {primitive.name: primitive.scale for primitive in measurement.primitives}
    bars: Bars = {}
    for index, column in enumerate(columns):
        if column.primitive is None:
            continue
        width = half_width(scales[column.primitive]) * float(column.factor)
        whole = column.type.kind is TypeKind.INTEGER
        bars[column.name] = [_around(row[index], width, whole=whole) for row in rows]
    return bars


def _around(value: object, width: float, *, whole: bool) -> list[object] | None:
    if not isinstance(value, int | float | Decimal):
        return None
    low, high = float(value) - width, float(value) + width
    return [math.floor(low), math.ceil(high)] if whole else [_rounded(low), _rounded(high)]


def _rounded(value: float) -> float:
    return float(f"{value:.10g}")


def _pair(quantiles: object) -> list[object] | None:
    if not isinstance(quantiles, list | tuple) or any(q is None or not math.isfinite(q) for q in quantiles):
        return None
    return [_rounded(q) for q in quantiles]


def _text(cell: Cell) -> str | None:
    return None if cell is None else ("true" if cell is True else "false" if cell is False else str(cell))


def _safe(value: object) -> object:
    """Return a value as JSON may carry it: big integers and decimals as text, no NaN or infinity."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= 2**53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return f"{value:f}"
    assert isinstance(value, date | datetime)  # INVARIANT: no other type leaves the finish SQL
    return value.isoformat()
