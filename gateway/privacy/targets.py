"""Accuracy first: the least that each primitive must be given so that every noisy column reaches the error asked for.

Noise falls with the square root of rho (Laplace: with epsilon), so what a primitive needs follows from what it has in
any plan. What no column depends on (the count of units behind a threshold or behind hidden cells, an inner stage) keeps
the proportion that the ordinary split gives it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal

from gateway.errors import GatewayError
from gateway.privacy.expected import Expected, Mean, Multiple, Primitives, Unpredicted, width
from gateway.privacy.intervals import score, widest_scale
from gateway.privacy.measurement import Noise
from gateway.request import Accuracy

LEAST = 1_000
"""No primitive is given less (ledger units), however little is asked: noise must stay within 64 bits."""

_SIX = Context(prec=6, rounding=ROUND_CEILING)
"""Shares are of six digits, so that a primitive with the same target is the same draw whatever is asked beside it."""

Shares = Mapping[tuple[str, str], int]
"""Ledger units by measurement and primitive."""


@dataclass(frozen=True, slots=True)
class Target:
    """A noisy column and the half-width that it must reach, in its own units."""

    column: Expected
    half_width: float


def targets(columns: Iterable[Expected], accuracy: Accuracy) -> tuple[Target, ...]:
    """Return what each noisy column must reach.

    Raises GatewayError `accuracy_not_predicted` where a column's error is not known before its answer, and, of a
    relative target, where nothing declared says how large the column is.
    """
    found = [Target(column, _absolute(column, accuracy)) for column in columns]
    if not found:
        detail = "No column of the answer carries noise of its own that an accuracy could speak of."
        raise GatewayError("accuracy_not_predicted", detail, "Ask with `epsilon`.")
    return tuple(found)


def _absolute(column: Expected, accuracy: Accuracy) -> float:
    of = column.of
    if isinstance(of, Unpredicted):
        detail = f"The error of '{column.column}' is not known before the answer: {of.reason}."
        raise GatewayError("accuracy_not_predicted", detail, of.hint)
    if accuracy.half_width is not None:
        return float(accuracy.half_width)
    if of.size is None:
        assert isinstance(of, Multiple)  # INVARIANT: a mean is known with its size or not at all
        detail = f"A relative error of '{column.column}' has nothing to be relative to: {of.unsized}."
        clamp = "LEAST(GREATEST(x, lowest), highest)"
        hint = f"Give `half_width`; or clamp it in the SQL ({clamp}) or have the provider declare it."
        raise GatewayError("accuracy_not_predicted", detail, hint)
    return float(accuracy.target) * of.size


def met(wanted: Iterable[Target], primitives: Primitives, confidence: float) -> bool:
    """Tell whether every column is expected to reach its target."""
    widths = ((target, width(target.column, primitives, confidence)) for target in wanted)
    return all(reached is not None and reached <= target.half_width for target, reached in widths)


def shares(wanted: Iterable[Target], primitives: Primitives, confidence: float) -> dict[tuple[str, str], int]:
    """Return the ledger units that each primitive needs; `primitives` are those of any plan of the same query."""
    needed: dict[tuple[str, str], float] = {}
    for target in wanted:
        for name, deviation in _deviations(target, primitives, confidence):
            power = 1 if primitives[name].noise is Noise.LAPLACE else 2
            least = primitives[name].charge * (primitives[name].expected_scale / deviation) ** power
            needed[name] = max(needed.get(name, 0.0), least)
    given = sum(primitives[name].charge for name in needed)
    ratio = sum(needed.values()) / given
    return {
        name: max(LEAST, math.ceil(_SIX.create_decimal(needed.get(name, one.charge * ratio))))
        for name, one in primitives.items()
    }


def _deviations(target: Target, primitives: Primitives, confidence: float) -> list[tuple[tuple[str, str], float]]:
    """Return the standard deviation that each primitive of a column may have."""
    of = target.column.of
    assert not isinstance(of, Unpredicted)  # INVARIANT: refused when targets were made
    if isinstance(of, Mean):
        return _of_mean(of, target.half_width, primitives, confidence)
    name = of.measurement, of.primitive
    noise = primitives[name].noise
    reach = math.floor(target.half_width) if of.whole else target.half_width
    scale = widest_scale(reach / of.factor, noise, confidence)
    return [(name, scale * (math.sqrt(2) if noise is Noise.LAPLACE else 1.0))]


def _of_mean(
    mean: Mean, half_width: float, primitives: Primitives, confidence: float
) -> list[tuple[tuple[str, str], float]]:
    """Return the cheapest pair of deviations: what they cost grows in proportion to the k-th power of the ratio.

    Minimises a / x^k + b / y^k under x^2 + t^2 y^2 = d^2, where a and b are the costs at deviation 1: Lagrange gives
    x^(k+2) : (t y)^(k+2) = a : b t^k.
    """
    total, count = (mean.measurement, mean.total), (mean.measurement, mean.count)
    whole = half_width * mean.rows / mean.step / score(Noise.GAUSSIAN, confidence) * (1 - 1e-9)
    power = 1 if primitives[total].noise is Noise.LAPLACE else 2
    costs = [
        primitives[name].charge * (primitives[name].expected_scale * weight) ** power
        for name, weight in ((total, 1.0), (count, mean.typical))
    ]
    parts = [cost ** (1 / (power + 2)) for cost in costs]
    x, y = (whole * part / math.hypot(*parts) for part in parts)
    return [(total, x), (count, y / mean.typical)]


def reachable(wanted: tuple[Target, ...], accuracy: Accuracy, primitives: Primitives, budget: int) -> Decimal:
    """Return the smallest target, of three digits, that `budget` ledger units reach."""
    digits = Context(prec=3, rounding=ROUND_CEILING)
    total = sum(shares(wanted, primitives, float(accuracy.confidence)).values())
    power = 1.0 if next(iter(primitives.values())).noise is Noise.LAPLACE else 0.5
    found = digits.create_decimal(accuracy.target * Decimal((total / budget) ** power))
    while True:
        ratio = float(found / accuracy.target)
        scaled = [Target(target.column, target.half_width * ratio) for target in wanted]
        if sum(shares(scaled, primitives, float(accuracy.confidence)).values()) <= budget:
            return found
        found = digits.next_plus(digits.create_decimal(found))
