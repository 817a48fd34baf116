"""Grants over HTTP: asked for, signed, used, narrowed, refused, taken back while a query runs, on two replicas."""

import base64
import json
import threading
import time
from datetime import UTC, timedelta

import pytest
from support.gateways import POLICY, Gateway, eventually, held_up, states
from support.grants import Exchange, Signer
from support.stores import database
from support.thinning import one_in

from gateway.app.clock import SystemClock

BY_COHORT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort ORDER BY cohort"


def counting(number):
    return f"SELECT COUNT(*) AS n FROM purchases WHERE quantity >= {number}"


@pytest.fixture(scope="module")
def exchange(gateway):
    return Exchange(gateway).confirmed()


def test_from_the_request_to_the_answer_and_its_end(own):
    gateway = own()
    exchange = Exchange(gateway)
    gil, eve = exchange.gil, exchange.eve
    assert gateway.ask(BY_COHORT, token=gil, dataset="shop")[1]["code"] == "unknown_dataset"
    asked = exchange.asked(uses=3, price_plan="standard", valid_until="2099-12-31")
    assert gateway.ask(BY_COHORT, token=gil, dataset="shop")[1]["code"] == "unknown_dataset"
    body = exchange.signer.body(asked["proposed"])
    path = f"/v1/grants/{asked['grant_id']}"
    assert exchange.post(f"{path}/grant", eve, **body)[1]["code"] == "grant_not_signed"  # by no key that is known
    exchange.confirmed()
    status, grant = exchange.post(f"{path}/grant", eve, **body)
    assert (status, grant["state"], grant["signature"]) == (200, "granted", body["signature"])
    assert [d["name"] for d in exchange.call("GET", "/v1/datasets", gil)[1]["datasets"]] == ["shop"]
    status, answer = gateway.ask(BY_COHORT, key="one", token=gil)
    assert (status, answer["price"]["plan"]) == (200, "standard")
    levels = exchange.call("GET", "/v1/budget", gil)[1]["datasets"][0]["levels"]
    assert [level["level"] for level in levels] == ["data"]
    charged = gateway.events()[-1]["data"]
    assert (charged["grant"], charged["grant_terms"]) == (asked["grant_id"], grant["digest"])
    receipt = exchange.call("GET", f"/v1/queries/{answer['query_id']}/receipt", gil)[1]
    assert grant["digest"] in json.dumps(receipt)
    status, revoked = exchange.post(f"{path}/revoke", eve, reason="the study is over")
    assert (status, revoked["state"], revoked["ended"]) == (200, "revoked", 0)
    for question in (counting(1), BY_COHORT):
        status, refused = gateway.ask(question, token=gil)
        assert (status, refused["code"], refused["detail"]) == (403, "grant_not_valid", "The grant was revoked.")
    assert gateway.ask(BY_COHORT, key="one", token=gil) == (200, answer)  # what was paid for
    assert exchange.call("GET", "/v1/datasets", gil)[1]["datasets"] == []
    assert exchange.post(f"{path}/revoke", eve, reason="again")[1]["code"] == "grant_not_open"


def told(exchange, *tokens):
    """Return how the queries of some buyers stand, as they are told."""
    found = [exchange.call("GET", "/v1/queries", token)[1]["queries"] for token in tokens]
    return [query["state"] for queries in found for query in queries]


@pytest.mark.parametrize("placed", one_in(2, ("sqlite", "postgres")))
def test_what_runs_of_a_revoked_grant_is_ended_within_a_second_on_another_replica(own, placed):
    gateway = own(**({"GATEWAY_STORE_URL": database()} if placed == "postgres" else {}))
    exchange = Exchange(gateway).confirmed()
    grant, other = exchange.granted(), Gateway(gateway.folder, **gateway.environment)
    liu = gateway.token("liu", "others")
    others = exchange.granted(liu)
    replies, spent = [], gateway.spent()
    other.start()
    try:
        with held_up(gateway):
            asking = [
                threading.Thread(target=lambda t=token: replies.append(gateway.ask(BY_COHORT, key="one", token=t)))
                for token in (exchange.gil, liu)
            ]
            for one in asking:
                one.start()
            assert eventually(lambda: told(exchange, exchange.gil, liu) == ["RUNNING", "RUNNING"])
            path, reason = f"/v1/grants/{grant['grant_id']}/revoke", {"reason": "misused"}
            status, revoked = other.call("POST", path, reason, token=exchange.sun)
            began = time.monotonic()
            assert (status, json.loads(revoked)["ended"]) == (200, 1)
            # in the revocation's own transaction
            assert told(exchange, exchange.gil, liu) == ["STOPPED", "RUNNING"]
            asking[0].join(timeout=20)
            took = time.monotonic() - began
        asking[1].join(timeout=20)
        assert (replies[0][0], replies[0][1]["code"]) == (409, "grant_ended")
        assert replies[1][0] == 200
        assert took < 10, "a quarter of a second, and what a busy machine adds"
        status, body = gateway.ask(BY_COHORT, key="one", token=exchange.gil)
        assert (status, body["code"]) == (409, "grant_ended")
        (mine,) = exchange.call("GET", "/v1/queries", exchange.gil)[1]["queries"]
        assert (mine["state"], float(mine["privacy"]["rho"]) > 0) == ("STOPPED", True)
        one = exchange.call("GET", f"/v1/queries/{mine['query_id']}", exchange.gil)[1]
        assert (one["state"], one["code"]) == ("STOPPED", "grant_ended")
        assert gateway.spent() == pytest.approx(spent + 2 * float(mine["privacy"]["rho"]))
        assert exchange.call("GET", f"/v1/grants/{others['grant_id']}", exchange.sun)[1]["state"] == "granted"
    finally:
        assert other.stop() == 0


def test_a_grant_that_ends_while_its_query_runs_ends_it_and_the_charge_stays(own):
    gateway = own(GATEWAY_LEASE_S="1.5")
    exchange = Exchange(gateway).confirmed()
    ends = (SystemClock().now() + timedelta(seconds=8)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    grant, replies = exchange.granted(ends_at=ends), []
    with held_up(gateway):
        asking = threading.Thread(target=lambda: replies.append(gateway.ask(BY_COHORT, token=exchange.gil)))
        asking.start()
        assert eventually(lambda: states(gateway) == ["running"])
        asking.join(timeout=40)
    assert (replies[0][0], replies[0][1]["code"]) == (409, "grant_ended")
    assert states(gateway) == ["withdrawn"]
    assert exchange.call("GET", f"/v1/grants/{grant['grant_id']}", exchange.gil)[1]["state"] == "expired"
    status, body = gateway.ask(counting(1), token=exchange.gil)
    assert (status, body["code"]) == (403, "grant_not_valid")
    assert gateway.spent() > 0


@pytest.mark.parametrize("change", [
    {"uses": 100}, {"uses": None}, {"purposes": []}, {"purposes": ["ads"]}, {"valid_until": None}, {"rate": "9/s"},
    {"budget": None}, {"budget": {"epsilon": "2"}}, {"mode": "modelling"}, {"at_once": 17}, {"price_plan": None},
    {"subject": None}, {"recipient_jurisdiction": "SG"}, {"jurisdictions": ["CN", "SG", "US"]},
])  # fmt: skip
def test_terms_that_give_more_than_was_asked_are_refused_though_signed(exchange, change):
    asked = exchange.asked(
        uses=10, rate="1/s", budget={"epsilon": "1"}, valid_until="2099-12-31", price_plan="standard", subject="gil",
        recipient_jurisdiction="CN", jurisdictions=["CN", "SG"],
    )  # fmt: skip
    body = exchange.signer.body(asked["proposed"], **change)
    status, refused = exchange.post(f"/v1/grants/{asked['grant_id']}/grant", exchange.eve, **body)
    assert (status, refused["code"]) == (400, "bad_request")
    assert f"`{next(iter(change))}`" in refused["detail"]


def test_a_provider_narrows_what_was_asked(exchange):
    asked = exchange.asked(valid_until="2099-12-31", rate="60/min", jurisdictions=["CN", "SG"])
    less = {"uses": 1, "valid_until": "2098-12-31", "rate": "1/min", "jurisdictions": ["CN"], "subject": "gil",
            "budget": {"epsilon": "0.5", "delta": None}, "price_plan": "standard",
            "spend": {"amount": "10", "per": "total"}}  # fmt: skip
    body = exchange.signer.body(asked["proposed"], **less)
    status, grant = exchange.post(f"/v1/grants/{asked['grant_id']}/grant", exchange.eve, **body)
    assert (status, {name: grant["terms"][name] for name in less}) == (200, less)
    assert grant["ends_at"].startswith("2099-01-01")


@pytest.mark.parametrize("change", [
    {"uses": 3}, {"organisation": "others"}, {"dataset": "barn"}, {"grant": "0" * 26}, {"gateway": "elsewhere"},
    {"provider": "others"}, {"valid_until": "2099-12-30"}, {"key": "0" * 32},
])  # fmt: skip
def test_terms_that_were_changed_after_they_were_signed_have_no_effect(exchange, change):
    asked = exchange.asked(uses=2, valid_until="2099-12-31")
    body = exchange.signer.body(asked["proposed"])
    tampered = {**body, "terms": {**body["terms"], **change}}
    path = f"/v1/grants/{asked['grant_id']}/grant"
    status, refused = exchange.post(path, exchange.eve, **tampered)
    assert (status, refused["code"]) in [(403, "grant_not_signed"), (400, "bad_request")]
    assert exchange.call("GET", path.removesuffix("/grant"), exchange.gil)[1]["state"] == "requested"


def test_a_signature_of_another_key_or_over_another_thing_is_refused(exchange):
    asked = exchange.asked()
    good, path = exchange.signer.body(asked["proposed"]), f"/v1/grants/{asked['grant_id']}/grant"
    other = Signer(9)
    plain = exchange.signer.key.sign(json.dumps(good["terms"], sort_keys=True, separators=(",", ":")).encode())
    for body in (
        {**good, "signature": other.sign(good["terms"])},
        other.body(asked["proposed"]),
        {**good, "signature": base64.b64encode(plain).decode()},  # without the prefix that says what it is of
        {**good, "signature": base64.b64encode(bytes(64)).decode()},
    ):
        status, refused = exchange.post(path, exchange.eve, **body)
        assert (status, refused["code"]) == (403, "grant_not_signed")
    lacking = {**good, "terms": {name: value for name, value in good["terms"].items() if name != "uses"}}
    assert exchange.post(path, exchange.eve, **lacking)[0] == 400
    assert exchange.post(path, exchange.eve, **good)[0] == 200


def test_a_plan_that_the_policy_does_not_have_is_refused_when_it_is_granted(exchange):
    asked = exchange.asked(price_plan="golden")
    body = exchange.signer.body(asked["proposed"])
    status, refused = exchange.post(f"/v1/grants/{asked['grant_id']}/grant", exchange.eve, **body)
    assert (status, refused["code"]) == (400, "bad_request")


@pytest.mark.parametrize("mode", ["federated", "encrypted"])
def test_a_mode_that_is_reserved_is_refused_when_it_is_asked_for(exchange, mode):
    status, refused = exchange.post("/v1/grants", exchange.gil, dataset="shop", why="x", terms={"mode": mode})
    assert (status, refused["code"]) == (403, "mode_not_served")
    assert "authorised" in refused["hint"]


def test_who_sees_and_decides_what(exchange):
    gateway, asked = exchange.gateway, exchange.asked()
    path = f"/v1/grants/{asked['grant_id']}"
    stranger, rival = gateway.token("bob", "strangers"), gateway.token("ivo", "rivals", ("provider",), None)
    for token in (exchange.gil, exchange.eve, exchange.sun, gateway.token("gus", "gadgets")):
        assert exchange.call("GET", path, token)[0] == 200
        assert asked["grant_id"] in str(exchange.call("GET", "/v1/grants", token)[1])
    for token in (stranger, rival, gateway.token("cleo", "gadgets", ("billing",))):
        assert exchange.call("GET", path, token)[0] == 404
    assert exchange.call("GET", "/v1/grants", stranger)[1] == {"grants": [], "cursor": None}
    assert exchange.call("GET", "/v1/grants", gateway.token("cleo", "gadgets", ("billing",)))[0] == 403
    body = exchange.signer.body(asked["proposed"])
    for token, expected in ((exchange.gil, 403), (exchange.sun, 403), (rival, 404), (stranger, 404)):
        assert exchange.post(f"{path}/grant", token, **body)[0] == expected
        assert exchange.post(f"{path}/refuse", token, reason="no")[0] == expected
    assert exchange.post(f"{path}/revoke", exchange.eve, reason="no")[1]["code"] == "grant_not_open"
    assert exchange.post("/v1/grants", exchange.eve, dataset="shop", why="x", terms={})[0] == 403
    assert exchange.post("/v1/grants", exchange.gil, dataset="barn", why="x", terms={})[1]["code"] == "unknown_dataset"
    past = {"valid_until": "2020-01-01"}
    assert exchange.post("/v1/grants", exchange.gil, dataset="shop", why="x", terms=past)[0] == 400
    status, refused = exchange.post(f"{path}/refuse", exchange.eve, reason="not for this")
    assert (status, refused["state"], refused["reason"]) == (200, "refused", "not for this")
    assert exchange.post(f"{path}/grant", exchange.eve, **body)[1]["code"] == "grant_not_open"
    assert exchange.post(f"{path}/revoke", exchange.gil, reason="x")[0] == 404


def test_listings_come_a_page_at_a_time(exchange):
    gateway, pia = exchange.gateway, exchange.gateway.token("pia", "pagers")
    made = [exchange.asked(pia)["grant_id"] for _ in range(3)]
    status, first = exchange.call("GET", "/v1/grants?limit=2", pia)
    assert (status, [one["grant_id"] for one in first["grants"]]) == (200, made[:0:-1])
    exchange.asked(pia)
    _, rest = exchange.call("GET", f"/v1/grants?limit=2&after={first['cursor']}", pia)
    assert ([one["grant_id"] for one in rest["grants"]], rest["cursor"]) == (made[:1], None)
    # a cursor is a place and no key: another's page has what that one may see
    assert made[0] not in str(exchange.call("GET", f"/v1/grants?after={first['cursor']}", gateway.token("b", "bees")))
    for path, name, token in (
        ("/v1/grants", "grants", pia), ("/v1/cases", "cases", pia), ("/v1/members", "members", pia),
        ("/v1/datasets/shop/versions", "versions", exchange.eve),
    ):  # fmt: skip
        status, page = exchange.call("GET", f"{path}?limit=1", token)
        assert (status, len(page[name]) <= 1) == (200, True)
        for wrong in (f"after={first['cursor'][:-2]}", "after=", "limit=0", "limit=1001", "limit=x", "before=x"):
            status, refused = exchange.call("GET", f"{path}?{wrong}", token)
            assert (status, refused["code"]) == (400, "bad_request"), (path, wrong)


def test_a_key_takes_two_persons_and_signs_nothing_new_once_it_is_revoked(own):
    gateway = own()
    exchange = Exchange(gateway)
    key = f"/v1/keys/{exchange.signer.key_id}"
    asked = exchange.asked()
    body = exchange.signer.body(asked["proposed"])
    public = exchange.signer.public.hex()
    assert exchange.post("/v1/keys", exchange.gil, public_key=public)[0] == 403
    assert exchange.post("/v1/keys", exchange.eve, public_key=public[:-2])[0] == 400
    assert exchange.post("/v1/keys", exchange.eve, public_key=public)[1]["state"] == "registered"
    assert exchange.post("/v1/keys", exchange.mei, public_key=public)[0] == 400
    assert exchange.post(f"{key}/confirm", exchange.eve)[1]["code"] == "two_persons"
    rival = gateway.token("ivo", "rivals", ("provider",), None)
    assert exchange.post(f"{key}/confirm", rival)[0] == 404
    assert exchange.post(f"/v1/grants/{asked['grant_id']}/grant", exchange.eve, **body)[1]["code"] == "grant_not_signed"
    assert exchange.post(f"{key}/confirm", exchange.mei)[1]["confirmed_by"] == "acme/mei"
    assert exchange.post(f"{key}/confirm", exchange.mei)[0] == 400
    granted = exchange.granted()
    assert exchange.call("GET", "/v1/keys", rival)[1] == {"keys": []}
    assert len(exchange.call("GET", "/v1/keys", exchange.sun)[1]["keys"]) == 1
    assert exchange.call("POST", f"{key}/revoke", rival, {})[0] == 404
    assert exchange.call("POST", f"{key}/revoke", exchange.gil, {})[0] == 403
    assert exchange.call("POST", f"{key}/revoke", exchange.sun, {"organisation": "acme"})[1]["state"] == "revoked"
    assert exchange.post(f"/v1/grants/{asked['grant_id']}/grant", exchange.eve, **body)[1]["code"] == "grant_not_signed"
    assert exchange.post("/v1/keys", exchange.eve, public_key=public)[0] == 400  # it stays revoked
    assert gateway.ask(BY_COHORT, token=exchange.gil)[0] == 200  # what it signed before stands
    assert exchange.call("GET", f"/v1/grants/{granted['grant_id']}", exchange.gil)[1]["state"] == "granted"


@pytest.mark.parametrize("placed", one_in(2, ("sqlite", "postgres")))
def test_of_many_who_ask_at_once_as_many_are_answered_as_there_are_uses(own, placed):
    known = {"GATEWAY_STORE_URL": database()} if placed == "postgres" else {}
    gateway = own(GATEWAY_MAX_IN_FLIGHT="200", **known)
    exchange = Exchange(gateway).confirmed()
    exchange.granted(uses=10, at_once=100)
    tokens = [gateway.token(f"p{number}", "gadgets") for number in range(64)]
    replies = gateway.together([lambda n=n, t=t: gateway.ask(counting(n), token=t) for n, t in enumerate(tokens)])
    codes = sorted(body.get("code", "answered") for _, body in replies)
    assert codes == ["answered"] * 10 + ["uses_exhausted"] * 54


def test_a_grant_that_takes_the_place_of_another_has_uses_of_its_own_and_no_budget_comes_back(own):
    gateway = own(POLICY.replace("  min_units: 2", "  per_organisation: {epsilon: 3}\n  min_units: 2").replace(
        "default_epsilon: 0.2, max_epsilon: 2", "default_epsilon: 0.2, max_epsilon: 0.2"))  # fmt: skip
    exchange = Exchange(gateway).confirmed()
    first = exchange.granted(uses=2, budget={"epsilon": "1.5"})
    spent = 0
    while (reply := gateway.ask(counting(spent), token=exchange.gil))[0] == 200:
        spent += 1
    assert reply[1]["code"] == "budget_exhausted"
    before = gateway.spent()
    assert exchange.post(f"/v1/grants/{first['grant_id']}/revoke", exchange.eve, reason="renewed")[0] == 200
    exchange.granted()
    while gateway.ask(counting(spent), token=exchange.gil)[0] == 200:
        spent += 1
    levels = exchange.call("GET", "/v1/budget", exchange.gil)[1]["datasets"][0]["levels"]
    organisation = next(level for level in levels if level["level"] == "organisation")
    assert organisation["rho"]["spent"] <= organisation["rho"]["limit"]
    assert organisation["rho"]["spent"] == pytest.approx(gateway.spent())
    assert gateway.spent() > before


CROSSING = POLICY.replace(
    "valid_until: 2099-12-31}",
    "valid_until: 2099-12-31,\n             cross_border: {home: CN, threshold: 500}}",
)


def test_people_whose_data_go_abroad_are_counted_once_and_refused_past_the_threshold(own):
    gateway = own(CROSSING)
    exchange = Exchange(gateway)
    sg, us, cn = (gateway.token("ana", "widgets", jurisdiction=place) for place in ("SG", "US", "CN"))
    assert gateway.ask(BY_COHORT, token=gateway.token())[1]["code"] == "jurisdiction_not_granted"
    assert gateway.ask(counting(1), token=cn)[0] == 200
    assert exchange.call("GET", "/v1/crossings", exchange.eve)[1] == {"crossings": []}
    for number in (2, 3):
        assert gateway.ask(counting(number), token=sg)[0] == 200
    assert gateway.ask("SELECT COUNT(*) AS n FROM calendar", token=us)[0] == 200  # of nobody
    (counted,) = exchange.call("GET", "/v1/crossings", exchange.eve)[1]["crossings"]
    assert (counted["provider"], counted["country"], counted["units"]) == ("acme", "SG", 300)
    tight = CROSSING.replace("threshold: 500", "threshold: 299")
    (gateway.policies / "shop.yaml").write_text(tight)
    assert exchange.post("/v1/datasets/shop/refresh", exchange.eve)[0] == 200
    spent = gateway.spent()
    status, refused = gateway.ask(counting(4), token=us)
    assert (status, refused["code"]) == (403, "cross_border_limit")
    assert "cross_border" in refused["detail"]
    assert gateway.spent() == spent
    assert gateway.ask(counting(5), token=cn)[0] == 200
    assert exchange.call("GET", "/v1/crossings", sg)[0] == 403
    assert len(exchange.call("GET", "/v1/crossings", exchange.sun)[1]["crossings"]) == 1
