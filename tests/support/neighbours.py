"""The neighbour-pair harness: run a compiled measurement without noise on D and on D with one unit added.

Exact, not statistical: the whole difference vector must keep within the claimed norm at every candidate bound, a search
within one unit, a pick within its cells (docs/PRIVACY.md, 8.1).
"""

import math
import random
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal as D
from fractions import Fraction
from functools import lru_cache

import duckdb

from gateway.privacy import trees
from gateway.privacy.exact import ExactProbe, order
from gateway.privacy.measurement import Measurement, Noise, Primitive
from support.answers import holding, staged
from support.shop import empty_database, fill, insert
from support.totals import found_cells, totals_by_cell

SECRET = "0f" * 32
NEW = 900_001
STRINGS = (
    None,
    "",
    "small",
    "SMALL",
    "ſmall",
    "a'b",
    "5:x",
    "-",
    "large",
    "日本",
    "é",
    "e\u0301",
    "x" * 300,
    "5000000-01-01",
    "infinity",
    "-infinity",
    "epoch",
    "0044-03-15 (BC)",
    "1997-02-03 04:05:06",
    "9" * 40,
    "1e308",
    "nan",
)
NUMBERS = (None, 0, 1, 2, 49, 50, 51, -1, 2**31 - 1, -(2**31))
FLOATS = (None, 0.0, -0.0, 1.0, 0.5, float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324)
AMOUNTS = (None, D(0), D("0.01"), D("499.99"), D(500), D("99999999.99"), D("-99999999.99"))
DAYS = (
    None,
    date(1997, 1, 1),
    date(1998, 6, 30),
    date(1, 1, 1),
    date(9999, 12, 31),
    date(1996, 12, 31),
    date(1998, 7, 1),
)


def add_hostile_unit(
    connection: duckdb.DuckDBPyConnection, draw: random.Random, unit: int = NEW, many: int | None = None
) -> None:
    """Add one unit's rows to every private table: extremes, duplicates, many rows, many keys, broken declarations.

    `many`: how many purchases, of which some come twice; orders and lines are more where those are.
    """
    for _ in range(draw.randint(1, 3)):
        connection.execute("INSERT INTO customers SELECT ?, ? WHERE NOT EXISTS (FROM customers WHERE customer_id = ?)",
                           [unit, draw.choice(("1997-01", "odd", None)), unit])  # fmt: skip
    rows = []
    size = draw.choice((1, 3, 40, 200)) if many is None else many
    for _ in range(size):
        rows.append(
            (unit, draw.choice(DAYS + (date(1997, draw.randint(1, 12), 5),)), draw.choice(NUMBERS + (draw.randint(0, 50),)),
             draw.choice(STRINGS), draw.choice(AMOUNTS), draw.choice(FLOATS), draw.choice((None, True, False)),
             draw.choice(FLOATS), "hidden")
        )  # fmt: skip
    rows += rows[: draw.randint(0, len(rows))]
    insert(connection, "purchases", rows)
    for number in range(draw.choice((1, 5, 30)) if many is None else 1 + many // 8):
        order = unit * 100 + number
        connection.execute(
            "INSERT INTO orders VALUES (?, ?, ?)", [order, unit, draw.choice(("open", "paid", "odd", None))]
        )
        lines = [
            (order, draw.choice(AMOUNTS), draw.choice(FLOATS), draw.choice((None, True, False)))
            for _ in range(draw.choice((1, 20)))
        ]
        insert(connection, "lines", lines)


def shuffle(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    """Store every private table's rows in another order."""
    for table in ("customers", "purchases", "orders", "lines"):
        connection.execute(f"CREATE TEMP TABLE moved AS FROM {table} ORDER BY hash(rowid + {seed})")
        connection.execute(f"DELETE FROM {table}")
        connection.execute(f"INSERT INTO {table} FROM moved")
        connection.execute("DROP TABLE moved")


@lru_cache(maxsize=16)
def pair(seed: int) -> tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]:
    """Return a pair that nobody changes."""
    return fresh_pair(seed)


def fresh_pair(seed: int, units: int = 20) -> tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]:
    """Return two databases that differ by one hostile unit, in other physical orders and with other thread counts."""
    without, with_unit = empty_database(), empty_database()
    for connection in (without, with_unit):
        fill(connection, seed, units)
    # hostile values of other units, too: nothing rests on their being tame
    add_hostile_unit(without, random.Random(seed + 1), NEW - 1)
    add_hostile_unit(with_unit, random.Random(seed + 1), NEW - 1)
    # the first pair's unit has very many rows: what is bounded nowhere shows at once
    add_hostile_unit(with_unit, random.Random(seed + 2), NEW, (200, 3, 40, 1)[seed % 4])
    shuffle(with_unit, seed)
    without.execute("SET threads = 1")
    with_unit.execute(f"SET threads = {1 + seed % 4}")
    return without, with_unit


def exact(
    connection, measurement: Measurement, edit: Callable[[str], str] = str, inputs: Mapping[str, bytes] | None = None
) -> list[ExactProbe]:
    """Return what the engine gives for each probe, without noise; `edit` plants a bug in the SQL."""
    found = []
    for probe in measurement.probes:
        sql = edit(probe.sql)
        parameters = [SECRET] * min(probe.parameters, sql.count("?") + sql.count("$1"))
        with holding(connection, {name: (inputs or {})[name] for name in probe.inputs}):
            table = connection.sql(sql, params=parameters or None).to_arrow_table()
        found.append(ExactProbe(measurement, probe, table))
    return found


def violations(planned, without, with_unit, edit: Callable[[str], str] = str) -> list[str]:
    """Return how the difference of two databases breaks the claimed bounds of a query's measurements (none: []).

    What an earlier step released is the same for both: a later one is private given whatever it was.
    """
    inputs = staged(without, planned)
    measurements = planned.program.measurements
    return [text for m in measurements for text in measurement_violations(m, without, with_unit, edit, inputs)]


def exact_count(connection, planned) -> int:
    """Return the one exact count of a query without keys."""
    (measurement,) = planned.program.measurements
    (probe,) = exact(connection, measurement)
    primitive = probe.probe.primitives[0]
    widest = len(primitive.candidates) - 1
    return totals_by_cell(probe, primitive, widest).get((), 0) // primitive.candidates[widest].denominator


def measurement_violations(
    measurement: Measurement,
    without,
    with_unit,
    edit: Callable[[str], str] = str,
    inputs: Mapping[str, bytes] | None = None,
) -> list[str]:
    """Return how the difference of two databases breaks a measurement's claims, at every candidate of every primitive."""
    broken: list[str] = []
    pairs = zip(exact(without, measurement, edit, inputs), exact(with_unit, measurement, edit, inputs), strict=True)
    for a, b in pairs:
        if sorted(a.listed(), key=repr) != sorted(b.listed(), key=repr):
            broken.append("the listed cells differ")
        for primitive in a.probe.primitives:
            broken += _search(primitive, a, b)
            for index in range(len(primitive.candidates)):
                check = _tree if primitive.tree is not None else _totals
                broken += [f"{primitive.name}c{index}: {text}" for text in check(measurement, primitive, index, a, b)]
    return broken


def _search(primitive: Primitive, a: ExactProbe, b: ExactProbe) -> list[str]:
    """At most one unit moves into one bin: the search's sensitivity of 1."""
    if primitive.search is None:
        return []
    moved = sum(abs(x - y) for x, y in zip(a.histogram(primitive), b.histogram(primitive), strict=True))
    return [f"{primitive.name}: {moved} units in the search's bins"] if moved > 1 else []


def _totals(measurement: Measurement, primitive: Primitive, index: int, a: ExactProbe, b: ExactProbe) -> list[str]:
    candidate = primitive.candidates[index]
    before, after = totals_by_cell(a, primitive, index), totals_by_cell(b, primitive, index)
    differences = [after.get(k, 0) - before.get(k, 0) for k in before.keys() | after.keys()]
    broken = _norm(primitive, index, differences)
    touched = sum(d != 0 for d in differences)
    if measurement.groups is not None and touched > measurement.groups:
        broken.append(f"L0: {touched} cells of {measurement.groups}")
    low, high = primitive.lower * candidate.denominator, primitive.upper * candidate.denominator
    if any(not low <= d <= high for d in differences):
        broken.append(f"Linf: a contribution outside its clamp [{primitive.lower}, {primitive.upper}]")
    return broken


def _tree(measurement: Measurement, primitive: Primitive, index: int, a: ExactProbe, b: ExactProbe) -> list[str]:
    """The norm is over all levels of the tree together; also of one that is as deep as the engine counts."""
    cells = sorted(set(found_cells(a, primitive)) | set(found_cells(b, primitive)), key=order)
    difference = b.leaves(primitive, index, cells) - a.leaves(primitive, index, cells)
    broken = []
    if measurement.groups is not None and int((difference != 0).any(axis=1).sum()) > measurement.groups:
        broken.append("L0: too many cells")
    levels = trees.levels(difference, primitive.tree)
    return broken + _norm(primitive, index, [int(v) for level in levels for v in level.reshape(-1)])


def _norm(primitive: Primitive, index: int, differences: list[int]) -> list[str]:
    claimed = Fraction(primitive.candidates[index].norm)
    if primitive.noise is Noise.LAPLACE:
        found = sum(abs(d) for d in differences)
        return [f"L1: {float(found)} of {float(claimed)}"] if found > claimed else []
    found = sum(d * d for d in differences)
    return [f"L2: {math.sqrt(found)} of {float(claimed)}"] if found > claimed**2 else []


def same_rows(first: dict, second: dict) -> bool:
    """Compare cells with NaN equal to itself."""
    return repr(sorted(first.items(), key=repr)) == repr(sorted(second.items(), key=repr)) or math.nan in first
