"""Many releases of one measurement at once, each beside the exact values at the bounds that it found.

The engine runs once; a release's own mechanisms draw for all of them in one call each. Of measurements without keys.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gateway.engines.post import PostProcessor
from gateway.models.asked import Model
from gateway.models.fitting import fitted
from gateway.planning import Planned
from gateway.privacy import noise
from gateway.privacy.exact import ExactProbe
from gateway.privacy.intervals import half_width
from gateway.privacy.measurement import Derived, Measurement, Primitive
from gateway.privacy.release import release
from gateway.privacy.search import choose

from .answers import exact_rows
from .totals import totals_by_cell

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Draws:
    """Of one primitive, for each run: what is released, its deviation, and the exact value at the bound that it found.

    All are in steps.
    """

    values: Array
    deviations: Array
    found: Array


def redrawn(measurement: Measurement, tables: list[pa.Table], runs: int) -> dict[str, Draws]:
    """Return so many releases of a measurement, by primitive."""
    return {
        primitive.name: _draws(primitive, ExactProbe(measurement, probe, table), runs)
        for probe, table in zip(measurement.probes, tables, strict=True)
        for primitive in probe.primitives
    }


def _draws(primitive: Primitive, exact: ExactProbe, runs: int) -> Draws:
    chosen = np.zeros(runs, int)
    if primitive.search is not None:
        counted = exact.histogram(primitive)
        noisy = noise.add_noise(counted * runs, primitive.noise, primitive.search.scale)
        bins = np.array(noisy).reshape(runs, len(counted)).tolist()
        chosen = np.array([choose(primitive, one, 1) for one in bins])  # one cell
    values, deviations, found = np.zeros(runs), np.zeros(runs), np.zeros(runs)
    for index in np.unique(chosen).tolist():
        candidate, at = primitive.candidates[index], chosen == index
        total = totals_by_cell(exact, primitive, index).get((), 0)
        drawn = noise.add_noise([total] * int(at.sum()), primitive.noise, candidate.scale)
        values[at] = np.round(np.array(drawn) / candidate.denominator)
        deviations[at] = noise.deviation(primitive.noise, candidate.scale) / candidate.denominator
        found[at] = total / candidate.denominator
    return Draws(values, deviations, found)


class Refits:
    """Fits a model of many releases of its last measurement; what was measured before it is as it was released once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, model: Model, planned: Planned) -> None:
        """Run the whole program once over an open database."""
        self._model, self._finish = model, planned.program.finish
        post, noisy, measured = PostProcessor(), [], list(planned.program.measurements)
        inputs: dict[str, bytes] = {}
        for step in planned.program.steps:
            if isinstance(step, Derived):
                inputs[step.name] = post.derive(noisy, {}, measured[: len(noisy)], step)
            elif isinstance(step, Measurement):
                self._last, self._tables = step, exact_rows(connection, step, inputs)
                noisy.append(release(step, self._tables, {}))
        self._done = post.finish(noisy, {}, measured, self._finish, 1, None)
        self._read = [
            (place, column.direct.column, float(column.direct.factor))
            for place, column in enumerate(self._finish.columns)
            if column.direct is not None and column.direct.measurement == self._last.name
        ]
        # what is read off released columns is what the finisher shows, but for ends in whole steps
        shown = noisy[-1].columns
        cells, bars = self._cells({c.name: float(c.values[0] or 0) for c in shown}, {c.name: c.scale for c in shown})
        assert self._read
        assert np.allclose(cells, self._done.rows[0])
        assert all(np.allclose(bars[name], self._done.intervals[name], rtol=1e-3, atol=0.5) for name in bars)

    def _cells(self, values: Mapping[str, float], spreads: Mapping[str, float]) -> tuple[list[Any], dict[str, Any]]:
        cells, bars = list(self._done.rows[0]), dict(self._done.intervals)
        for place, column, factor in self._read:
            wide = half_width(spreads[column]) * abs(factor)
            cells[place] = values[column] * factor
            bars[self._finish.columns[place].name] = [[cells[place] - wide, cells[place] + wide]]
        return cells, bars

    def _fitted(self, values: Mapping[str, float], spreads: Mapping[str, float]) -> Mapping[str, Any]:
        cells, bars = self._cells(values, spreads)
        rest = {"query_id": "q", "versions": {}, "privacy": {}, "price": {}, "receipt": None, "notices": []}
        columns = [{"name": column.name} for column in self._finish.columns]
        answer = {"columns": columns, "rows": [cells], "intervals": {"columns": bars}, **rest}
        return fitted(self._model, json.dumps(answer).encode())

    def fits(self, runs: int) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Yield so many private fits, each beside that of the same sums without noise at the bounds that it found."""
        drawn = redrawn(self._last, self._tables, runs)
        for run in range(runs):
            spreads = {name: float(one.deviations[run]) for name, one in drawn.items()}
            yield (
                self._fitted({name: float(one.values[run]) for name, one in drawn.items()}, spreads),
                self._fitted({name: float(one.found[run]) for name, one in drawn.items()}, spreads),
            )
