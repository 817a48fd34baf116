"""A fitted model as a table with a plot: dots with interval bars, where they lie from 0 to 100. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.web.console.figures import MINUS, figure

MOST_ROWS = 500
EDGE = 4.0
"""What is left free at both ends of a plot."""


@dataclass(frozen=True, slots=True)
class Row:
    """An estimate with its interval, and where zero and these three lie on the plot; None where there are none."""

    name: str
    estimate: float | None
    low: float | None
    high: float | None
    zero: float
    marks: tuple[float, float, float] | None
    shown: tuple[str, str, str]
    """Low end, estimate and high end as texts, down to the second digit of the interval's half width."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one heading: `word` says which, `about` what of. `own`: each row has its own scale around zero."""

    word: str
    about: str
    own: bool
    rows: tuple[Row, ...]
    of: int


def groups(found: Mapping[str, Any]) -> list[Group]:
    """Return the tables of a model, as /v1/models gives it; none of a part that it has not."""
    margins = found.get("margins", {})
    made = [
        _group("coefficients", "", found.get("coefficients", ()), own=True),
        _group("means", "", found.get("means", ()), own=True),
        _group("covariance", "", found.get("covariance", ()), own=True),
        _group("correlation", "", found.get("correlation", ()), own=False, ends=(-1.0, 1.0)),
        _group("cells", "", found.get("cells", ()), own=False),
        *(_group("margins", name, rows, own=False) for name, rows in margins.items() if len(margins) > 1),
    ]
    if "total" in found:
        made.append(_group("total", "", (found["total"],), own=False))
    return [one for one in made if one.rows]


def _group(
    word: str, about: str, found: Iterable[Mapping[str, Any]], *, own: bool, ends: tuple[float, float] | None = None
) -> Group:
    every = list(found)
    shown = every[:MOST_ROWS]
    known = [value for one in shown for value in _three(one) if value is not None]
    least, most = ends or (min([0.0, *known]), max([0.0, *known]))
    rows = []
    for one in shown:
        if own:
            reach = max((abs(value) for value in _three(one) if value is not None), default=0.0)
            rows.append(row(one, -reach, reach))
        else:
            rows.append(row(one, least, most, bare=ends is not None))
    return Group(word, about, own, tuple(rows), len(every))


def row(one: Mapping[str, Any], least: float = 0.0, most: float = 0.0, *, bare: bool = False) -> Row:
    """Return a row of a plot from `least` to `most`. `bare`: what has no interval is drawn all the same."""
    low, at, high = _three(one)

    def place(value: float) -> float:
        share = (value - least) / (most - least) if most > least else 0.5
        return round(EDGE + (100 - 2 * EDGE) * share, 2)

    marks = None
    if at is not None and low is not None and high is not None:
        marks = (place(low), place(at), place(high))
    elif at is not None and bare:
        marks = (place(at),) * 3
        return Row(_name(one), at, low, high, place(0.0), marks, ("", f"{at:.3f}".replace("-", MINUS), ""))
    return Row(_name(one), at, low, high, place(0.0), marks, _shown(low, at, high))


def _three(one: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    """Return low end, estimate and high end, each where it is a number that can be drawn."""
    low, at, high = (one.get(name) for name in ("low", "estimate", "high"))
    known = [value if isinstance(value, int | float) and math.isfinite(value) else None for value in (low, at, high)]
    return known[0], known[1], known[2]


def _shown(low: float | None, at: float | None, high: float | None) -> tuple[str, str, str]:
    if low is None or high is None or not (wide := (high - low) / 2) > 0:
        return figure(low), figure(at), figure(high)
    decimals = 1 - math.floor(math.log10(wide))
    if all(float(one).is_integer() for one in (low, at, high) if one is not None):
        decimals = min(decimals, 0)
    if not -12 <= decimals <= 12:
        return figure(low), figure(at), figure(high)
    texts = ("" if one is None else f"{round(one, decimals):,.{max(0, decimals)}f}" for one in (low, at, high))
    made = [text.replace("-", MINUS) for text in texts]
    return made[0], made[1], made[2]


def _name(one: Mapping[str, Any]) -> str:
    """Return what a row is of: a feature, two of them, the values of a cell, or one value of a margin."""
    if "row" in one:
        return f"{one['row']} \N{MULTIPLICATION SIGN} {one['column']}"
    if "values" in one:
        return " \N{MIDDLE DOT} ".join(map(_value, one["values"]))
    return _value(one["value"]) if "value" in one else str(one.get("name", ""))


def _value(value: Any) -> str:
    return "NULL" if value is None else str(value)
