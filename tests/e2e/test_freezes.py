"""Freezes over HTTP: who may, what is refused, what is ended, on two replicas of one store."""

import json
import threading
import time

import pytest
from support.gateways import Gateway, eventually, held_up, states

BY_COHORT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort ORDER BY cohort"
ANA = {"scope": "buyer", "organisation": "widgets", "subject": "ana"}


def tokens(gateway):
    return (
        gateway.token("sun", "regulator", ("supervisor",), None),
        gateway.token("eve", "acme", ("provider",), None),
        gateway.token(),
    )


def post(gateway, path, token, **body):
    status, reply = gateway.call("POST", path, {"reason": "an alert", **body}, token=token)
    return status, json.loads(reply)


def test_a_frozen_buyer_is_refused_everywhere_until_it_is_lifted(own):
    gateway = own()
    sun, _, ana = tokens(gateway)
    _, paid = gateway.ask(BY_COHORT, key="paid", token=ana)
    assert post(gateway, "/v1/freeze", sun, **ANA)[0] == 200
    for status, body in (
        gateway.ask("SELECT COUNT(*) AS n FROM purchases", token=ana),
        gateway.ask(BY_COHORT, key="paid", token=ana),
    ):
        assert (status, body["code"]) == (403, "frozen")
    status, body = gateway.call("POST", "/v1/quote", {"sql": BY_COHORT}, token=ana)
    assert (status, json.loads(body)["code"]) == (403, "frozen")
    status, body = gateway.call("GET", f"/v1/queries/{paid['query_id']}", token=ana)
    assert (status, json.loads(body)["code"]) == (403, "frozen")
    assert gateway.ask("SELECT COUNT(*) AS n FROM customers", token=gateway.token("bob"))[0] == 200
    _, listed = gateway.call("GET", "/v1/freezes", token=sun)
    assert [(f["scope"], f["name"], f["by"]) for f in json.loads(listed)["freezes"]] == [
        ("buyer", "widgets/ana", "regulator/sun")
    ]
    assert post(gateway, "/v1/unfreeze", sun, **ANA)[0] == 200
    assert gateway.ask(BY_COHORT, key="paid", token=ana) == (200, paid)


def test_who_may_freeze_what(own):
    gateway = own()
    sun, eve, ana = tokens(gateway)
    _, answer = gateway.ask(BY_COHORT, key="one", token=ana)
    for token in (ana, gateway.token("clerk", "acme", ("billing",)), gateway.token("eve", "others", ("provider",))):
        assert post(gateway, "/v1/freeze", token, scope="dataset", dataset="shop")[0] == 403
        assert gateway.call("GET", "/v1/freezes", token=token)[0] == 403
    for body in (ANA, {"scope": "all"}, {"scope": "organisation", "organisation": "widgets"}):
        assert post(gateway, "/v1/freeze", eve, **body)[0] == 403
    assert post(gateway, "/v1/freeze", eve, scope="query", query_id=answer["query_id"])[0] == 200
    assert gateway.call("GET", f"/v1/queries/{answer['query_id']}", token=ana)[0] == 403
    assert post(gateway, "/v1/freeze", eve, scope="dataset", dataset="shop")[0] == 200
    for sql in ("SELECT COUNT(*) AS n FROM customers", BY_COHORT):
        assert gateway.ask(sql, key="one" if sql is BY_COHORT else None, token=ana)[1]["code"] == "frozen"
    assert post(gateway, "/v1/unfreeze", sun, scope="dataset", dataset="shop")[0] == 200
    assert post(gateway, "/v1/unfreeze", sun, scope="dataset", dataset="shop")[0] == 404


def test_a_provider_lifts_no_freeze_of_a_supervisor_and_takes_the_place_of_none(own):
    gateway = own()
    sun, eve, ana = tokens(gateway)
    shop = {"scope": "dataset", "dataset": "shop"}
    assert post(gateway, "/v1/freeze", sun, **shop)[0] == 200
    assert post(gateway, "/v1/freeze", eve, **shop)[0] == 403
    assert post(gateway, "/v1/unfreeze", eve, **shop)[0] == 403
    assert gateway.ask(BY_COHORT, token=ana)[1]["code"] == "frozen"
    assert post(gateway, "/v1/unfreeze", sun, **shop)[0] == 200
    colleague = gateway.token("mei", "acme", ("provider",), None)
    assert [post(gateway, *call, **shop)[0] for call in (("/v1/freeze", eve), ("/v1/unfreeze", colleague))] == [
        200,
        200,
    ]


@pytest.mark.parametrize("body", [
    {"scope": "buyer", "organisation": "widgets"}, {"scope": "all", "dataset": "shop"}, {"scope": "dataset"},
    {"scope": "galaxy"}, {"scope": "dataset", "dataset": "shop", "reason": ""}, {"scope": "query", "dataset": "shop"},
])  # fmt: skip
def test_a_target_that_is_not_named_well_is_refused(gateway, body):
    sun = tokens(gateway)[0]
    assert post(gateway, "/v1/freeze", sun, **body)[0] == 400


def test_what_runs_on_another_replica_is_ended_within_a_second(own):
    gateway = own()
    sun, _, ana = tokens(gateway)
    other, replies = Gateway(gateway.folder), []
    other.start()
    try:
        with held_up(gateway):
            asking = threading.Thread(target=lambda: replies.append(gateway.ask(BY_COHORT, key="one", token=ana)))
            asking.start()
            assert eventually(lambda: states(gateway) == ["running"])
            status, frozen = post(other, "/v1/freeze", sun, scope="all")
            began = time.monotonic()
            assert (status, frozen["ended"]) == (200, 1)
            assert states(gateway) == ["stopped"]
            asking.join(timeout=20)
            took = time.monotonic() - began
        assert (replies[0][0], replies[0][1]["code"]) == (409, "query_stopped")
        assert took < 10, "a quarter of a second, and what a busy machine adds"
        assert gateway.ask(BY_COHORT, token=ana)[1]["code"] == "frozen"
        assert post(other, "/v1/unfreeze", sun, scope="all")[0] == 200
        assert gateway.ask(BY_COHORT, key="two", token=ana)[0] == 200
    finally:
        assert other.stop() == 0
