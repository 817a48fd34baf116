"""`python -m bench modelling FOLDER`: models of nycflights13 beside the fit without privacy.

FOLDER holds flights.csv of that dataset. The noise is the gateway's own; nothing is tuned. Of each private fit it is
counted whether its intervals hold what the same sums give without noise: at the bounds that this fit found, which is
what they claim, and at the policy's own bounds.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from gateway.catalog.build import build
from gateway.catalog.inspection import order
from gateway.catalog.load import parse
from gateway.catalog.model import Dataset
from gateway.engines.duckdb_source import connect, stamp_of
from gateway.engines.duckdb_worker import inspect
from gateway.models.asked import Kind, Model
from gateway.models.composing import compose
from gateway.models.fitting import fitted
from gateway.planning import Planned, plan
from gateway.programs import PlanJob
from gateway.request import Caller, Request
from tests.support import tpch
from tests.support.answers import answered
from tests.support.redrawn import Refits

POLICY = Path(__file__).with_name("nycflights13.yaml")
CALLER = Caller("ana", "widget-analytics", frozenset({"buyer"}))
EPSILONS = (Decimal(1), Decimal(4))
RUNS = 400
BEGUN = 5
"""So many releases of a logistic regression's earlier rounds have their part of the runs each."""

EXACT = Decimal(10) ** 8
"""At this epsilon noise all but vanishes, and the bounds of what one aircraft adds are the widest."""

_WHERE = "FROM flights WHERE arr_delay IS NOT NULL AND dep_delay IS NOT NULL"
LATE = f"SELECT CASE WHEN arr_delay > 15 THEN 1 ELSE 0 END AS late, distance, hour, month {_WHERE}"
SOON = (
    f"SELECT LEAST(GREATEST(dep_delay, -30), 120) AS dep, CASE WHEN arr_delay > 15 THEN 1 ELSE 0 END AS late {_WHERE}"
)

MODELS = {
    "arr_delay on dep_delay, distance": Model(Kind.LINEAR, "flights", ("dep_delay", "distance"), "arr_delay"),
    "dep_delay on hour, month, distance": Model(Kind.LINEAR, "flights", ("hour", "month", "distance"), "dep_delay"),
    "late on distance, hour, month": Model(Kind.LOGISTIC, LATE, ("distance", "hour", "month"), "late", rounds=2),
    "late on dep": Model(Kind.LOGISTIC, SOON, ("dep",), "late", rounds=3),
}


def opened(flights: Path, folder: Path) -> tuple[Path, Dataset]:
    """Return a database of the flights, made in a folder, and its dataset with any epsilon allowed."""
    database = folder / "nycflights13.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "CREATE TABLE flights AS SELECT tailnum, arr_delay::INTEGER arr_delay, dep_delay::INTEGER dep_delay, "
            "distance::INTEGER distance, hour::INTEGER AS hour, month::INTEGER AS month, origin "
            f"FROM read_csv('{flights}', nullstr = ['NA', '']) WHERE tailnum IS NOT NULL"
        )
        connection.execute("CREATE TABLE planes AS SELECT DISTINCT tailnum FROM flights")
        connection.execute("ALTER TABLE planes ADD PRIMARY KEY (tailnum)")
    document = parse(POLICY.read_text(), POLICY.name)
    reading = connect(str(database), 1000, 1)
    inspection = inspect(reading, order(document), stamp_of(str(database)))
    reading.close()
    built = build(document, inspection, data_version="1", base=folder)
    return database, replace(built, privacy=replace(built.privacy, max_epsilon=Decimal(10) ** 9))


def planned(model: Model, dataset: Dataset, epsilon: Decimal) -> Planned:
    """Return the plan of a model's sums."""
    request = Request(compose(model, dataset), epsilon=epsilon, mode="modelling", composed=True)
    return plan(PlanJob(dataset, CALLER, request, tpch.NOW, dataset.grants[0]))


def fit(connection: duckdb.DuckDBPyConnection, model: Model, made: Planned) -> Mapping[str, Any]:
    """Return one private model, through the gateway's own release, finish and fit."""
    done = answered(connection, made)
    columns = [{"name": column.name} for column in made.program.finish.columns]
    rest = {"query_id": "", "versions": {}, "privacy": {}, "price": {}, "receipt": None, "notices": []}
    answer = {"columns": columns, "rows": done.rows, "intervals": {"columns": done.intervals}, **rest}
    return fitted(model, json.dumps(answer).encode())


def unprivate(connection: duckdb.DuckDBPyConnection, model: Model) -> npt.NDArray[np.float64]:
    """Return least squares, or the largest likelihood, over rows within their bounds: no aircraft is bounded."""
    bounds = {
        "arr_delay": (-60, 180),
        "dep_delay": (-30, 180),
        "distance": (0, 3000),
        "hour": (5, 23),
        "month": (1, 12),
    }
    named = [*model.features, model.target or ""]
    source = model.source if model.source.startswith("SELECT") else f"SELECT * FROM {model.source}"
    kept = " AND ".join(f"{name} IS NOT NULL" for name in named)
    columns = connection.execute(f"SELECT {', '.join(named)} FROM ({source}) WHERE {kept}").fetchnumpy()
    read = [np.asarray(columns[name], dtype=np.float64) for name in named]
    *features, target = [np.clip(x, *bounds.get(n, (-np.inf, np.inf))) for x, n in zip(read, named, strict=True)]
    x = np.column_stack([np.ones(len(target)), *features])
    if model.kind is Kind.LINEAR:
        return np.asarray(np.linalg.lstsq(x, target, rcond=None)[0])
    found = np.zeros(x.shape[1])
    for _ in range(40):
        expected = 1 / (1 + np.exp(-x @ found))
        found += np.linalg.solve((x * (expected * (1 - expected))[:, None]).T @ x, x.T @ (target - expected))
    return found


@dataclass(frozen=True, slots=True)
class Line:
    """One coefficient: without privacy, bounded but without noise, and of the private fits how they lie.

    `wide` is the median half-width, `cut` how far bounds that are found move the fit without noise, in the median;
    `own` and `widest` are the shares of `shown` intervals that hold the fit without noise at either bounds.
    """

    name: str
    plain: float
    bounded: float
    median: float
    wide: float
    cut: float
    own: float
    widest: float


def measured(
    connection: duckdb.DuckDBPyConnection, model: Model, dataset: Dataset, epsilon: Decimal
) -> tuple[int, list[Line]]:
    """Return how many of RUNS private fits are clear, and the coefficients of those."""
    plain = unprivate(connection, model)
    exact = _estimates(fit(connection, model, planned(model, dataset, EXACT)))
    made = planned(model, dataset, epsilon)
    begun = 1 if model.kind is Kind.LINEAR else BEGUN
    pairs = [pair for _ in range(begun) for pair in Refits(connection, model, made).fits(RUNS // begun)]
    private = np.array([_estimates(one) for one, _ in pairs])
    clear = [pair for pair in pairs if pair[0]["clear"]]
    lines = []
    for i, one in enumerate(pairs[0][0]["coefficients"]):
        bars = np.array([[_part(f, i, part) for part in ("low", "high")] for f, _ in clear]).reshape(-1, 2)
        found = np.array([_part(own, i, "estimate") for _, own in clear])
        lines.append(
            Line(
                one["name"],
                float(plain[i]),
                exact[i],
                float(np.median(private[:, i])),
                _median((bars[:, 1] - bars[:, 0]) / 2),
                _median(np.abs(found - exact[i])),
                _mean((bars[:, 0] <= found) & (found <= bars[:, 1])),
                _mean((bars[:, 0] <= exact[i]) & (exact[i] <= bars[:, 1])),
            )
        )
    return len(clear), lines


def _part(found: Mapping[str, Any], index: int, part: str) -> float:
    return float(found["coefficients"][index][part])


def _median(values: npt.NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else np.nan


def _mean(values: npt.NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else np.nan


def _estimates(found: Mapping[str, Any]) -> list[float]:
    return [float(one["estimate"]) for one in found["coefficients"]]


def main(arguments: list[str]) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser("python -m bench modelling", description=__doc__)
    parser.add_argument("folder", type=Path, help="where flights.csv of nycflights13 is")
    asked = parser.parse_args(arguments)
    print(
        "| model | epsilon | clear | coefficient | not private | bounded | median | half-width | cut | own | widest |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        database, dataset = opened(asked.folder / "flights.csv", Path(folder))
        with duckdb.connect(str(database), read_only=True, config={"threads": 2}) as connection:
            for name, model in MODELS.items():
                for epsilon in EPSILONS:
                    clear, lines = measured(connection, model, dataset, epsilon)
                    for line in lines:
                        figures = (line.plain, line.bounded, line.median, line.wide, line.cut, line.own, line.widest)
                        shown = " | ".join(f"{figure:.4g}" for figure in figures)
                        print(f"| {name} | {epsilon} | {clear} | {line.name} | {shown} |", flush=True)
