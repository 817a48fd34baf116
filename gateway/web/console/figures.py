"""Figures and times as people read them."""

import math
from collections.abc import Callable
from typing import Any

MINUS = "\N{MINUS SIGN}"


def figure(value: Any) -> str:
    """Return a number with at most six significant digits and its thousands apart; a text as it is, NULL as a dash."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}".replace("-", MINUS)
    if isinstance(value, float):
        return _short(value).replace("-", MINUS)
    return str(value)


def _short(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 1e-4 <= abs(value) < 1e9:
        text = f"{value:,.{max(0, 5 - math.floor(math.log10(abs(value))))}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.4g}"


def percent(share: float) -> str:
    """Return a share of one in percent."""
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def moment(text: str) -> str:
    """Return a time of ISO 8601, in UTC, to the second."""
    return f"{text[:10]} {text[11:19]}" if len(text) >= 19 else text


def short(text: str) -> str:
    """Return the beginning of a hash."""
    return text.removeprefix("sha256:")[:12]


FILTERS: dict[str, Callable[..., str]] = {"figure": figure, "percent": percent, "moment": moment, "short": short}
