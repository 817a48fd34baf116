"""Models without a server: their sums planned, run and noised as the gateway does, then fitted."""

import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pyarrow as pa

from gateway.models.composing import compose
from gateway.models.fitting import fitted
from gateway.planning import plan
from gateway.programs import PlanJob
from gateway.request import Request
from support.answers import answered
from support.shop import CALLER, NOW, SHOP, empty_database

MODELLING = replace(SHOP.grants[0], mode="modelling")


def for_models(dataset, **privacy):
    """Return a dataset under a grant for models, with other figures of its privacy."""
    return replace(dataset, grants=(MODELLING,), privacy=replace(dataset.privacy, **privacy))


def single(epsilon):
    """Return the shop where each customer has one purchase, with any epsilon allowed."""
    tables = tuple(replace(t, per_unit_rows=1, per_unit_groups=1) if not t.public else t for t in SHOP.tables)
    return for_models(replace(SHOP, tables=tables), max_epsilon=Decimal(10) ** 9, default_epsilon=Decimal(epsilon))


def planned_model(model, dataset, epsilon=None):
    request = Request(compose(model, dataset), epsilon=epsilon, mode="modelling", composed=True)
    return plan(PlanJob(dataset, CALLER, request, NOW, dataset.grants[0]))


def fitted_on(connection, model, made):
    """Return one private model over an open database."""
    return fitted_from(model, made, answered(connection, made))


def fitted_from(model, made, done):
    rest = {"query_id": "q", "versions": {}, "privacy": {}, "price": {}, "receipt": None, "notices": []}
    columns = [{"name": column.name} for column in made.program.finish.columns]
    answer = {"columns": columns, "rows": done.rows, "intervals": {"columns": done.intervals}, **rest}
    return fitted(model, json.dumps(answer).encode())


def purchases(units, seed):
    """Return a database of one purchase a customer, whose score and gift depend on quantity and amount."""
    draw = np.random.Generator(np.random.PCG64(seed))
    quantity, amount = draw.integers(0, 51, units), draw.integers(0, 50_001, units) / 100
    score = np.round(np.clip(0.2 + 0.006 * quantity + 0.0005 * amount + draw.normal(0, 0.1, units), 0, 1), 4)
    logit = -1.2 + 0.06 * quantity - 0.002 * amount
    gift = draw.random(units) < 1 / (1 + np.exp(-logit))
    connection = empty_database()
    made = {"unit": np.arange(1, units + 1), "quantity": quantity, "amount": amount, "score": score, "gift": gift}
    connection.register("made", pa.table(made))
    connection.execute(
        "INSERT INTO purchases SELECT unit, NULL, quantity, 'x', amount, score, gift, NULL, '' FROM made"
    )
    connection.unregister("made")
    return connection, np.column_stack([quantity, amount]).astype(float), score, gift.astype(float)


def least_squares(x, y):
    return np.linalg.lstsq(np.column_stack([np.ones(len(y)), x]), y, rcond=None)[0]


def likeliest(x, y):
    """Return the maximum of the logistic likelihood."""
    z = np.column_stack([np.ones(len(y)), x / x.max(axis=0)])
    found = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-z @ found))
        found += np.linalg.solve((z * (p * (1 - p))[:, None]).T @ z, z.T @ (y - p))
    return found / np.array([1.0, *x.max(axis=0)])
