"""Systems of equations are solved in numbers as the SQL solves them, and as linear algebra does where nothing is raised."""

import duckdb
import numpy as np
import pytest

from gateway.models.elimination import LARGEST, solved, steps, unknown


def by_sql(a, r, floor):
    size = len(r)
    columns = [f"{a[i, j]!r}::DOUBLE AS a0_{i}_{j}" for i in range(size) for j in range(i, size)]
    columns += [f"{r[i]!r}::DOUBLE AS r0_{i}" for i in range(size)]
    queries = [("start", f"SELECT {', '.join(columns)}, {floor!r}::DOUBLE AS floor, 7 AS seven")]
    queries += steps("start", size, lambda i: f"s{i}", ["seven"])
    made = ", ".join(f"{name} AS ({select})" for name, select in queries)
    shown = ", ".join(unknown(i, size) for i in range(size))
    return duckdb.sql(f"WITH {made} SELECT {shown}, seven FROM s{size - 1}").fetchall()[0]


@pytest.mark.parametrize("size", range(1, 7))
def test_both_find_the_same(size):
    draw = np.random.Generator(np.random.PCG64(size))
    for case in range(4):
        base = draw.normal(size=(size, size))
        matrix = base @ base.T if case < 3 else base + base.T  # the last is not positive definite
        a = {(i, j): float(matrix[i, j]) for i in range(size) for j in range(i, size)}
        r = [float(x) for x in draw.normal(size=size)]
        *found, seven = by_sql(a, r, 0.01)
        assert seven == 7
        assert found == pytest.approx(solved(a, r, 0.01), rel=1e-9)
        if case < 3 and np.linalg.eigvalsh(matrix)[0] > 0.1:
            assert found == pytest.approx(list(np.linalg.solve(matrix, r)), rel=1e-6)


def test_a_matrix_of_nothing_gives_bounded_unknowns():
    a = {(0, 0): 0.0, (0, 1): 0.0, (1, 1): -5.0}
    assert solved(a, [1.0, -1.0], 1e-3) == [LARGEST, -LARGEST]
    assert by_sql(a, [1.0, -1.0], 1e-3)[:2] == (LARGEST, -LARGEST)
