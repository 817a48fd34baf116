"""The role x action matrix over HTTP: every address of the description with each role alone, and docs/roles.md."""

import json
from pathlib import Path

import pytest
from support.exchange_state import NOTHING, changes, held
from support.gateways import Gateway
from support.policy_life import REQUIRED
from support.role_matrix import LAST, PERSONS, POLICY, Exchange

from gateway.identity import tokens
from gateway.web.openapi import ROLES
from gateway.web.roles_page import NAMES, page

REFUSED = {(403, "forbidden"), (404, "not_found"), (404, "unknown_dataset")}
"""How somebody is refused whose role an address does not name: also as if the thing were not there."""

ANY = {
    ("GET", "/v1/queries"): "one's own questions",
    ("GET", "/v1/queries/{id}"): "one's own question; those who watch see its state",
    ("DELETE", "/v1/queries/{id}"): "one's own question",
    ("GET", "/v1/queries/{id}/events"): "one's own question",
    ("GET", "/v1/queries/{id}/receipt"): "one's own decision; those who watch see it without the salt",
    ("GET", "/v1/spending"): "one's own spending",
    ("POST", "/v1/tokens/revoke"): "one's own tokens; a supervisor anybody's",
    ("GET", "/v1/datasets"): "what one has a grant on or provides",
    ("GET", "/v1/datasets/{name}"): "what one has a grant on or provides",
    ("GET", "/v1/datasets/{name}/contract"): "what one has a grant on or provides",
    ("GET", "/v1/datasets/{name}/certificate"): "whoever has a grant, or a role that looks at datasets",
    ("GET", "/v1/budget"): "of what one has a grant on or provides",
    ("GET", "/v1/members"): "one's own organisation, or one's own applications",
    ("POST", "/v1/members"): "whoever wants to become a member",
    ("GET", "/v1/members/{id}"): "one's own organisation, or one's own applications",
    ("GET", "/v1/cases"): "one's own cases",
    ("GET", "/v1/cases/{id}"): "one's own case",
    ("GET", "/v1/cases/{id}/evidence"): "one's own case",
    ("POST", "/v1/statement"): "look-ups in the catalogue; a question in it is a buyer's, as at /v1/query",
    ("GET", "/v1/statement/{state}/{id}/{slug}/{token}"): "pages of one's own statement",
    ("DELETE", "/v1/statement/{state}/{id}/{slug}/{token}"): "one's own statement",
    ("GET", "/v1/query/{id}"): "one's own question",
    ("DELETE", "/v1/query/{id}"): "one's own question",
}
"""Addresses that every role may call, and why: what they give hangs on who asks."""


@pytest.fixture(scope="module")
def exchange(tmp_path_factory):
    made = Gateway(tmp_path_factory.mktemp("exchange"), POLICY, **REQUIRED)
    made.make_data()
    made.start()
    try:
        yield Exchange(made)
    finally:
        assert made.stop() == 0


def described(gateway):
    return json.loads(gateway.call("GET", "/openapi.json")[1])


def addresses(gateway):
    """Return the roles of every address: those named, () for any, None for no token; what takes away comes last."""
    found = {
        (method.upper(), path): operation.get(ROLES)
        for path, methods in described(gateway)["paths"].items()
        for method, operation in methods.items()
    }
    assert len(found) > 60
    return dict(sorted(found.items(), key=lambda item: LAST.index(item[0][1]) if item[0][1] in LAST else -1))


def test_the_page_is_the_description(gateway):
    assert Path("docs/roles.md").read_text() == page(described(gateway))
    assert sorted(NAMES) == sorted(tokens.ROLES)
    assert set(PERSONS) == {*NAMES, "no role"}


def test_what_every_role_may_call_is_known(gateway):
    assert {where for where, roles in addresses(gateway).items() if roles == []} == set(ANY)
    open_ones = {path for (_, path), roles in addresses(gateway).items() if roles is None}
    assert open_ones == {
        "/healthz", "/readyz", "/v1/info", "/openapi.json", "/docs", "/v1/log/checkpoint", "/v1/log/checkpoint/witnessed",
    }  # fmt: skip


def test_every_address_refuses_every_role_that_it_does_not_name_and_nothing_changes(exchange):
    before, said, tried = held(exchange.gateway), {}, 0
    for (method, path), roles in addresses(exchange.gateway).items():
        for role in PERSONS:
            if roles and role not in roles:
                tried += 1
                said[role, method, path] = exchange.tried(role, method, path)
    assert tried > 200
    assert {where: reply for where, reply in said.items() if reply not in REFUSED} == {}
    assert changes(before, held(exchange.gateway)) == NOTHING


def test_a_question_in_trinos_protocol_is_for_buyers_alone(exchange):
    before, plain = held(exchange.gateway), {"Content-Type": "text/plain", "X-Trino-Schema": "shop"}
    for role in set(PERSONS) - {"buyer"}:
        _, reply = exchange.gateway.call(
            "POST", "/v1/statement", raw=b"SELECT COUNT(*) FROM customers", token=exchange.tokens[role], headers=plain
        )
        assert "error" in json.loads(reply), role
    assert changes(before, held(exchange.gateway)) == NOTHING


def test_every_address_takes_every_role_that_it_names(exchange):
    """Each thing is there and is the caller's: who is refused is refused for the role. What takes away comes last."""
    said = {
        (role, method, path): exchange.tried(role, method, path)
        for (method, path), roles in addresses(exchange.gateway).items()
        for role in PERSONS
        if roles is not None and (not roles or role in roles)
    }
    named = {where: reply for where, reply in said.items() if where[1:] not in ANY}
    assert {where: reply for where, reply in named.items() if reply in REFUSED or reply[0] in (401, 405)} == {}
    every = {where: reply for where, reply in said.items() if where[1:] in ANY}
    assert {where: reply for where, reply in every.items() if reply == (403, "forbidden") or reply[0] == 401} == {}
