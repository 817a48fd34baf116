"""Rows that no model can be found in: each gives finite numbers or none, no interval, and a notice that says why."""

import json
from decimal import Decimal

import pytest
from support.fitted_models import fitted_on, for_models, planned_model, purchases, single
from support.shop import SHOP

from gateway.errors import GatewayError
from gateway.models.asked import Kind, Model
from gateway.models.fitting import EMPTY, HIDDEN, SAMPLING, UNSETTLED

NEVER = "CASE WHEN quantity > 60 THEN quantity END"
ONE_LEVEL = "CASE WHEN basket = 'nothing of the kind' THEN 1 ELSE 0 END"


@pytest.fixture(scope="module")
def rows():
    return purchases(500, 3)[0]


def fit(connection, kind, columns, features, target=None, epsilon="1", where="TRUE", **more):
    source = f"SELECT {columns} FROM purchases WHERE {where}"
    model = Model(kind, source, features, target, **more)
    found = fitted_on(connection, model, planned_model(model, single(epsilon)))
    json.dumps(found, allow_nan=False)
    return found


@pytest.mark.parametrize("epsilon", ["0.01", "100000000"])
@pytest.mark.parametrize(("columns", "features"), [
    ("quantity, quantity AS again, score", ("quantity", "again")),
    (f"quantity, {NEVER} AS never, score", ("quantity", "never")),
    (f"quantity, {ONE_LEVEL} AS level, score", ("quantity", "level")),
], ids=["the same twice", "no values", "one level"])  # fmt: skip
def test_a_singular_regression_has_no_intervals(rows, columns, features, epsilon):
    found = fit(rows, Kind.LINEAR, columns, features, "score", epsilon)
    assert not found["clear"]
    assert [one["name"] for one in found["coefficients"]] == ["(intercept)", *features]
    assert all(one["low"] is None and one["high"] is None for one in found["coefficients"])
    assert found["r_squared"] is None
    assert HIDDEN in found["notices"]


def test_a_covariance_of_no_rows_is_not_shown(rows):
    found = fit(rows, Kind.COVARIANCE, f"quantity, {NEVER} AS never", ("quantity", "never"))
    assert (found["clear"], found["covariance"], found["means"]) == (False, [], [])
    assert HIDDEN in found["notices"]


@pytest.mark.parametrize("target", ["quantity > 25", "quantity >= 0"])
def test_a_target_that_is_told_without_fail_has_no_intervals_however_little_noise_there_is(rows, target):
    columns = f"quantity, {target} AS target"
    found = fit(rows, Kind.LOGISTIC, columns, ("quantity",), "target", "100000000", rounds=1)
    assert (found["clear"], found["settled"]) == (False, False)
    assert all(one["low"] is None for one in found["coefficients"])
    assert UNSETTLED in found["notices"]
    assert HIDDEN not in found["notices"]


def test_a_ridge_gives_what_is_told_without_fail_a_place_of_rest(rows):
    columns = "quantity, quantity > 25 AS target"
    found = fit(rows, Kind.LOGISTIC, columns, ("quantity",), "target", "100000000", rounds=3, ridge=50.0)
    assert found["clear"]
    assert found["coefficients"][1]["low"] > 0
    assert SAMPLING in found["notices"]


def test_a_table_of_no_shown_cell_says_nothing(rows):
    found = fit(rows, Kind.CONTINGENCY, "gift", ("gift",), where="basket = 'nothing of the kind'")
    assert (found["clear"], found["cells"]) == (False, [])
    assert found["total"] == {"estimate": None, "low": None, "high": None}
    assert EMPTY in found["notices"]


@pytest.mark.parametrize(("kind", "target"), [(Kind.LINEAR, "score"), (Kind.LOGISTIC, "gift"), (Kind.COVARIANCE, None)])
def test_an_epsilon_that_draws_no_noise_is_refused(kind, target):
    model = Model(kind, "purchases", ("quantity",), target)
    with pytest.raises(GatewayError) as found:
        planned_model(model, for_models(SHOP), Decimal("0.0000001"))
    assert found.value.code == "bad_request"
    assert "larger epsilon" in found.value.hint
