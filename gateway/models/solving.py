"""A noisy system of equations, solved with the deviation that noise gives each unknown.

To first order: d x = A^-1 (d r - d A x), with the noise of every entry drawn by itself (the delta method). It holds
while the noise of the matrix is small beside its least eigenvalue; where it is not, the solution is shown without
intervals.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gateway.models.elimination import entry
from gateway.models.sums import Sums

Array = npt.NDArray[np.float64]

CLEAR = 8.0
"""The least eigenvalue is this many times the noise of the matrix, or no interval is given: what is left out of the
first order is then of the size of an eighth of it."""


@dataclass(frozen=True, slots=True)
class Solution:
    """`unknowns` of `a x = r`; `moves[:, e]` is what a deviation of entry e's noise moves them by.

    `clear` tells whether the matrix stands out of its noise. `solved` is the matrix as it was solved.
    """

    unknowns: Array
    moves: Array
    solved: Array
    inverse: Array
    clear: bool

    @property
    def deviations(self) -> Array:
        return np.asarray(np.sqrt((self.moves**2).sum(axis=1)))


def matrix(values: Mapping[str, float], prefix: str, dims: Sequence[int]) -> Array:
    """Return the symmetric matrix whose entries have these names."""
    return np.array([[values[entry(prefix, i, j)] for j in dims] for i in dims])


def solve(
    sums: Sums, prefix: str, dims: Sequence[int], right: Sequence[str], ridge: Array, pull: Array | None = None
) -> Solution:
    """Return the solution of `(A + ridge) x = r - pull`, with A named by `prefix` and r by its columns.

    An eigenvalue below the matrix's noise is raised to it: what is released need not be positive definite.
    """
    a = matrix(sums.values, prefix, dims) + np.diag(ridge)
    r = np.array([sums.values[name] for name in right]) - (pull if pull is not None else 0.0)
    noise = _noise(matrix(sums.deviations, prefix, dims))
    eigenvalues, vectors = np.linalg.eigh(a)
    clear = bool(eigenvalues[0] > CLEAR * noise) and bool(eigenvalues[0] > 0)
    least = max(noise, float(np.abs(eigenvalues).max()) * 1e-9, 1e-300)
    raised = np.maximum(eigenvalues, least)
    inverse = (vectors / raised) @ vectors.T
    unknowns = inverse @ r
    moves = [inverse[:, k] * sums.deviations[name] for k, name in enumerate(right)]
    for (k, i), (m, j) in itertools.combinations_with_replacement(list(enumerate(dims)), 2):
        turned = inverse[:, k] * unknowns[m] + (inverse[:, m] * unknowns[k] if k != m else 0.0)
        moves.append(-turned * sums.deviations[entry(prefix, i, j)])
    return Solution(unknowns, np.stack(moves, axis=1), (vectors * raised) @ vectors.T, inverse, clear)


def _noise(deviations: Array) -> float:
    """Return about how large the noise of a symmetric matrix is as a norm: twice the largest deviation of a row.

    (Bandeira & van Handel 2016, Theorem 1.1: the norm of a symmetric matrix with independent normal entries.)
    """
    return 2 * float(np.sqrt((deviations**2).sum(axis=1)).max())
