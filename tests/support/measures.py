"""Measurements without the rest of the path: aggregates by hand over relations that the resolver makes.

The SQL names the relation, its keys and, as COUNT(x), what the aggregates are of; `calls` says which they are:
(kind, positions of their arguments among the COUNTs, parameter).
"""

from dataclasses import replace
from fractions import Fraction

import duckdb
import pyarrow as pa

from gateway.catalog.types import BOOLEAN, DOUBLE, INTEGER
from gateway.compile.measurement import compile_measurement
from gateway.privacy.bounding import bound
from gateway.privacy.calibrate import calibrate
from gateway.privacy.ownership import analyse
from gateway.privacy.relations import Measure
from gateway.privacy.release import release
from gateway.privacy.units import budget_of_epsilon
from gateway.sql.parse import parse
from gateway.sql.plan import AggregateCall, AggregateKind, Field
from gateway.sql.select import resolve
from support.neighbours import SECRET
from support.shop import SHOP

A = AggregateKind
SAME = (A.MIN, A.MAX, A.QUANTILE_DISC, A.SUM)


def measure_of(sql, calls=None, dataset=SHOP, factors=()):
    """Return the measure of a SELECT, its aggregates replaced by `calls`."""
    steps = analyse(resolve(parse(sql, "duckdb"), dataset), dataset).steps
    (measure,) = (step for step in steps if isinstance(step, Measure))
    node = measure.aggregate
    if calls is not None:
        node = replace(node, calls=tuple(_call(node, i, *call) for i, call in enumerate(calls)))
    return replace(measure, aggregate=node, factors=factors)


def _call(node, index, kind, positions=(), parameter=None):
    arguments = tuple(node.calls[i].arguments[0] for i in positions)
    type_ = arguments[0].type if kind in SAME else DOUBLE
    type_ = BOOLEAN if kind in (A.BOOL_AND, A.BOOL_OR) else type_
    type_ = INTEGER if kind in (A.COUNT, A.COUNT_ROWS, A.COUNT_DISTINCT) else type_
    term = replace(node.calls[0].field.term.reference(f"c9{index}"), type=type_)
    filter_ = node.calls[0].filter if node.calls else None
    return AggregateCall(kind, arguments, filter_, Field(kind.value, term), None, parameter and Fraction(parameter))


def measured(sql, calls=None, dataset=SHOP, epsilon=None, factors=()):
    """Return (bounded, measurement) of a SELECT."""
    bounded = bound(measure_of(sql, calls, dataset, factors), dataset)
    compiled = compile_measurement(bounded)
    epsilon = epsilon if epsilon is not None else dataset.privacy.default_epsilon
    budget = budget_of_epsilon(epsilon, dataset.privacy.accounting)
    return bounded, calibrate(bounded, compiled, dataset, budget)


def answered(connection, bounded, measurement):
    """Return what a measurement releases, with its aggregates computed: rows of keys and answers."""
    tables = [
        connection.sql(probe.sql, params=[SECRET] * probe.parameters or None).to_arrow_table()
        for probe in measurement.probes
    ]
    return computed(bounded, measurement, release(measurement, tables, {}))


def computed(bounded, measurement, noisy):
    """Return the aggregates of a noisy table, as the finisher computes them."""
    columns = {key.name: pa.array([cells[i] for cells in noisy.keys]) for i, key in enumerate(measurement.keys)}
    for column in noisy.columns:
        columns[column.name] = pa.array(column.values, pa.float64() if column.curves is not None else pa.int64())
    shown = [key.name for key in measurement.keys] + [o.expression.sql("duckdb") for o in bounded.outputs]
    finisher = duckdb.connect()
    finisher.register("m0", pa.table(columns))
    return finisher.execute(f"SELECT {', '.join(shown)} FROM m0").fetchall()
