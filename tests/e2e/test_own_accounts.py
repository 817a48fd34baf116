"""Accounts over real HTTP: history, caps, taken-back tokens, top-ups by two persons, texts for the provider alone."""

import json

import pytest
from support.gateways import POLICY, Gateway

from gateway.app.clock import SystemClock, SystemRandomness
from gateway.identity.development import DevelopmentKey
from gateway.request import Caller

TIGHT = POLICY.replace("budget: {epsilon: 50, delta: 1.0e-6}", "budget: {epsilon: 5, delta: 1.0e-6}").replace(
    "max_epsilon: 2", "max_epsilon: 0.5"
)
SMALL = TIGHT + "retention: {query_texts: 7}\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    made = Gateway(tmp_path_factory.mktemp("small"), SMALL)
    made.make_data()
    made.start()
    yield made
    assert made.stop() == 0


def called(gateway, method, path, body=None, **options):
    status, raw = gateway.call(method, path, body, **options)
    return status, json.loads(raw)


def test_a_buyer_sees_its_own_queries_alone(small):
    _, answer = small.ask("SELECT COUNT(*) AS n FROM customers")
    status, found = called(small, "GET", "/v1/queries")
    assert status == 200
    (mine,) = [q for q in found["queries"] if q["query_id"] == answer["query_id"]]
    assert mine["state"] == "FINISHED"
    assert mine["price"]["amount"] == answer["price"]["amount"]
    assert float(mine["privacy"]["rho"]) == pytest.approx(answer["privacy"]["rho"])
    assert "customers" not in json.dumps(mine)
    assert called(small, "GET", "/v1/queries", token=small.token("bob"))[1] == {"queries": []}
    assert called(small, "GET", f"/v1/queries?before={mine['query_id']}&limit=1")[0] == 200
    assert called(small, "GET", "/v1/queries?limit=0")[1]["code"] == "bad_request"
    assert called(small, "GET", "/v1/queries?before=../x")[1]["code"] == "bad_request"


def test_a_cap_of_ones_own_stops_the_next_charge(small):
    _, before = called(small, "GET", "/v1/spending")
    spent = before["spending"][0]["spent"]["month"] if before["spending"] else "0"
    status, set_ = called(small, "PUT", "/v1/spending", {"currency": "CNY", "per": "month", "amount": "1000.00"})
    assert status == 200
    assert set_["spending"][0]["caps"] == {"month": "1000.00"}
    called(small, "PUT", "/v1/spending", {"currency": "CNY", "per": "month", "amount": spent})
    status, problem = small.ask("SELECT SUM(quantity) AS n FROM purchases", epsilon=0.01)
    assert (status, problem["code"]) == (403, "spending_capped")
    called(small, "PUT", "/v1/spending", {"currency": "CNY", "per": "month", "amount": None})
    assert small.ask("SELECT SUM(quantity) AS n FROM purchases", epsilon=0.01)[0] == 200
    for bad in ({}, {"currency": "yuan", "per": "month", "amount": 1}, {"currency": "CNY", "per": "week", "amount": 1},
                {"currency": "CNY", "per": "day", "amount": -1}, {"currency": "CNY", "per": "day", "amount": 1, "x": 2}):  # fmt: skip
        assert called(small, "PUT", "/v1/spending", bad)[1]["code"] == "bad_request"


def test_a_token_that_was_taken_back_is_a_strangers(small):
    key = DevelopmentKey.open(small.state, SystemRandomness())

    def token(subject, jti, *roles):
        caller = Caller(subject, "widgets", frozenset(roles or {"buyer"}), "research", token_id=jti)
        return key.issue(caller, 600, SystemClock().now())

    lost, other = token("eve", "t-lost"), token("eve", "t-other")
    assert called(small, "GET", "/v1/budget", token=lost)[0] == 200
    assert called(small, "POST", "/v1/tokens/revoke", {"jti": "t-other"}, token=lost)[1]["code"] == "forbidden"
    assert called(small, "POST", "/v1/tokens/revoke", {"jti": "t-lost"}, token=lost)[0] == 200
    assert called(small, "GET", "/v1/budget", token=lost)[1]["code"] == "unauthenticated"
    assert called(small, "GET", "/v1/budget", token=other)[0] == 200
    body = {"organisation": "widgets", "subject": "eve"}
    assert called(small, "POST", "/v1/tokens/revoke", body, token=token("bob", "t-bob"))[1]["code"] == "forbidden"
    watch = token("sam", "t-sam", "supervisor")
    for vague in ({"organisation": "widgets"}, {"jti": "t-bob", "subject": "bob"}):
        assert called(small, "POST", "/v1/tokens/revoke", vague, token=watch)[1]["code"] == "bad_request"
    assert called(small, "POST", "/v1/tokens/revoke", body, token=watch)[0] == 200
    assert called(small, "GET", "/v1/budget", token=other)[1]["code"] == "unauthenticated"


def test_a_top_up_takes_two_of_the_provider(small):
    status, problem = small.ask("SELECT COUNT(*) AS n FROM purchases", epsilon=0.5)
    while status == 200:
        status, problem = small.ask(
            f"SELECT COUNT(*) AS n FROM purchases WHERE quantity > {small.events()[-1]['data']['log_index'] % 50}",
            epsilon=0.5,
        )
    assert problem["code"] == "budget_exhausted"
    one, two = (small.token(name, "acme", ("provider",), None) for name in ("pia", "per"))
    wanted = {"dataset": "shop", "epsilon": 3.5, "reason": "a second study"}
    assert called(small, "POST", "/v1/topups", wanted)[1]["code"] == "forbidden"
    _, made = called(small, "POST", "/v1/topups", wanted, token=one)
    assert called(small, "POST", f"/v1/topups/{made['topup_id']}/approve", token=one)[1]["code"] == "two_persons"
    assert called(small, "POST", f"/v1/topups/{made['topup_id']}/approve")[1]["code"] == "not_found"
    assert small.ask("SELECT COUNT(*) AS n FROM purchases WHERE quantity > 44", epsilon=0.5)[0] == 403
    _, approved = called(small, "POST", f"/v1/topups/{made['topup_id']}/approve", token=two)
    assert approved["state"] == "approved"
    assert small.ask("SELECT COUNT(*) AS n FROM purchases WHERE quantity > 44", epsilon=0.5)[0] == 200
    assert [t["state"] for t in called(small, "GET", "/v1/topups", token=two)[1]["topups"]] == ["approved"]


def test_a_text_is_the_providers_alone(small):
    _, answer = small.ask("SELECT COUNT(*) AS n FROM customers WHERE cohort = '1997-02'", epsilon=0.01)
    path = f"/v1/queries/{answer['query_id']}/text"
    provider = small.token("pia", "acme", ("provider",), None)
    assert called(small, "GET", path, token=provider)[1]["sql"].endswith("cohort = '1997-02'")
    for token in (
        small.token(),
        small.token("clerk", "acme", ("billing",), None),
        small.token("x", "widgets", ("provider",), None),
    ):
        assert called(small, "GET", path, token=token)[1]["code"] == "not_found"
    assert "1997-02" not in (small.folder / "log").read_text()
