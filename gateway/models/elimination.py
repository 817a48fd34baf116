"""Systems of equations solved twice the same way: by SQL over released sums, and in numbers once they are known.

Both eliminate without pivoting, and raise each pivot to a floor: a noisy matrix may be singular or worse, and whatever
is released has to give some numbers (Gill & Murray 1974: a modified Cholesky factorisation).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

LARGEST = 30.0
"""No coefficient of a feature within [-1, 1] moves further than this: e^30 is as good as certain."""


def entry(prefix: str, row: int, column: int) -> str:
    """Return the name of a symmetric matrix's entry."""
    return f"{prefix}{min(row, column)}_{max(row, column)}"


def steps(last: str, size: int, name: Callable[[int], str], carried: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield WITH queries (name, SELECT), one for each unknown, that solve `a x = r` in one row.

    `last` names the query that gives `a0_i_j` and `r0_i` (i <= j, before step 0) and `floor`; `name(i)` names the i-th
    query made here, which also gives what is `carried`. `unknown(i, size)` reads the last.
    """
    for i in range(size):
        pivot = f"GREATEST(a{i}_{i}_{i}, floor)"
        columns = [*carried, "floor", *(f"d{j}" for j in range(i)), f"{pivot} AS d{i}", f"r{i}_{i} AS r{i + 1}_{i}"]
        for j in range(size):
            if j == i:
                continue
            # both sides of the diagonal are cleared: a row above keeps what is to the right of the pivot alone
            factor = f"{entry(f'a{i}_', i, j)} / {pivot}"
            columns += [
                f"a{i}_{j}_{k} - {factor} * a{i}_{i}_{k} AS a{i + 1}_{j}_{k}" for k in range(max(i + 1, j), size)
            ]
            columns += [f"r{i}_{j} - {factor} * r{i}_{i} AS r{i + 1}_{j}"]
        columns += [f"a{i}_{i}_{k} AS a{i + 1}_{i}_{k}" for k in range(i + 1, size)]
        yield name(i), f"SELECT {', '.join(columns)} FROM {last}"
        last = name(i)


def unknown(i: int, size: int) -> str:
    """Return SQL of an unknown, over the columns of the last of `steps`."""
    return bounded(f"r{size}_{i} / d{i}")


def bounded(expression: str) -> str:
    """Return SQL that keeps a number within what a coefficient may move."""
    return f"LEAST(GREATEST({expression}, {-LARGEST}), {LARGEST})"


def solved(a: Mapping[tuple[int, int], float], r: Sequence[float], floor: float) -> list[float]:
    """Return x of `a x = r` as the queries of `steps` find it; `a` has the entries (i, j) with i <= j."""
    size, left, right = len(r), dict(a), list(r)
    pivots: list[float] = []
    for i in range(size):
        pivot = max(left[i, i], floor)
        above, pivots = dict(left), [*pivots, pivot]
        for j in range(size):
            if j == i:
                continue
            factor = above[min(i, j), max(i, j)] / pivot
            for k in range(max(i + 1, j), size):
                left[j, k] -= factor * above[i, k]
            right[j] -= factor * right[i]
    return [min(max(r / d, -LARGEST), LARGEST) for r, d in zip(right, pivots, strict=True)]
