"""The console's application with a service of this test's own behind it: no store, no engine, hostile names."""

import base64
import json
import re
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
from aiohttp.test_utils import TestClient, TestServer

from gateway.app.clock import SystemRandomness
from gateway.errors import GatewayError, Position, Quota
from gateway.ledger.paging import Listed
from gateway.request import Caller
from gateway.settings import Settings
from gateway.web.app import build
from gateway.web.console.sessions import Sessions
from support.operations import behind

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7777 * 7 }}"
OURS = {"Sec-Fetch-Site": "same-origin"}
QUERY_ID = "01M8CV35KW4ZY2HG02QVE8AWTS"
ANSWER = {
    "query_id": QUERY_ID,
    "state": "FINISHED",
    "columns": [{"name": HOSTILE, "type": "VARCHAR"}, {"name": "n", "type": "BIGINT", "noisy": True}],
    "rows": [[HOSTILE, 61], ["b", 71]],
    "intervals": {"confidence": 0.95, "columns": {"n": [[51, 71], None]}},
    "privacy": {"rho": 0.02, "delta": 0.0, "epsilon": 0.2, "stored": False},
    "versions": {"policy": "sha256:11af", "data": HOSTILE, "as_of": "2026-11-26T21:09:58Z"},
    "notices": [HOSTILE],
    "price": {"amount": "4.50", "currency": HOSTILE, "plan": "p", "version": "v"},
    "receipt": None,
}
DATASET = {
    "name": HOSTILE,
    "title": HOSTILE,
    "provider": HOSTILE,
    "versions": {"policy": "sha256:11af", "data": HOSTILE},
    "privacy": {
        "unit": HOSTILE,
        "budget": {"epsilon": "50", "delta": "0.1"},
        "per_organisation": {"epsilon": "5", "delta": "0.1"},
        "per_buyer": {"epsilon": "3", "delta": "0.1"},
        "default_epsilon": "0.2",
        "max_epsilon": "2",
        "min_units": 2,
        "max_cells": 100,
    },
    "tables": [
        {
            "name": HOSTILE,
            "public": False,
            "rows": 300,
            "per_unit": {"rows": 1, "groups": None},
            "columns": [
                {"name": HOSTILE, "type": "VARCHAR", "class": "general", "use": [HOSTILE], "nullable": True,
                 "values": [HOSTILE]},
                {"name": "amount", "type": "BIGINT", "class": "general", "use": [], "nullable": False,
                 "bounds": [HOSTILE, "1"], "granularity": "0.01", "per_unit_sum": ["0", "1"]},
            ],
        }
    ],
    "price_plan": {
        "name": HOSTILE, "version": "v", "currency": HOSTILE, "per_query": "1", "per_epsilon": "1",
        "per_million_rows": "0", "class_factor": {HOSTILE: "2"},
    },
    "state": "suspended",
    "reason": HOSTILE,
}  # fmt: skip
FITTED_FROM = ANSWER | {
    "columns": [{"name": "cohort", "type": "VARCHAR"}, {"name": "cell_count", "type": "BIGINT", "noisy": True}],
    "intervals": {"confidence": 0.95, "columns": {"cell_count": [[51, 71], [61, 81]]}},
}
"""What a contingency table is fitted from."""

EVENT = {
    "type": "gateway.query.refused",
    "subject": QUERY_ID,
    "time": "2026-11-26T21:09:58.688151Z",
    "data": {"organisation": HOSTILE, "buyer": HOSTILE, "dataset": HOSTILE, "reason": HOSTILE, "fingerprint": None,
             "amount": "0"},
}  # fmt: skip
CHECKPOINT = "gateway\n1\nqxmNlfpQKrI1Fn9u/U8/8oAHbcoD8HeldjepbfVGTDo=\n\n\u2014 gateway rTkXk9+A0Myv457d3esTFOsQJ9RcUITEIhV0g5uMJN9QxpsHUiSLRXM6ljpUBKZhzWOeFCpUkkXN09CvaowklnyQ1AY=\n"


def token(exp=4102444800, **claims):
    """Return what looks like a JWT; the service of these tests knows it by its parts alone."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({}, {"exp": exp, **claims})
    ]
    return ".".join([*parts, "sig"])


class Service:
    """Answers everything with hostile texts, to whoever has the token of the test."""

    def __init__(self, *roles):
        self.caller = Caller(
            HOSTILE, HOSTILE, frozenset(roles or ("buyer", "provider", "supervisor", "billing", "reviewer", "arbiter"))
        )
        self.revoked = False
        self.asked = []
        self.quoted = []
        self.refusal = None

    async def identify(self, given):
        if self.revoked or not given.endswith(".sig"):
            raise GatewayError("unauthenticated", "The token is missing or not valid.", "Sign in.")
        return self.caller

    def quota(self, _caller):
        return Quota("free", 240, 60, 239, 30)

    async def datasets(self, _caller):
        return [{"name": HOSTILE, "title": HOSTILE, "provider": HOSTILE, "data_version": "1", "state": "published"}]

    async def dataset(self, _caller, _name):
        return DATASET

    async def synthetic(self, _caller, _name):
        return [{"table": HOSTILE, "columns": [HOSTILE, "n"], "rows": [[HOSTILE, None]]}]

    async def stored(self, request, _caller):
        self.asked.append(request)
        return json.dumps(FITTED_FROM).encode()

    async def compose(self, model, request, _caller):
        return replace(request, sql=f"{model.source} {HOSTILE}")

    async def budget(self, _caller):
        ends = {"limit": 1.0, "spent": 0.5, "left": 0.5}
        levels = [{"level": "data", "rho": ends, "delta": ends}]
        return [
            {
                "dataset": HOSTILE,
                "levels": levels,
                "share_left": 0.5,
                "queries_left": 3,
                "counted_with": "the last query",
            }
        ]

    async def answer(self, request, _caller, *, new=False):
        self.asked.append(request)
        if self.refusal is not None:
            raise self.refusal
        return json.dumps(ANSWER).encode()

    async def quote(self, request, _caller):
        self.quoted.append(request)
        raise self.refusal or GatewayError("unknown_column", HOSTILE, HOSTILE, Position(1, 8))

    async def query(self, _caller, query_id):
        return {"query_id": query_id, "state": "FINISHED", "answer": ANSWER}

    async def receipt(self, _caller, _query_id, _since):
        return {"format": "none", "leaf": HOSTILE}

    async def latest(self, _caller, _limit):
        return [json.dumps(EVENT)]

    async def events(self, _caller, _after, _limit):
        return [("1-1", json.dumps(EVENT))]

    async def failures(self, _caller):
        return [{"dataset": HOSTILE, "query_id": QUERY_ID, "buyer": HOSTILE, "at": EVENT["time"], "note": HOSTILE}]

    async def invoices(self, _caller, period):
        raise GatewayError("bad_request", f"{period} {HOSTILE}", HOSTILE)

    async def checkpoint(self, *, witnessed=False):
        if witnessed:
            raise GatewayError("not_found", "No witness has signed yet.")
        return CHECKPOINT

    async def tile(self, _caller, _path):
        leaf = {"kind": "refused", "query_id": QUERY_ID, **EVENT["data"], "time": EVENT["time"], "rho": "0"}
        entry = json.dumps(leaf).encode()
        return len(entry).to_bytes(2, "big") + entry


class Accounts:
    async def queries(self, _caller, before, _limit):
        if before is not None:
            return []
        privacy, price = {"rho": "0.02", "delta": "0"}, {"amount": "4.50", "currency": HOSTILE}
        return [{"query_id": QUERY_ID, "dataset": HOSTILE, "state": "FINISHED", "fingerprint": HOSTILE,
                 "charged_at": EVENT["time"], "privacy": privacy, "price": price}]  # fmt: skip

    async def spending(self, _caller):
        return [{"currency": HOSTILE, "spent": {"day": "1"}, "caps": {}}]


STEP = {"by": HOSTILE, "at": EVENT["time"]}
VERSION = {
    "dataset": HOSTILE, "version": "sha256:" + "0" * 64, "state": "submitted", "served": True, "policy": HOSTILE,
    "proposed": STEP, "submitted": STEP, "reviewed": STEP, "published": STEP, "withdrawn": STEP,
    "review": {"by": HOSTILE, "approved": True, "findings": HOSTILE, "valid_until": "2026-12-31", "at": EVENT["time"]},
}  # fmt: skip


class Registration:
    """Holds one version; which were planned again is kept in `replayed`."""

    def __init__(self):
        self.replayed = []

    async def versions(self, _caller, _name, _page):
        return Listed((VERSION,), None)

    async def version(self, _caller, _name, _version):
        return VERSION

    async def difference(self, _caller, _name, _old, _new):
        return {"differences": [{"path": HOSTILE, "words": HOSTILE}]}

    async def rehearse(self, _caller, name, version, most, asked):
        self.replayed.append((name, version, most, asked))
        side = {"allowed": True, "rho": "0.1", "amount": "1.00", "currency": HOSTILE}
        gone = {"allowed": False, "code": HOSTILE}
        told = {"query": HOSTILE, "organisation": HOSTILE, "buyer": HOSTILE, "becomes": "refused now"}
        return {"counts": {"refused now": 1, "the same": 0}, "questions": [{**told, "before": side, "after": gone}]}


class Grants:
    """Holds one request and what was signed of it, of hostile texts."""

    async def grants(self, _caller, _page):
        terms = {"mode": HOSTILE, "purposes": [HOSTILE], "uses": 5, "valid_until": HOSTILE}
        found = (
            {"grant_id": HOSTILE, "dataset": HOSTILE, "organisation": HOSTILE, "provider": HOSTILE, "state": state,
             "requested_at": EVENT["time"], "asked": terms, "terms": None, "why": HOSTILE, "reason": None}
            for state in ("requested", "expired")
        )  # fmt: skip
        return Listed(tuple(found), None)


class Supervision:
    """Holds one freeze; what is asked of it is kept in `asked`. Buyers and billing may not look."""

    def __init__(self):
        self.asked = []

    async def freezes(self, caller):
        if not caller.roles & {"supervisor", "provider"}:
            raise GatewayError("forbidden", HOSTILE, HOSTILE)
        return [{"scope": "buyer", "name": HOSTILE, "reason": HOSTILE, "by": HOSTILE, "at": EVENT["time"]}]

    async def freeze(self, caller, scope, name, reason):
        self.asked.append(("freeze", scope, name, reason))

    async def unfreeze(self, caller, scope, name, reason):
        self.asked.append(("unfreeze", scope, name, reason))


class Members:
    """Knows one member; what is asked of it is kept in `asked`."""

    def __init__(self, state="applied"):
        self.asked = []
        self.state = state

    async def seen(self, _caller, _state, _page):
        verified = [{"by": HOSTILE, "at": EVENT["time"]}]
        one = {"member_id": "M1", "kind": "person", "organisation": HOSTILE, "subject": HOSTILE,
               "legal_name": HOSTILE, "evidence": [{"kind": HOSTILE, "reference": HOSTILE}], "state": self.state,
               "verifications": verified}  # fmt: skip
        return Listed((one,), None)

    async def verify(self, caller, member_id):
        self.asked.append(("verify", caller.organisation, member_id))

    async def suspend(self, caller, member_id, reason):
        self.asked.append(("suspend", caller.organisation, member_id, reason))


class Warnings:
    """Holds one alert; what is seen of it is kept in `asked`. Buyers and billing may not look."""

    def __init__(self):
        self.asked = []

    async def alerts(self, caller, dataset, after, limit):
        if not caller.roles & {"supervisor", "provider"}:
            raise GatewayError("forbidden", HOSTILE, HOSTILE)
        one = {"alert_id": "af01", "kind": "differencing", "dataset": HOSTILE, "subjects": [HOSTILE, HOSTILE],
               "severity": "alarm", "words": HOSTILE, "figures": {}, "at": EVENT["time"], "seen_by": None}  # fmt: skip
        return {"alerts": [one, {**one, "severity": "notice", "seen_by": HOSTILE}], "cursor": "1-2"}

    async def seen(self, caller, alert_id):
        self.asked.append(alert_id)


CASE_ID = "01M8CV35KW4ZY2HG02QVE8CASE"


class Disputes:
    """Holds one case in a state; what is opened and decided is kept in `asked`, and refused where that is given."""

    def __init__(self, state="opened", refusal=None):
        self.asked = []
        self.state = state
        self.refusal = refusal

    @property
    def one(self):
        decision = {"finding": HOSTILE, "by": HOSTILE, "at": EVENT["time"], "refund": "0.50"}
        return {"case_id": CASE_ID, "query_id": QUERY_ID, "dataset": HOSTILE, "buyer": HOSTILE, "provider": HOSTILE,
                "reason": HOSTILE, "opened_by": HOSTILE, "opened_at": EVENT["time"], "state": self.state,
                "charged": {"amount": "4.50", "currency": HOSTILE},
                "decision": decision if self.state == "decided" else None}  # fmt: skip

    async def cases(self, _caller, _page):
        return Listed((self.one,), None)

    async def case(self, _caller, _case_id):
        return self.one

    async def evidence(self, _caller, _case_id):
        bundle = {"receipt.json": json.dumps({"format": "none", "leaf": HOSTILE}), "policy.json": HOSTILE,
                  "event.json": json.dumps(EVENT)}  # fmt: skip
        stop = {"log_index": 7, "kind": "frozen", "scope": "buyer", "time": EVENT["time"], "by": HOSTILE,
                "reason": HOSTILE}  # fmt: skip
        return {"case": self.one, "bundle": bundle, "stops": [stop]}

    async def open(self, caller, query_id, reason):
        return self._done(("open", caller.organisation, query_id, reason))

    async def decide(self, caller, case_id, finding, refund):
        return self._done(("decide", caller.organisation, case_id, finding, refund))

    def _done(self, what):
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(what)
        return self.one


@asynccontextmanager
async def console(
    service, secret=b"s" * 32, supervision=None, members=None, registration=None, warnings=None, disputes=None
):
    """Serve the console; yield a client of it that keeps cookies and follows nothing by itself."""
    sessions = Sessions(secret, SystemRandomness())
    held = {
        "supervision": supervision or Supervision(),
        "members": members or Members(),
        "registration": registration or Registration(),
        "grants": Grants(),
        "warnings": warnings or Warnings(),
        "disputes": disputes or Disputes(),
    }
    app = build(behind(service, accounts=Accounts(), **held), Settings(), sessions)
    jar = aiohttp.CookieJar(unsafe=True)  # of an address of numbers
    async with TestClient(TestServer(app), cookie_jar=jar) as client:
        yield client


async def signed_in(client, given=None):
    """Sign in; return the answer that set the cookie."""
    reply = await client.post("/console/sign-in", data={"token": given or token()}, headers=OURS, allow_redirects=False)
    assert reply.status == 303, await reply.text()
    return reply


async def csrf(client):
    """Return what a form of this session carries."""
    return await csrf_of(client, "/console/ask")


async def csrf_of(client, address):
    """Return what the forms of a page carry."""
    page = await (await client.get(address)).text()
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', page)[1]
