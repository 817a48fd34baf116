"""Comparing an answer at a huge budget with plain SQL: cells that plain SQL lacks are empty, all others are equal."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import duckdb

from gateway.engines.post import PostProcessor
from gateway.planning import Planned
from gateway.privacy.measurement import Program
from support.answers import answered
from support.generated.answers import CLOSE, EXACT, NAMED, RANKED, Item
from support.shop import empty_database, fill, unlimited

WIDE = unlimited(groups=700, rows=200)
"""Nothing is cut, and noise all but vanishes."""


BUCKETS = """CREATE MACRO width_bucket(x, lo, hi, n) AS
    CASE WHEN x < lo THEN 0 WHEN x >= hi THEN n + 1 ELSE CAST(FLOOR((x - lo) * n / (hi - lo)) AS BIGINT) + 1 END"""
"""What SQL:2003 calls WIDTH_BUCKET, which DuckDB has not."""


def whole_database(seed: int = 11, units: int = 120) -> duckdb.DuckDBPyConnection:
    """Return a database within all bounds, in which plain SQL can be asked what the gateway is."""
    connection = empty_database()
    fill(connection, seed, units)
    connection.execute(BUCKETS)
    return connection


def selected(made: Planned) -> bool:
    """Tell whether keys of too few people may be left out."""
    return any(measurement.selection is not None for measurement in made.program.measurements)


def without_intervals(program: Program) -> Program:
    """Return a program that is finished once, without redraws."""
    return replace(program, finish=replace(program.finish, redraw_sql=None))


def plain(value):
    """Return a key in one form: numbers as numbers, dates as days."""
    if isinstance(value, bool) or value is None:
        return value
    text = value.isoformat() if isinstance(value, date | datetime) else str(value)
    if text.endswith("T00:00:00"):
        return text[:10]
    try:
        return float(text)
    except ValueError:
        return text


def leaf(made: Planned) -> float:
    """Return the widest leaf of a query's trees, in values."""
    trees = [p.tree for m in made.program.measurements for p in m.primitives if p.tree is not None]
    return max(((t.upper - t.lower + 1) * float(Decimal(t.step)) / t.leaves for t in trees), default=0.0)


def differences(
    items: Sequence[Item], sql: str, made: Planned, database: duckdb.DuckDBPyConnection, post: PostProcessor
) -> list[str] | None:
    """Return where an answer is not plain SQL's; None where plain SQL has none itself."""
    for item in items:  # a quantile is compared with the values around it: between two of them SQL has its own rule
        sql = sql.replace(f"{item.sql} AS {item.name}", f"{item.values} AS {item.name}") if item.values else sql
    try:
        theirs = database.execute(sql.replace("APPROX_COUNT_DISTINCT(", "COUNT(DISTINCT ")).fetchall()
    except duckdb.Error:
        return None
    ours = answered(database, replace(made, program=without_intervals(made.program)), post=post, seed=7).rows
    return compared(items, ours, theirs, hidden=selected(made), width=leaf(made))


def compared(
    items: Sequence[Item], ours: Iterable[Sequence], theirs: Iterable[Sequence], *, hidden: bool, width: float
) -> list[str]:
    """Return how rows differ by their keys. `hidden`: keys of few people are left out; `width`: of a tree's leaf."""
    keys = [i for i, item in enumerate(items) if item.like is None]
    cells = defaultdict(list)
    for row in ours:
        cells[tuple(plain(row[i]) for i in keys)].append(row)
    broken = []
    for row in theirs:
        key = tuple(plain(row[i]) for i in keys)
        if not cells[key]:
            broken += [] if hidden else [f"no cell {key}"]
            continue
        wrong = [[w for w in map(_wrong, items, mine, row, [width] * len(row)) if w] for mine in cells[key]]
        best = min(range(len(wrong)), key=lambda i: len(wrong[i]))
        broken += [f"{key} {text}" for text in wrong[best]]
        cells[key].pop(best)
    left = [row for rows in cells.values() for row in rows] if not hidden else []
    return broken + [f"not in plain SQL: {row}" for row in left if not _empty(items, row)]


def _empty(items: Sequence[Item], row: Sequence) -> bool:
    return all(value is None or abs(float(value)) < 1 for value, i in zip(row, items, strict=True) if i.like == EXACT)


def _wrong(item: Item, mine, theirs, width: float) -> str | None:
    """Return how a value differs; None: it does not, as far as it is compared."""
    if item.like is None or item.sql.startswith(("MODE", "APPROX_TOP_K")):
        return None  # which of those that tie, SQL leaves open
    told = f"{item.name} {item.sql}: {mine} for {theirs}"
    if item.like == NAMED:
        return None if mine is None or mine == theirs else told
    if item.sql.startswith("REGR_R2") and theirs == 1:
        return None  # where y does not vary SQL says 1, and the least noise makes it vary
    if theirs is None or theirs == []:
        return None if mine is None or abs(float(mine)) < 0.05 or item.like == RANKED else told
    if item.like == RANKED:
        return None if mine is not None and _among(float(mine), theirs, item.fraction, width) else told
    theirs = float(theirs)
    if not math.isfinite(theirs):
        return None
    allowed = {EXACT: 0.01 + 1e-6 * abs(theirs), CLOSE: 0.05 + 1e-3 * abs(theirs)}.get(item.like, 0.01)
    return None if mine is not None and abs(float(mine) - theirs) <= allowed else told


def _among(value: float, values: list, fraction: float, width: float) -> bool:
    """Tell whether a quantile lies among the values next to its place."""
    place = fraction * (len(values) - 1)
    low, high = values[max(0, math.floor(place) - 1)], values[min(len(values) - 1, math.ceil(place) + 1)]
    return float(low) - 2 * width - 1e-6 <= value <= float(high) + 2 * width + 1e-6
