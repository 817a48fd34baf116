"""What is fitted from the sums of an answer, as the document that a buyer gets. Post-processing: free, and exact.

Every number comes from the stored answer, so that the same answer always gives the same model.
"""

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np

from gateway.models import tables
from gateway.models.asked import Kind, Model
from gateway.models.elimination import entry
from gateway.models.logistic import logistic
from gateway.models.solving import Array, matrix, solve
from gateway.models.sums import Sums, score, sums_of

HIDDEN = (
    "noise hides this model: its numbers have no intervals; ask with more epsilon or fewer features, and leave out one "
    "of two features that say the same"
)
UNSETTLED = (
    "the steps have not come to rest: the numbers have no intervals; ask with more rounds, or with a ridge where a "
    "feature tells yes from no without fail"
)
SAMPLING = "intervals hold the fit of these rows as they are bounded; that other people would give another is in none"
EMPTY = "no combination of values has enough people to be shown"
INTERCEPT = "(intercept)"


def fitted(model: Model, answer: bytes) -> dict[str, object]:
    """Return a model of a stored answer's sums.

    `intervals_cover` says what its intervals are for: the noise. That other rows of the same kind would give other
    numbers (sampling) is in none: rows of one unit hang together, and how much is not measured. Why there are none, or
    what they leave out, is said in a notice.
    """
    stored = json.loads(answer)
    kept = {name: stored[name] for name in ("query_id", "versions", "privacy", "price", "receipt")}
    notices = list(stored["notices"])
    if model.kind is Kind.CONTINGENCY:
        found = tables.contingency(model, stored)
        notices.append(SAMPLING if found["clear"] else EMPTY)
    else:
        sums = sums_of(stored)
        found = {"clear": False} if sums is None else _MAKERS[model.kind](model, sums)
        why = str(found.pop("why", HIDDEN))
        notices.append(SAMPLING if found["clear"] else why)
    head = {"query_id": kept.pop("query_id"), "state": "FINISHED", "kind": model.kind.value}
    return {**head, "confidence": model.confidence, "intervals_cover": "noise", **found, **kept, "notices": notices}


def _scales(model: Model, sums: Sums, count: int) -> tuple[Array, Array]:
    """Return middle and half width of each variable."""
    middle = np.array([sums.values[f"middle_{i}"] for i in range(1, count + 1)])
    half = np.array([sums.values[f"half_{i}"] for i in range(1, count + 1)])
    return middle, half


def rows_of(model: Model, sums: Sums) -> dict[str, object]:
    """Return how many rows have all their values."""
    return bar(sums.values["m0_0"], sums.deviations["m0_0"], model.confidence, clear=True)


def bar(value: float, deviation: float, confidence: float, *, clear: bool) -> dict[str, object]:
    """Return a number with its interval, where there is one."""
    if not (clear and math.isfinite(value) and math.isfinite(deviation)):
        return {"estimate": value if math.isfinite(value) else None, "low": None, "high": None}
    wide = score(confidence) * deviation
    return {"estimate": value, "low": value - wide, "high": value + wide}


def coefficients(
    model: Model, unknowns: Array, moves: Array, middle: Array, half: Array, spare: Array, *, clear: bool
) -> list[dict[str, object]]:
    """Return coefficients of features as they are, made of those of features within [-1, 1].

    `moves` are the deviations of their independent parts, `spare` what else to allow for of each.
    """
    count = len(model.features)
    turn = np.zeros((len(unknowns), len(unknowns)))
    first = int(model.intercept)
    for i in range(count):
        turn[first + i, first + i] = 1 / half[i]
        if model.intercept:
            turn[0, first + i] = -middle[i] / half[i]
    if model.intercept:
        turn[0, 0] = 1.0
    found, deviations = turn @ unknowns, np.sqrt(((turn @ moves) ** 2).sum(axis=1))
    allowed = np.abs(turn) @ spare
    names = [*([INTERCEPT] if model.intercept else []), *model.features]
    bars = [bar(float(v), float(d), model.confidence, clear=clear) for v, d in zip(found, deviations, strict=True)]
    return [_widened(name, one, float(more)) for name, one, more in zip(names, bars, allowed, strict=True)]


def _widened(name: str, one: Mapping[str, object], more: float) -> dict[str, object]:
    if one["low"] is None:
        return {"name": name, **one}
    low, high = float(str(one["low"])) - more, float(str(one["high"])) + more
    return {"name": name, "estimate": one["estimate"], "low": low, "high": high}


def _linear(model: Model, sums: Sums) -> dict[str, object]:
    count = len(model.features)
    middle, half = _scales(model, sums, count + 1)
    dims = [*([0] if model.intercept else []), *range(1, count + 1)]
    ridge = np.array([model.ridge if d else 0.0 for d in dims])
    right = [entry("m", d, count + 1) for d in dims]
    solution = solve(sums, "m", dims, right, ridge)
    wide = half[count]  # the target has its own scale
    shift = np.array([middle[count] if d == 0 else 0.0 for d in dims])
    unknowns = solution.unknowns * wide + shift
    return {
        "rows": rows_of(model, sums),
        "coefficients": coefficients(
            model, unknowns, solution.moves * wide, middle, half, np.zeros(len(dims)), clear=solution.clear
        ),
        "r_squared": _explained(model, sums, solution.unknowns, dims) if solution.clear else None,
        "clear": solution.clear,
    }


def _explained(model: Model, sums: Sums, unknowns: Array, dims: Sequence[int]) -> float | None:
    """Return the share of the target's variation that is explained, within [0, 1]; it has no interval."""
    last = len(model.features) + 1
    squares, total, rows = sums.values[entry("m", last, last)], sums.values[entry("m", 0, last)], sums.values["m0_0"]
    right = np.array([sums.values[entry("m", d, last)] for d in dims])
    left = squares - 2 * unknowns @ right + unknowns @ matrix(sums.values, "m", dims) @ unknowns
    around = squares - total**2 / rows if model.intercept and rows > 0 else squares
    if around <= 0:
        return None
    return float(min(max(1 - left / around, 0.0), 1.0))


def _logistic(model: Model, sums: Sums) -> dict[str, object]:
    fit = logistic(model, sums)
    middle, half = _scales(model, sums, len(model.features))
    clear = fit.clear and fit.settled
    return {
        "rows": rows_of(model, sums),
        "coefficients": coefficients(model, fit.unknowns, fit.moves, middle, half, fit.left, clear=clear),
        "rounds": model.rounds,
        "last_step": fit.last_step,
        "settled": fit.settled,
        "clear": clear,
        "why": UNSETTLED if fit.clear else HIDDEN,
    }


def _covariance(model: Model, sums: Sums) -> dict[str, object]:
    middle, half = _scales(model, sums, len(model.features))
    return {"rows": rows_of(model, sums), **tables.covariance(model, sums, middle, half)}


_MAKERS = {Kind.LINEAR: _linear, Kind.LOGISTIC: _logistic, Kind.COVARIANCE: _covariance}
