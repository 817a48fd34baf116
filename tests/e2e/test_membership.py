"""Members over HTTP: where they are required nobody else is let in, and a suspension holds at once on every replica."""

import contextlib
import json
import re
import sqlite3
import threading

import pytest
from support.gateways import Gateway, eventually, held_up, states
from support.members import REVIEWERS, act, apply, found, join, reviewers
from support.policy_life import DRAFT, Cast

COUNT = "SELECT COUNT(*) AS n FROM customers"
ROLES = ("buyer", "provider", "reviewer", "billing", "supervisor", "arbiter")
APPLYING = {("GET", "/v1/members"), ("POST", "/v1/members"), ("GET", "/v1/members/{id}")}
"""What a token opens for whoever is no member."""


def everywhere(gateway):
    """Return (method, path) of every address that asks for a token, but for applying and seeing one's own."""
    _, document = gateway.call("GET", "/openapi.json")
    return [
        (method.upper(), re.sub(r"\{\w+\}", "01J", path))
        for path, methods in json.loads(document)["paths"].items()
        for method, operation in methods.items()
        if operation.get("security") != [] and (method.upper(), path) not in APPLYING
    ]


def refused_everywhere(gateway, token, code):
    """Tell whether every such address refuses a token alike, whatever is sent."""
    found = {
        (method, path): code_of(gateway.call(method, path, None if method == "GET" else {}, token=token))
        for method, path in everywhere(gateway)
    }
    assert len(found) > 30
    assert {where: said for where, said in found.items() if said != (403, code)} == {}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory):
    made = Gateway(tmp_path_factory.mktemp("exchange"), GATEWAY_MEMBERS="required", GATEWAY_FREE_PER_MINUTE="2000")
    made.make_data()
    made.start()
    for subject, organisation in REVIEWERS:
        code, said = found(made, subject, organisation)
        assert code == 0, said
    yield made
    assert made.stop() == 0


def code_of(reply):
    status, body = reply
    return status, json.loads(body).get("code") if isinstance(body, bytes) else body.get("code")


def log_of(gateway, *kinds):
    """Return the leaves of some kinds."""
    with contextlib.closing(sqlite3.connect(gateway.state / "gateway.sqlite3", timeout=5)) as connection:
        every = [json.loads(leaf) for (leaf,) in connection.execute("SELECT leaf FROM log_leaves ORDER BY position")]
    return [leaf for leaf in every if leaf["kind"] in kinds]


@pytest.mark.parametrize("role", ROLES)
def test_whoever_is_no_member_is_let_in_nowhere_but_may_apply_and_see_its_application(exchange, role):
    stranger = exchange.token(f"new-{role}", f"new-{role}", (role,))
    refused_everywhere(exchange, stranger, "not_a_member")
    status, page = exchange.call(
        "POST", "/console/sign-in", token=stranger, raw=f"token={stranger}".encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"},
    )  # fmt: skip
    assert status == 403
    assert b"no verified member" in page
    assert exchange.call("GET", "/v1/log/checkpoint")[0] == 200, "which takes no token"
    status, member = apply(exchange, stranger, "organisation")
    assert (status, member["state"]) == (200, "applied")
    _, mine = exchange.call("GET", "/v1/members", token=stranger)
    assert [one["member_id"] for one in json.loads(mine)["members"]] == [member["member_id"]]
    assert exchange.call("GET", f"/v1/members/{member['member_id']}", token=stranger)[0] == 200
    other = next(one for one in reviewed(exchange) if one["organisation"] == "house")
    assert exchange.call("GET", f"/v1/members/{other['member_id']}", token=stranger)[0] == 404


def reviewed(gateway):
    _, reply = gateway.call("GET", "/v1/members", token=reviewers(gateway)[0])
    return json.loads(reply)["members"]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_joins_and_is_let_in(exchange, role):
    token = exchange.token(f"pat-{role}", f"of-{role}", (role,))
    organisation, person = join(exchange, token)
    assert exchange.call("GET", "/v1/datasets", token=token)[0] == 200
    _, listed = exchange.call("GET", "/v1/members", token=token)
    seen = {one["member_id"] for one in json.loads(listed)["members"]}
    if role in ("buyer", "provider"):
        assert seen == {organisation, person}
    else:
        assert len(seen) > 2
    colleague = exchange.token("quin", f"of-{role}", (role,))
    assert code_of(exchange.call("GET", "/v1/datasets", token=colleague)) == (403, "not_a_member")
    _, member = apply(exchange, exchange.token("zoe", f"zoe-{role}"), "organisation")
    for deed, needed in (("verify", "reviewer"), ("suspend", "supervisor")):
        status, _reply = act(
            exchange, token, member["member_id"], deed, **({"reason": "r"} if deed == "suspend" else {})
        )
        assert status == (200 if role == needed else 403), deed


def test_two_reviewers_and_the_organisation_before_its_person(exchange):
    rae, roy = reviewers(exchange)
    token = exchange.token("una", "ultra")
    _, organisation = apply(exchange, token, "organisation")
    _, person = apply(exchange, token, "person")
    assert (person["issuer"], person["subject"]) == ("embedded", "una")
    assert code_of(act(exchange, rae, person["member_id"], "verify")) == (409, "member_conflict")
    assert act(exchange, rae, organisation["member_id"], "verify")[1]["state"] == "applied"
    assert code_of(act(exchange, rae, organisation["member_id"], "verify")) == (403, "two_persons")
    assert act(exchange, roy, organisation["member_id"], "verify")[1]["state"] == "verified"
    house = next(one for one in reviewed(exchange) if one["organisation"] == "house" and one["subject"] is None)
    assert code_of(act(exchange, rae, house["member_id"], "verify")) == (403, "forbidden")
    assert apply(exchange, token, "person")[1] == person, "the same again"
    assert code_of(apply(exchange, token, "person", "another name")) == (409, "member_conflict")


@pytest.mark.parametrize("body", [
    {"evidence": []}, {"evidence": [{"kind": "register"}]}, {"kind": "company"}, {"legal_name": ""},
    {"evidence": [{"kind": "register", "reference": "x", "sha256": "ABC"}]}, {"issuer": "another"},
    {"evidence": [{"kind": "register", "reference": "x"}] * 17}, {"contact": "x" * 501}, {"organisation": "acme"},
])  # fmt: skip
def test_an_application_that_is_not_well_formed_is_refused(exchange, body):
    whole = {"kind": "person", "legal_name": "n", "contact": "c", "evidence": [{"kind": "k", "reference": "r"}]}
    reply = exchange.call("POST", "/v1/members", whole | body, token=exchange.token("odd", "odd"))
    assert code_of(reply) == (400, "bad_request")


def test_nobody_is_founded_once_two_persons_can_verify(exchange):
    code, said = found(exchange, "third", "court")
    assert code == 3
    assert "Two persons are verified here" in said
    assert [leaf["name"] for leaf in log_of(exchange, "member-founded")] == [
        "house", "house/rae", "court", "court/roy",
    ]  # fmt: skip


def test_strangers_do_not_fill_the_log(exchange):
    def told():
        return [leaf for leaf in log_of(exchange, "turned-away") if leaf["organisation"] == "noise"]

    for _ in range(20):
        for subject in ("a", "b"):
            token = exchange.token(subject, "noise")
            assert code_of(exchange.call("GET", "/v1/datasets", token=token)) == (403, "not_a_member")
    assert {(leaf["buyer"], leaf["reason"]) for leaf in told()} == {("a", "not_a_member"), ("b", "not_a_member")}
    assert len(told()) <= 4, "one of each a minute; the minute may have ended meanwhile"


@pytest.mark.long
def test_a_suspension_holds_on_every_replica_and_nothing_is_charged_after_it(own):
    gateway = own(GATEWAY_MEMBERS="required", GATEWAY_FREE_PER_MINUTE="2000")
    for subject, organisation in REVIEWERS:
        assert found(gateway, subject, organisation)[0] == 0
    sun, ana = gateway.token("sun", "regulator", ("supervisor",)), gateway.token()
    join(gateway, sun)
    organisation, person = join(gateway, ana)
    cast = Cast(gateway)
    cast.publish(cast.proposed(DRAFT))
    status, paid = gateway.ask(COUNT, key="paid", token=ana)
    assert status == 200
    other = Gateway(gateway.folder, GATEWAY_MEMBERS="required")
    other.start()
    try:

        def ask(number):
            where = gateway if number % 2 else other
            sql = f"SELECT COUNT(*) AS n FROM purchases WHERE quantity < {number + 1}"
            return where.ask(sql, token=ana, epsilon=0.01)

        replies = gateway.together([
            *(lambda number=number: ask(number) for number in range(64)),
            lambda: act(other, sun, organisation, "suspend", reason="a complaint"),
        ])  # fmt: skip
        assert replies[-1][0] == 200
        assert {body["code"] for status, body in replies[:-1] if status != 200} <= {
            "member_suspended", "query_stopped", "too_many_requests",
        }  # fmt: skip
        kinds = [leaf["kind"] for leaf in log_of(gateway, "charged", "member-suspended")]
        assert kinds[-1] == "member-suspended"
        assert kinds.count("charged") >= 1
        for where in (gateway, other):
            refused_everywhere(where, ana, "member_suspended")
            assert code_of(where.ask(COUNT, key="paid", token=ana)) == (403, "member_suspended")
        _, mine = gateway.call("GET", "/v1/members", token=ana)
        assert {(one["member_id"], one["state"]) for one in json.loads(mine)["members"]} == {
            (organisation, "suspended"), (person, "verified"),
        }  # fmt: skip
        rae, roy = reviewers(gateway)
        assert act(gateway, rae, organisation, "verify")[1]["state"] == "suspended"
        assert act(other, roy, organisation, "verify")[1]["state"] == "verified"
        assert gateway.ask(COUNT, key="paid", token=ana) == (200, paid)
    finally:
        assert other.stop() == 0


def test_where_members_are_not_required_a_suspension_holds_all_the_same_and_ends_what_runs(own):
    gateway = own()
    sun, ana = gateway.token("sun", "regulator", ("supervisor",), None), gateway.token()
    assert gateway.ask(COUNT, token=ana)[0] == 200, "without any paperwork"
    _, organisation = apply(gateway, ana, "organisation")
    replies = []
    with held_up(gateway):
        asking = threading.Thread(
            target=lambda: replies.append(gateway.ask("SELECT COUNT(*) AS n FROM purchases", token=ana))
        )
        asking.start()
        assert eventually(lambda: "running" in states(gateway))
        status, made = act(gateway, sun, organisation["member_id"], "suspend", reason="a complaint")
        assert (status, made["state"], made["ended"]) == (200, "suspended", 1)
        assert states(gateway) == ["finished", "stopped"]
        asking.join(timeout=20)
    assert (replies[0][0], replies[0][1]["code"]) == (409, "query_stopped")
    assert code_of(gateway.ask(COUNT, token=gateway.token("bob"))) == (403, "member_suspended"), "all its persons"
    assert gateway.ask(COUNT, token=gateway.token("eve", "elsewhere"))[1]["code"] == "unknown_dataset"
