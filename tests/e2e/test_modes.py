"""Modes of use over HTTP: what each grant covers, and models that are charged once."""

import json

import pytest
from support.gateways import POLICY, held_up

from gateway.client import connect
from gateway.client.errors import GatewayError

GRANTS = """grants:
  - {to: {organisation: widgets}, purposes: [research], price_plan: standard}
  - {name: models, to: {organisation: modellers}, mode: modelling, purposes: [research], price_plan: standard}
  - {name: rows, to: {organisation: readers}, mode: open, purposes: [research], price_plan: standard}
  - {name: later, to: {organisation: others}, mode: federated, purposes: [research]}
"""
MODES = POLICY.replace(
    "grants:\n  - {to: {organisation: widgets}, purposes: [research], price_plan: standard}\n", GRANTS
)
LINEAR = {
    "kind": "linear_regression",
    "from": "purchases",
    "features": ["quantity"],
    "target": "amount",
    "epsilon": 1.5,
}
GIFTS = "SELECT quantity, quantity > 4 AS many FROM purchases"


@pytest.fixture(scope="module")
def modes(tmp_path_factory):
    from support.gateways import Gateway

    made = Gateway(tmp_path_factory.mktemp("modes"), MODES)
    made.make_data()
    made.start()
    yield made
    assert made.stop() == 0


def post(gateway, path, body, organisation="modellers", key=None, subject="ana"):
    headers = {} if key is None else {"Idempotency-Key": key}
    token = gateway.token(subject, organisation)
    status, reply = gateway.call("POST", path, body, token=token, headers=headers)
    return status, json.loads(reply)


def test_a_model_is_charged_once_by_its_key_and_its_answer_is_kept(modes):
    status, first = post(modes, "/v1/models", LINEAR, key="one")
    assert status == 200
    assert [one["name"] for one in first["coefficients"]] == ["(intercept)", "quantity"]
    assert first["intervals_cover"] == "noise"
    assert float(first["price"]["amount"]) == pytest.approx(0.5 + 20 * 1.5)
    assert first["privacy"]["rho"] == pytest.approx(1.5**2 / 2, rel=1e-6)
    assert post(modes, "/v1/models", LINEAR, key="one") == (200, first)
    status, conflict = post(modes, "/v1/models", {**LINEAR, "ridge": 2}, key="one")
    assert (status, conflict["code"]) == (409, "idempotency_conflict")
    token = modes.token("ana", "modellers")
    _, kept = modes.call("GET", f"/v1/queries/{first['query_id']}", token=token)
    answer = json.loads(kept)["answer"]
    assert answer["columns"][0] == {"name": "m0_0", "type": "DOUBLE", "noisy": True}
    assert modes.call("GET", f"/v1/queries/{first['query_id']}/receipt", token=token)[0] == 200
    # the same sums, asked again for another model of them, are the same draws
    _, other = post(modes, "/v1/models", {"kind": "covariance", "from": "purchases", "features": ["quantity", "amount"],
                                          "epsilon": 1.5})  # fmt: skip
    assert other["privacy"]["stored"]
    assert other["rows"] == first["rows"]


def test_a_model_goes_on_behind_202_is_cancelled_by_its_id_and_given_by_its_key(modes):
    # of rows that no other test asks of: what is stored already is given, and charged to nobody
    token = modes.token("ana", "modellers")
    asked = {**LINEAR, "from": "SELECT quantity, amount FROM purchases WHERE quantity > 1"}
    other = {**asked, "kind": "covariance", "features": ["quantity", "amount"], "target": None}
    other["from"] = "SELECT quantity, amount FROM purchases WHERE quantity > 2"
    with held_up(modes):
        status, told = post(modes, "/v1/models", {**asked, "wait_timeout": 0}, key="slow")
        assert (status, told["state"]) == (202, "RUNNING")
        _, ended = post(modes, "/v1/models", {**other, "wait_timeout": 0}, key="gone")
        path = f"/v1/queries/{ended['query_id']}"
        assert json.loads(modes.call("DELETE", path, token=token)[1])["state"] == "CANCELLED"
    status, found = post(modes, "/v1/models", asked, key="slow")
    assert (status, found["query_id"]) == (200, told["query_id"])
    assert post(modes, "/v1/models", other, key="gone")[1]["code"] == "query_cancelled"
    assert post(modes, "/v1/models", {**asked, "on_wait_timeout": "cancel"})[1]["code"] == "bad_request"


def test_every_kind_is_fitted(modes):
    logistic = {"kind": "logistic_regression", "from": GIFTS, "features": ["quantity"], "target": "many", "rounds": 2}
    status, found = post(modes, "/v1/models", {**logistic, "epsilon": 2})
    assert status == 200
    assert found["rounds"] == 2
    assert found["coefficients"][1]["estimate"] > 0
    table = {"kind": "contingency", "from": "customers", "features": ["cohort"], "epsilon": 2}
    status, found = post(modes, "/v1/models", table)
    assert status == 200
    assert [cell["values"] for cell in found["cells"]] == [["1997-01"], ["1997-02"], ["1997-03"]]
    assert found["total"]["low"] - 20 <= 200 <= found["total"]["high"] + 20  # a 95 % interval, and more


def test_a_quote_of_a_model_shows_its_sql_and_costs_nothing(modes):
    status, quote = post(modes, "/v1/models/quote", {**LINEAR, "epsilon": 0.7}, subject="bob")
    assert status == 200
    assert "SUM(z1 * z2)" in quote["sql"]
    assert float(quote["price"]["amount"]) == pytest.approx(0.5 + 20 * 0.7)


@pytest.mark.parametrize(("change", "code"), [
    ({"target": None}, "bad_request"), ({"features": []}, "bad_request"), ({"kind": "forest"}, "bad_request"),
    ({"features": ["quantity", "quantity"]}, "bad_request"), ({"features": ["amount"]}, "bad_request"),
    ({"rounds": 9}, "bad_request"), ({"ridge": -1}, "bad_request"), ({"oddly": 1}, "bad_request"),
    ({"from": "nowhere"}, "unknown_table"), ({"features": ["nothing"]}, "unknown_column"),
    ({"from": "SELECT quantity, basket AS amount FROM purchases"}, "type_mismatch"),
    ({"from": "SELECT quantity, amount FROM purchases WHERE amount > 3"}, "column_use"),
    ({"from": "SELECT COUNT(*) AS quantity, 1 AS amount FROM purchases"}, None),
    ({"from": "SELECT quantity, amount FROM purchases LIMIT 5"}, "limit_below_measurement"),
    ({"epsilon": 3}, "epsilon_too_large"),
])  # fmt: skip
def test_a_model_that_is_refused_says_why_and_costs_nothing(modes, change, code):
    status, found = post(modes, "/v1/models", {**LINEAR, **change})
    assert status in (400, 403)
    assert code in (None, found["code"])
    assert found["hint"]


def test_a_place_in_a_refusal_is_one_in_the_buyers_text(modes):
    source = "SELECT quantity,\n  amount FROM purchases\n  WHERE amount > 3"
    _, found = post(modes, "/v1/models", {**LINEAR, "from": source})
    assert found["position"]["line"] == 3


def test_each_mode_covers_what_it_says(modes):
    count, days = {"sql": "SELECT COUNT(*) AS n FROM customers"}, {"sql": "SELECT day FROM calendar LIMIT 2"}
    private = {"sql": "SELECT weekday, COUNT(p.quantity) AS n FROM calendar c LEFT JOIN purchases p "
                      "ON p.purchased_on = c.day GROUP BY weekday"}  # fmt: skip
    expected = {
        ("widgets", "query"): None, ("widgets", "days"): None, ("widgets", "model"): "mode_not_granted",
        ("modellers", "query"): "mode_not_granted", ("modellers", "days"): "mode_not_granted",
        ("readers", "query"): "mode_not_granted", ("readers", "days"): None, ("readers", "model"): "mode_not_granted",
        ("readers", "private"): "mode_not_granted", ("others", "query"): "mode_not_served",
        ("others", "model"): "mode_not_served",
    }  # fmt: skip
    bodies = {"query": count, "days": days, "model": LINEAR, "private": private}
    for (organisation, what), code in expected.items():
        path = "/v1/models" if what == "model" else "/v1/query"
        status, found = post(modes, path, bodies[what], organisation)
        assert (status, found.get("code")) == ((200, None) if code is None else (403, code)), (organisation, what)
        if path == "/v1/query":
            status, quoted = post(modes, "/v1/quote", bodies[what], organisation)
            assert (status, quoted.get("code")) == ((200, None) if code is None else (403, code))


def test_public_rows_under_an_open_grant_are_metered(modes):
    status, found = post(modes, "/v1/query", {"sql": "SELECT COUNT(*) AS n FROM calendar"}, "readers")
    assert (status, found["rows"]) == (200, [[546]])
    assert found["price"]["amount"] == "0.50"
    billing = modes.token("clerk", "acme", ("billing",))
    _, events = modes.call("GET", "/v1/meter/events?limit=1000", token=billing)
    assert any(
        found["query_id"] in line and '"grant":"rows"' in line.replace(" ", "") for line in events.decode().splitlines()
    )


def test_the_client_gives_coefficients_by_name(modes):
    with connect(modes.url, modes.token("ana", "modellers")) as gateway:
        found = gateway.model("linear_regression", "purchases", ["quantity"], target="amount", epsilon=1.5)
        assert found["quantity"].estimate == found.coefficients[1].estimate
        assert "intervals cover the noise alone" in repr(found)
        assert "<table>" in found._repr_html_()
        with pytest.raises(GatewayError) as refused:
            gateway.model("covariance", "nowhere", ["x"])
        assert refused.value.code == "unknown_table"
