"""The neighbour-pair harness: run a compiled measurement without noise on D and on D with one unit added.

Exact, not statistical: the whole difference vector must keep within the claimed L0, Linf and L2 (docs/PRIVACY.md, 8.1).
"""

import math
import random
from datetime import date
from decimal import Decimal as D
from functools import lru_cache

import duckdb

from gateway.planning import Planned
from support.shop import empty_database, fill, insert

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


def add_hostile_unit(connection: duckdb.DuckDBPyConnection, draw: random.Random, unit: int = NEW) -> None:
    """Add one unit's rows to every private table: extremes, duplicates, many rows, many keys, broken declarations."""
    for _ in range(draw.randint(1, 3)):
        connection.execute("INSERT INTO customers SELECT ?, ? WHERE NOT EXISTS (FROM customers WHERE customer_id = ?)",
                           [unit, draw.choice(("1997-01", "odd", None)), unit])  # fmt: skip
    rows = []
    for _ in range(draw.choice((1, 3, 40, 200))):
        rows.append(
            (unit, draw.choice(DAYS + (date(1997, draw.randint(1, 12), 5),)), draw.choice(NUMBERS + (draw.randint(0, 50),)),
             draw.choice(STRINGS), draw.choice(AMOUNTS), draw.choice(FLOATS), draw.choice((None, True, False)),
             draw.choice(FLOATS), "hidden")
        )  # fmt: skip
    rows += rows[: draw.randint(0, len(rows))]
    insert(connection, "purchases", rows)
    for number in range(draw.choice((1, 5, 30))):
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
    add_hostile_unit(with_unit, random.Random(seed + 2), NEW)
    without.execute("SET threads = 1")
    with_unit.execute(f"SET threads = {1 + seed % 4}")
    return without, with_unit


def cells(connection: duckdb.DuckDBPyConnection, sql: str, parameters: int, keys: int) -> dict[tuple, tuple[int, ...]]:
    rows = connection.execute(sql, [SECRET] * parameters).fetchall()
    found = {tuple(row[:keys]): tuple(row[keys:]) for row in rows}
    assert len(found) == len(rows), "the engine returned a cell twice"
    return found


def violations(planned: Planned, without, with_unit, sql: str | None = None) -> list[str]:
    """Return how the difference of two databases breaks the claimed bounds of a query's measurements (none: [])."""
    broken: list[str] = []
    for measurement in planned.measurements:
        text = sql or measurement.sql
        a = cells(without, text, measurement.parameters, len(measurement.keys))
        b = cells(with_unit, text, measurement.parameters, len(measurement.keys))
        zero = (0,) * len(measurement.primitives)
        touched = [k for k in a.keys() | b.keys() if a.get(k, zero) != b.get(k, zero)]
        if len(touched) > measurement.groups:
            broken.append(f"L0: {len(touched)} cells of {measurement.groups}")
        for index, primitive in enumerate(measurement.primitives):
            differences = [b.get(k, zero)[index] - a.get(k, zero)[index] for k in touched]
            worst = max((abs(d) for d in differences), default=0)
            if worst > primitive.bound:
                broken.append(f"{primitive.name}: Linf {worst} of {primitive.bound}")
            if sum(d * d for d in differences) > measurement.groups * primitive.bound**2:
                broken.append(f"{primitive.name}: L2 above sqrt({measurement.groups}) * {primitive.bound}")
            if sum(abs(d) for d in differences) > measurement.groups * primitive.bound:
                broken.append(f"{primitive.name}: L1")
            low, high = primitive.lower, primitive.upper
            if any(not low <= d <= high for d in differences):
                broken.append(f"{primitive.name}: a contribution outside its clamp [{low}, {high}]")
    return broken


def same_rows(first: dict, second: dict) -> bool:
    """Compare cells with NaN equal to itself."""
    return repr(sorted(first.items(), key=repr)) == repr(sorted(second.items(), key=repr)) or math.nan in first
