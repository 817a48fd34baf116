"""An answer as a table with error bars, and as charts: numbers for the page's script, none that the table lacks."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MOST_ROWS = 500
"""Rows of a chart; a table has all that the page shows."""
MOST_CHARTS = 4
SHOWN_ROWS, SHOWN_VALUES = 500, 3_000
"""What a page's table has at most; the files have all."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value; of a noisy one the ends of its interval, and where all three lie between the column's ends, 0 to 100."""

    value: Any
    low: Any = None
    high: Any = None
    marks: tuple[float, float, float] | None = None


def table(answer: dict[str, Any]) -> list[list[Cell]]:
    """Return the rows that a page shows."""
    bars = answer["intervals"]["columns"]
    rows = answer["rows"][: min(SHOWN_ROWS, SHOWN_VALUES // max(1, len(answer["columns"])))]
    columns = [
        _cells([row[index] for row in rows], bars.get(column["name"]) if column.get("noisy") else None)
        for index, column in enumerate(answer["columns"])
    ]
    return [list(cells) for cells in zip(*columns, strict=True)]


def _cells(values: list[Any], bars: list[Any] | None) -> list[Cell]:
    if bars is None:
        return [Cell(value) for value in values]
    ends = [_number(end) for bar in bars[: len(values)] if bar is not None for end in bar]
    known = [end for end in ends if end is not None]
    least, span = (min(known), max(known) - min(known)) if known else (0.0, 0.0)

    def cell(value: Any, bar: Any) -> Cell:
        if bar is None:
            return Cell(value)
        three = [_number(one) for one in (bar[0], value, bar[1])]
        if span <= 0 or any(one is None for one in three):
            return Cell(value, bar[0], bar[1])
        low, at, high = (round(100 * min(1.0, max(0.0, ((one or 0.0) - least) / span)), 2) for one in three)
        return Cell(value, bar[0], bar[1], (low, at, high))

    return [cell(value, bar) for value, bar in zip(values, bars[: len(values)], strict=True)]


def _number(value: Any) -> float | None:
    """Return a value as a number to draw; decimals and large whole numbers come as texts."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None  # of the text 'nan' no number is drawn


@dataclass(frozen=True, slots=True)
class Chart:
    """One noisy column over the keys. `data` is what the script draws, as JSON."""

    column: str
    kind: str
    rows: int
    data: str


def charts(answer: dict[str, Any]) -> list[Chart]:
    """Return a chart for each of the first noisy columns; none where there is one row or no key."""
    columns, rows = answer["columns"], answer["rows"][:MOST_ROWS]
    keys = [index for index, column in enumerate(columns) if not column.get("noisy")]
    if not keys or len(rows) < 2:
        return []
    times = _times(columns, rows, keys)
    order = sorted(range(len(rows)), key=times.__getitem__) if times else range(len(rows))
    labels = [
        " \N{MIDDLE DOT} ".join("NULL" if rows[at][key] is None else str(rows[at][key]) for key in keys) for at in order
    ]
    found: list[Chart] = []
    for index, column in enumerate(columns):
        bars = answer["intervals"]["columns"].get(column["name"])
        if not column.get("noisy") or bars is None or len(found) == MOST_CHARTS:
            continue
        data = {
            "kind": "lines" if times else "bars",
            "name": column["name"],
            "labels": labels,
            "x": [times[at] for at in order] if times else list(range(len(rows))),
            "values": [_number(rows[at][index]) for at in order],
            "low": [None if bars[at] is None else _number(bars[at][0]) for at in order],
            "high": [None if bars[at] is None else _number(bars[at][1]) for at in order],
        }
        if any(value is not None for value in data["values"]):
            found.append(Chart(column["name"], data["kind"], len(rows), json.dumps(data, ensure_ascii=False)))
    return found


def _times(columns: Sequence[dict[str, Any]], rows: Sequence[Sequence[Any]], keys: Sequence[int]) -> list[float]:
    """Return the POSIX times of a single key of dates that are all there and all different; else nothing."""
    if len(keys) != 1 or columns[keys[0]]["type"] not in ("DATE", "TIMESTAMP"):
        return []
    texts = [row[keys[0]] for row in rows]
    if None in texts or len(set(texts)) < len(texts):
        return []
    try:
        return [datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in texts]
    except ValueError:
        return []
