"""A logistic regression from the sums of its rounds: the coefficients of each round, then the last step.

What the last step leaves undone is bounded: the logistic likelihood is self-concordant in the sense of Bach (2010,
Self-concordant analysis for logistic regression, Proposition 1), with features within [-1, 1].
"""

import math
from dataclasses import dataclass

import numpy as np

from gateway.models.asked import Model
from gateway.models.composing import FLOORS, RAREST, dimensions
from gateway.models.elimination import LARGEST, entry, solved
from gateway.models.solving import Array, Solution, solve
from gateway.models.sums import Sums


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients of features within [-1, 1], and what noise moves them by.

    `left` bounds how far they may still be from where the iteration ends; `settled` tells whether there is a bound,
    `clear` whether the last round's curvature stands out of its noise.
    """

    unknowns: Array
    moves: Array
    left: Array
    last_step: float
    settled: bool
    clear: bool


def logistic(model: Model, sums: Sums) -> Fit:
    """Return the fit: the coefficients of the last round and the Newton step from there."""
    dims = dimensions(model)
    at = np.array(coefficients_at(model, sums))
    ridge = np.array([model.ridge if d else 0.0 for d in dims])
    right = [f"g{model.rounds}_{i}" for i in range(len(dims))]
    step = solve(sums, f"h{model.rounds}_", range(len(dims)), right, ridge, ridge * at)
    left = _left(step)
    settled = bool(np.isfinite(left).all())
    unknowns = at + step.unknowns
    last = float(np.abs(step.unknowns).sum())
    return Fit(unknowns, step.moves, left if settled else np.zeros(len(dims)), last, settled, step.clear)


def coefficients_at(model: Model, sums: Sums) -> list[float]:
    """Return the coefficients at which the last round was measured: those that the SQL found of the rounds before."""
    dims, values = dimensions(model), sums.values
    size, rows = len(dims), max(values["m0_0"], 1.0)
    share = min(max(values["t0"] / rows, RAREST), 1 - RAREST) if model.intercept else 0.5
    weight = share * (1 - share)
    a = {
        (i, j): values[entry("m", dims[i], dims[j])] * weight + (model.ridge if i == j and dims[i] else 0.0)
        for i in range(size)
        for j in range(i, size)
    }
    right = [values[f"t{d}"] - share * values[entry("m", 0, d)] for d in dims]
    at = solved(a, right, FLOORS["first"] * rows)
    at = [x + math.log(share / (1 - share)) if d == 0 else x for x, d in zip(at, dims, strict=True)]
    for number in range(1, model.rounds):
        a = {
            (i, j): values[entry(f"h{number}_", i, j)] + (model.ridge if i == j and dims[i] else 0.0)
            for i in range(size)
            for j in range(i, size)
        }
        pulled = [model.ridge * x if d else 0.0 for x, d in zip(at, dims, strict=True)]
        right = [values[f"g{number}_{i}"] - pulled[i] for i in range(size)]
        step = solved(a, right, FLOORS["later"] * rows)
        at = [min(max(x + s, -LARGEST), LARGEST) for x, s in zip(at, step, strict=True)]
    return at


def _left(solution: Solution) -> Array:
    """Return how far each coefficient may be from the maximum after a Newton step; infinite where that is not known.

    With m = |step|_1, the likelihood's curvature H changes by factors e^-m to e^m along it. So the slope that is left
    is at most ((e^m - 1 - m) / m) |step|_H in the norm of H^-1, and what is to go, d, has (1 - e^(-c|d|)) / c <= rho,
    where rho is that times e^m and c |d|_H bounds |d|_1.
    """
    step = solution.unknowns
    size = float(np.abs(step).sum())
    if size == 0:
        return np.zeros(len(step))
    if size > 10:
        return np.full(len(step), np.inf)
    spread = np.sqrt(np.maximum(np.diag(solution.inverse), 0.0))
    length = math.sqrt(max(float(step @ solution.solved @ step), 0.0))
    rho = math.exp(size) * (math.expm1(size) - size) / size * length
    c = float(spread.sum())
    if c * rho >= 1:
        return np.full(len(step), np.inf)
    return spread * (-math.log1p(-c * rho) / c)
