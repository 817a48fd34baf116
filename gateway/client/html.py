"""A result as HTML for notebooks: the rows, and each error bar drawn on its column's own scale.

No scripts and no outside addresses; whatever comes from a gateway is escaped. Lines and letters take the notebook's own
colour, so that light and dark pages both show them.
"""

from collections.abc import Sequence
from datetime import date, datetime
from html import escape
from typing import TYPE_CHECKING

from gateway.client.text import NUMERIC, bar, cell, facts
from gateway.client.values import Interval, Value

if TYPE_CHECKING:
    from gateway.client.result import Result

MOST_ROWS = 60
WIDTH, HEIGHT, MARGIN = 120, 14, 5
"""The size of a drawing in pixels, and how far its bars stay from the ends."""

_TABLE = "border-collapse:collapse;color:inherit;font-size:inherit;font-variant-numeric:tabular-nums"
_CELL = "padding:.15em .6em;border-bottom:1px solid rgba(128,128,128,.35);white-space:nowrap"
_DOT = "#3f8ae0"


def of(result: "Result") -> str:
    """Return the first rows as a table that scrolls where it is wide, then the cost, the receipt and the notices."""
    hidden = len(result.rows) - MOST_ROWS
    more = [f"and {hidden:,} more rows"] if hidden > 0 else []
    noted = [f"note: {notice}" for notice in result.notices]
    lines = "".join(f"<div>{escape(line)}</div>" for line in [*more, *facts(result), *noted])
    return (
        f'<div style="overflow-x:auto;max-width:100%"><table style="{_TABLE}">'
        f"<thead>{_head(result)}</thead><tbody>{_body(result)}</tbody></table></div>"
        f'<div style="font-size:85%;opacity:.8;margin-top:.4em">{lines}</div>'
    )


def _head(result: "Result") -> str:
    cells = []
    for column in result.columns:
        name = escape(column.name)
        cells.append(f'<th style="{_CELL};text-align:{_side(column.kind)}" title="{escape(column.type)}">{name}</th>')
        if column.noisy:
            share = f"{100 * result.confidence:.4g} % interval"
            cells.append(f'<th style="{_CELL};text-align:left;font-weight:normal">{share}</th>')
    return f"<tr>{''.join(cells)}</tr>"


def _body(result: "Result") -> str:
    shown = result.rows[:MOST_ROWS]
    scales = {c.name: _scale(result.intervals[c.name][:MOST_ROWS]) for c in result.columns if c.noisy}
    lines = []
    for number, row in enumerate(shown):
        cells = []
        for column, value in zip(result.columns, row, strict=True):
            cells.append(f'<td style="{_CELL};text-align:{_side(column.kind)}">{escape(cell(value))}</td>')
            if column.noisy:
                held = result.intervals[column.name][number]
                cells.append(f'<td style="{_CELL};text-align:left">{_drawn(value, held, scales[column.name])}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return "".join(lines)


def _side(kind: str) -> str:
    return "right" if kind in NUMERIC else "left"


def _place(value: Value) -> float | None:
    """Return a value as a place on a scale; None for what has none."""
    match value:
        case None | bool() | str():
            return None
        case datetime():
            return (value - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001 - the gateway's timestamps have no zone
        case date():
            return 86_400.0 * value.toordinal()
        case _:
            try:
                return float(value)
            except (TypeError, ValueError, OverflowError):
                return None


def _scale(held: Sequence[Interval | None]) -> tuple[float, float]:
    """Return the ends of a column's scale: the least low and the largest high of its bars."""
    ends = [place for one in held if one is not None for place in map(_place, one) if place is not None]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def _drawn(value: Value, held: Interval | None, scale: tuple[float, float]) -> str:
    """Return an error bar as inline SVG, with its ends as text beside it; an empty text without one."""
    if held is None:
        return ""
    words = escape(bar(held))
    low, middle, high = _place(held[0]), _place(value), _place(held[1])
    if low is None or high is None:
        return words
    first, last = _at(low, scale), _at(high, scale)
    half = HEIGHT / 2
    line = (
        f'<path d="M{first:.1f} {half}H{last:.1f}M{first:.1f} {half - 4}v8M{last:.1f} {half - 4}v8" '
        'stroke="currentColor" stroke-width="1.4" fill="none" opacity=".75"/>'
    )
    dot = "" if middle is None else f'<circle cx="{_at(middle, scale):.1f}" cy="{half}" r="2" fill="{_DOT}"/>'
    label = f"{escape(cell(value))}, interval {words}"
    return (
        f'<svg role="img" aria-label="{label}" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="vertical-align:middle"><title>{label}</title>{line}{dot}</svg> '
        f'<small style="opacity:.75">{words}</small>'
    )


def _at(place: float, scale: tuple[float, float]) -> float:
    """Return the pixel of a place; what lies beyond the scale is drawn at its end."""
    low, high = scale
    share = 0.5 if high <= low else min(1.0, max(0.0, (place - low) / (high - low)))
    return MARGIN + share * (WIDTH - 2 * MARGIN)
