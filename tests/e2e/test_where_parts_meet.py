"""Grants of the store beside everything else over HTTP: versions that go and come back, the sandbox, prices, certificates."""

import json
import threading
import time

import pytest
from support.gateways import POLICY
from support.grants import Exchange
from support.policy_life import BY_COHORT, COUNT, HERE, Cast
from support.stores import database

WITHOUT_PLAN = POLICY.replace(", price_plan: standard", "").replace(
    "prices:\n  standard: {currency: CNY, per_query: 0.50, per_epsilon: 20.00}\n", ""
)


@pytest.fixture
def met(own):
    """Return a gateway whose dataset's policy is the store's, who acts in its life, and the parties of a grant."""
    gateway = own()
    cast = Cast(gateway)
    version = cast.proposed(POLICY)
    cast.publish(version)
    return gateway, cast, Exchange(gateway).confirmed(), version


def code(reply):
    status, body = reply
    return status, body.get("code")


def test_a_grant_outlives_what_was_served_of_its_dataset_and_opens_nothing(met):
    gateway, cast, exchange, version = met
    exchange.granted()
    assert code(gateway.ask(COUNT, token=exchange.gil)) == (200, None)
    assert cast.post("withdraw", cast.eve, reason="an error")[0] == 200
    for asked in ({}, {"dataset": "shop"}, {"dataset": "shop", "sandbox": True}):
        assert code(gateway.ask(BY_COHORT, token=exchange.gil, **asked)) == (404, "unknown_dataset")
    for path in (HERE, f"{HERE}/contract", f"{HERE}/certificate"):
        assert code(exchange.call("GET", path, exchange.gil)) == (404, "unknown_dataset"), path
    assert exchange.call("GET", "/v1/datasets", exchange.gil)[1]["datasets"] == []
    assert exchange.call("GET", "/v1/budget", exchange.gil)[1]["datasets"] == []
    model = {"kind": "covariance", "from": "purchases", "features": ["quantity", "amount"], "dataset": "shop"}
    assert code(exchange.post("/v1/models", exchange.gil, **model)) == (404, "unknown_dataset")
    for person in (cast.eve, cast.mei):
        cast.post("rollback", person, version=version)
    assert code(gateway.ask(COUNT, token=exchange.gil)) == (200, None)


def test_the_sandbox_is_asked_of_a_version_that_the_store_serves(met):
    gateway, cast, exchange, _ = met
    assert code(gateway.ask(COUNT, token=cast.ana, sandbox=True)) == (200, None)
    grant = exchange.granted(mode="sandbox")
    status, answer = gateway.ask(BY_COHORT, token=exchange.gil, sandbox=True)
    assert (status, answer["sandbox"], answer["price"]["amount"]) == (200, True, "0")
    assert code(gateway.ask(COUNT, token=exchange.gil)) == (403, "mode_not_granted")
    receipt = exchange.call("GET", f"/v1/queries/{answer['query_id']}/receipt", exchange.gil)[1]
    assert grant["digest"] in json.dumps(receipt)


def test_a_grant_whose_price_plan_is_gone_is_refused_by_name_and_is_never_free(met):
    gateway, cast, exchange, _ = met
    grant = exchange.granted(price_plan="standard")
    _, paid = gateway.ask(BY_COHORT, token=exchange.gil)
    assert float(paid["price"]["amount"]) > 0
    spent = gateway.spent()
    cast.publish(cast.proposed(WITHOUT_PLAN))
    for asked in (COUNT, BY_COHORT):
        status, refused = gateway.ask(asked, token=exchange.gil)
        assert (status, refused["code"]) == (403, "grant_not_valid")
        assert "standard" in refused["detail"]
    status, quoted = gateway.call("POST", "/v1/quote", {"sql": COUNT}, token=exchange.gil)
    assert (status, json.loads(quoted)["code"]) == (403, "grant_not_valid")
    for path in (HERE, f"{HERE}/contract", "/v1/budget"):
        assert exchange.call("GET", path, exchange.gil)[0] == 200, path
    assert gateway.spent() == spent
    assert exchange.post(f"/v1/grants/{grant['grant_id']}/revoke", exchange.eve, reason="anew")[0] == 200
    exchange.granted()
    assert code(gateway.ask(COUNT, token=exchange.gil)) == (200, None)


def test_who_has_a_grant_of_the_store_sees_the_certificate_until_it_ends(met):
    _, _, exchange, _ = met
    path = f"{HERE}/certificate"
    assert code(exchange.call("GET", path, exchange.gil)) == (404, "unknown_dataset")
    grant = exchange.granted()
    assert exchange.call("GET", path, exchange.gil)[0] == 200
    exchange.post(f"/v1/grants/{grant['grant_id']}/revoke", exchange.eve, reason="over")
    assert code(exchange.call("GET", path, exchange.gil)) == (404, "unknown_dataset")


def test_a_policy_without_end_is_refused_and_holds_up_nobody_else(own):
    gateway = own()
    cast = Cast(gateway)
    for text in ("[" * 5_000, "{a: " * 2_000, "[" * 5_000 + "]" * 5_000, "[&a [*a]]"):
        policy = POLICY.replace("A shop", text)
        status, reply = cast.post("versions", cast.eve, policy=policy)
        assert (status, reply["code"]) == (400, "policy_invalid"), text[:10]
    long = POLICY.replace("title: A shop", f"title: [{'1, ' * 40_000}1]")
    posting = threading.Thread(target=cast.post, args=("versions", cast.eve), kwargs={"policy": long})
    posting.start()
    waits = []
    while posting.is_alive():
        began = time.monotonic()
        assert gateway.call("GET", "/healthz")[0] == 200
        waits.append(time.monotonic() - began)
    posting.join()
    assert len(waits) > 3, "it is read beside others"


@pytest.mark.long
def test_a_provider_proposes_at_the_pace_of_what_costs_nothing(own):
    gateway = own(GATEWAY_FREE_PER_MINUTE="20")
    cast = Cast(gateway)
    told = [cast.post("versions", cast.eve, policy=POLICY.replace("A shop", f"Shop {n}"))[1] for n in range(41)]
    assert {one.get("code") for one in told} == {None, "too_many_requests"}


def test_past_questions_of_a_grant_of_the_store_are_planned_anew_under_it(met):
    _, cast, exchange, _ = met
    exchange.granted(price_plan="standard")
    asked = [{"sql": COUNT, "organisation": "gadgets", "subject": "gil", "purpose": "research"}]
    for changed, becomes in ((("0.50", "0.75"), "costs otherwise"), (("standard: {", "other: {"), "refused now")):
        policy = POLICY.replace(*changed).replace(", price_plan: standard", "")
        _, told = cast.post(f"versions/{cast.proposed(policy)}/replay", cast.eve, queries=asked)
        assert [one["becomes"] for one in told["questions"]] == [becomes]


def test_a_nul_reaches_no_store(own):
    gateway = own(GATEWAY_STORE_URL=database())
    exchange = Exchange(gateway)
    assert code(exchange.call("GET", "/v1/alerts?dataset=%00", exchange.sun)) == (400, "bad_request")
    body = {"dataset": "shop", "epsilon": "1", "reason": "more\0"}
    assert code(exchange.post("/v1/topups", exchange.eve, **body)) == (400, "bad_request")
