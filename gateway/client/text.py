"""A result as plain text, for terminals and logs."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from gateway.client.values import Column, Interval, Value

if TYPE_CHECKING:
    from gateway.client.result import Result

MOST_ROWS = 20
WIDEST = 40
NUMERIC = frozenset({"BIGINT", "DECIMAL", "DOUBLE"})


def cell(value: Value) -> str:
    """Return a value as it is read by people: thousands apart, exact digits of decimals, seven of floats."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case int() | Decimal():
            return f"{value:,}"
        case float():
            return f"{value:,.7g}"
        case date() | datetime():
            return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
        case _:
            return str(value)


def bar(interval: Interval | None) -> str:
    """Return an interval in brackets; nothing where there is none."""
    return "" if interval is None else f"[{cell(interval[0])}, {cell(interval[1])}]"


def facts(result: "Result") -> list[str]:
    """Return what a result cost and what was shown of it, a line each."""
    receipt = result.receipt
    if receipt is None:
        proved = "receipt not verified"
    else:
        place = f"leaf {receipt.log_index} of {receipt.tree_size} in the log {receipt.origin}"
        proved = f"receipt verified: {place}" + (" (its key seen for the first time)" if receipt.first_use else "")
    return [f"price {result.price}; privacy {result.privacy}", f"query {result.query_id}; {proved}"]


def of(result: "Result") -> str:
    """Return the first rows with their intervals, the cost and the notices."""
    grid = _grid(result)
    widths = [max(map(_width, column)) for column in zip(*grid, strict=True)]
    right = [flag for column in result.columns for flag in _aligned(column)]
    lines = [_line(row, widths, right) for row in grid]
    lines.insert(1, "  ".join("-" * width for width in widths))
    hidden = len(result.rows) - MOST_ROWS
    if hidden > 0:
        lines.append(f"... and {hidden:,} more rows")
    return "\n".join([*lines, *map(_plain, facts(result)), *(_plain(f"note  {notice}") for notice in result.notices)])


def _aligned(column: Column) -> list[bool]:
    number = column.kind in NUMERIC
    return [number, False] if column.noisy else [number]


def _grid(result: "Result") -> list[list[str]]:
    """Return the headings and the first rows as texts, an interval after each noisy value."""
    share = f"{100 * result.confidence:.4g} %"
    grid = [[text for c in result.columns for text in ([c.name, share] if c.noisy else [c.name])]]
    for number, row in enumerate(result.rows[:MOST_ROWS]):
        texts = []
        for column, value in zip(result.columns, row, strict=True):
            texts.append(cell(value))
            if column.noisy:
                texts.append(bar(result.intervals[column.name][number]))
        grid.append(texts)
    return [[_short(text) for text in row] for row in grid]


def _plain(text: str) -> str:
    """Return a text in which nothing moves a terminal's cursor or changes its colours."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _short(text: str) -> str:
    plain = _plain(text)
    return plain if len(plain) <= WIDEST else f"{plain[: WIDEST - 1]}…"


def _width(text: str) -> int:
    """Return the columns that a text takes on a terminal: wide letters take two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for text, width, to_right in zip(row, widths, right, strict=True):
        space = " " * (width - _width(text))
        padded.append(space + text if to_right else text + space)
    return "  ".join(padded).rstrip()
