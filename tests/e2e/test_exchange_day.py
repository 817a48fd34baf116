"""A day of the exchange over HTTP, from founding to the audit. Each step is tried first by everybody who may not take it.

Two providers, three buyers, two reviewers, billing, a supervisor and an arbiter, all verified members of their own
organisations. Whoever is not meant is refused, and the store is then as it was.
"""

import json
from decimal import Decimal

from support.exchange_day import BUYERS, POLICIES, PROVIDERS, REVIEWING, WATCHING, Day, total
from support.gateways import eventually
from support.policy_life import LATER

from gateway.evidence.offline import certificates
from gateway.evidence.offline.trust import Trust

BY_COHORT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort ORDER BY cohort"
ONE_DAY = "SELECT COUNT(*) AS n FROM purchases WHERE purchased_on = DATE '1997-03-03'"
LESS = f"{ONE_DAY} AND quantity <> 7"
MODEL = {"dataset": "shop", "kind": "covariance", "from": "purchases", "features": ["quantity", "amount"], "epsilon": 1}
BUYER = {"scope": "buyer", "organisation": "widgets", "subject": "ana", "reason": "a look at its questions"}


def a_buyer_joins(day):
    """Two reviewers verify an organisation, then its person, who is nobody before."""
    organisation, person = day.applied("liu", "harbour")
    for member_id in (organisation, person):
        status, reply = day.gateway.call("GET", "/v1/datasets", token=day.tokens["liu"])
        assert (status, json.loads(reply)["code"]) == (403, "not_a_member")
        assert day.verified(member_id)["state"] == "verified"
    assert day.told("liu", "/v1/datasets") == {"datasets": []}


def two_persons_stand_behind_a_providers_key(day):
    for one, other, organisation in (("eve", "mei", "acme"), ("pat", "quin", "green")):
        signer = day.signers[organisation]
        may = [name for name in PROVIDERS if name != one]  # of a key of their own
        assert day.step(one, "POST", "/v1/keys", {"public_key": signer.public.hex()}, may=may)["state"] == "registered"
        assert day.step(other, "POST", f"/v1/keys/{signer.key_id}/confirm")["state"] == "confirmed"


def what_is_reviewed_is_published(day):
    """One person proposes and submits, a reviewer of another organisation reviews, a second person publishes."""
    for name, one, other in (("shop", "eve", "mei"), ("barn", "pat", "quin")):
        here = f"/v1/datasets/{name}"
        version = day.step(one, "POST", f"{here}/versions", {"policy": POLICIES[name]}, may=[other])["version"]
        named = {"version": version}
        assert day.step(one, "POST", f"{here}/submit", named, may=[other])["state"] == "submitted"
        review = {**named, "decision": "approve", "findings": "seen", "valid_until": LATER}
        assert day.step("rae", "POST", f"{here}/review", review, may=["roy"])["state"] == "reviewed"
        assert day.step(other, "POST", f"{here}/publish", named)["served"] is True
        readers = [one, *REVIEWING, *WATCHING]
        document = day.step(other, "GET", f"{here}/certificate", may=readers)
        stated = certificates.verify(document, Trust((document["public_key"],)))
        assert (stated.dataset, stated.policy_version, stated.reviewed["approved"]) == (name, version, True)
        assert sum(Decimal(income["share"]) for income in stated.states["income"]) == 1
        path = day.gateway.folder / f"{name}-certificate.json"
        path.write_text(json.dumps(document))
        day.command("evidence", "verify", path, "--key", document["public_key"])
        day.key = document["public_key"]


def granted(day, buyer, dataset, one, **terms):
    """Have a buyer ask for a grant, and a provider sign it."""
    organisation, other = {"eve": ("acme", "mei"), "pat": ("green", "quin")}[one]
    wanted = {"dataset": dataset, "why": "a study", "terms": {"purposes": ["research"], **terms}}
    may = [name for name in BUYERS if name != buyer]  # for organisations of their own
    asked = day.step(buyer, "POST", "/v1/grants", wanted, may=may)
    body = day.signers[organisation].body(asked["proposed"])
    made = day.step(one, "POST", f"/v1/grants/{asked['grant_id']}/grant", body, may=[other])
    assert made["state"] == "granted"


def providers_sign_grants(day):
    granted(day, "ana", "shop", "eve", price_plan="standard")
    granted(day, "ana", "shop", "eve", price_plan="standard", mode="modelling")
    granted(day, "liu", "barn", "pat", price_plan="standard")
    assert [one["name"] for one in day.told("ana", "/v1/datasets")["datasets"]] == ["shop"]
    assert [one["name"] for one in day.told("liu", "/v1/datasets")["datasets"]] == ["barn"]
    assert day.told("gil", "/v1/datasets") == {"datasets": []}


def the_sandbox_is_tried_and_costs_nothing(day):
    budget = day.told("eve", "/v1/budget")
    answer = day.step("ana", "POST", "/v1/query", {"sql": BY_COHORT, "dataset": "shop", "sandbox": True})
    assert (answer["sandbox"], answer["price"]["amount"], answer["privacy"]["rho"]) == (True, "0", 0)
    assert day.told("eve", "/v1/budget") == budget


def a_question_is_quoted_asked_and_receipted(day):
    question = {"sql": BY_COHORT, "dataset": "shop", "epsilon": 0.5}
    quoted = day.step("ana", "POST", "/v1/quote", question)
    answer = day.step("ana", "POST", "/v1/query", question)
    assert answer["price"]["amount"] == quoted["price"]["amount"]
    assert answer["privacy"]["rho"] == quoted["privacy"]["rho"]
    day.asked = answer["query_id"]
    assert day.step("ana", "GET", f"/v1/queries/{day.asked}", may=WATCHING)["answer"]["rows"] == answer["rows"]
    for name in WATCHING:
        assert "answer" not in day.told(name, f"/v1/queries/{day.asked}"), "no result is theirs"
    receipt = day.step("ana", "GET", f"/v1/queries/{day.asked}/receipt", may=WATCHING)
    path = day.gateway.folder / "receipt.json"
    path.write_text(json.dumps(receipt))
    day.command("evidence", "verify", path, "--key", day.key)


def a_model_is_fitted(day):
    quoted = day.step("ana", "POST", "/v1/models/quote", MODEL)
    model = day.step("ana", "POST", "/v1/models", MODEL)
    assert model["price"]["amount"] == quoted["price"]["amount"]
    assert model["privacy"]["rho"] == quoted["privacy"]["rho"]


def a_difference_is_told_to_the_provider_and_the_supervisor(day):
    """Two questions that differ by few people: nobody else hears of it, least of all who asked."""
    differing = [day.asks("ana", sql) for sql in (ONE_DAY, LESS)]
    assert [status for status, _ in differing] == [200, 200]

    def found():
        return [one for one in day.told("sun", "/v1/alerts")["alerts"] if one["kind"] == "differencing"]

    assert eventually(found)
    (alert,) = found()
    assert alert["figures"]["queries"] == sorted(answer["query_id"] for _, answer in differing)
    told = day.step("eve", "GET", "/v1/alerts?dataset=shop", may=["mei", "sun"])["alerts"]
    assert alert in told
    seen = day.step("sun", "POST", f"/v1/alerts/{alert['alert_id']}/seen", may=["eve", "mei"])
    assert seen["seen_by"] == "regulator/sun"


def the_supervisor_freezes_the_buyer_and_lifts_it(day):
    assert day.step("sun", "POST", "/v1/freeze", BUYER)["frozen"] is True
    status, refused = day.asks("ana", "SELECT COUNT(*) AS n FROM purchases")
    assert (status, refused["code"]) == (403, "frozen")
    other = {"sql": "SELECT COUNT(*) AS n FROM customers", "dataset": "barn"}
    assert day.step("liu", "POST", "/v1/query", other)["state"] == "FINISHED", "others go on"
    assert day.step("sun", "POST", "/v1/unfreeze", BUYER)["frozen"] is False
    assert day.asks("ana", "SELECT COUNT(*) AS n FROM purchases")[0] == 200


def an_arbiter_decides_a_dispute(day):
    """Money comes back, privacy does not."""
    opening = {"query_id": day.asked, "reason": "of no use"}
    parties = ["eve", "mei", "sun"]
    case = day.step("ana", "POST", "/v1/cases", opening, may=parties)
    path = f"/v1/cases/{case['case_id']}"
    evidence = day.step("jo", "GET", f"{path}/evidence", may=["ana", *parties])
    assert json.loads(evidence["bundle"]["event.json"])["subject"] == day.asked
    day.command("case", "evidence", case["case_id"], "--out", "case.zip", token="jo")
    assert day.asked in day.command("evidence", "verify", "case.zip")
    budget = day.told("eve", "/v1/budget")
    decided = day.step("jo", "POST", f"{path}/decide", {"finding": "a part of it", "refund": "1.03"})
    assert (decided["state"], decided["decision"]["refund"]) == ("decided", "1.03")
    assert day.told("eve", "/v1/budget") == budget


def the_month_is_invoiced_and_its_income_split_exactly(day):
    month, following = day.month_ends()
    events = day.step("bo", "GET", "/v1/meter/events?limit=1000", may=PROVIDERS, raw=True)  # of their own datasets
    charged = [e["data"] for e in map(json.loads, events.splitlines()) if e["type"] == "gateway.query.charged"]
    for one in charged:
        assert sum(map(Decimal, one["income_split"].values())) == Decimal(one["amount"])
    path = f"/v1/invoices?period={month}"
    papers = day.step("bo", "GET", path, may=[*BUYERS, *PROVIDERS])  # each its own
    notes = day.told("bo", f"/v1/invoices?period={following}")
    bills, (note,) = [one["document"] for one in papers["invoices"]], [one["document"] for one in notes["invoices"]]
    assert total(bills) == sum(Decimal(one["amount"]) for one in charged) > 0
    assert (note["kind"], note["organisation"], note["total"]) == ("credit_note", "widgets", "-1.03")
    assert total(papers["statements"]) == total(bills)
    assert total(notes["statements"]) == Decimal("-1.03")
    assert {one["payee"] for one in papers["statements"]} == {"acme", "green", "exchange", "labellers"}
    for bill in (*bills, note):
        assert sum(map(Decimal, bill["income"].values())) == Decimal(bill["total"])
    for buyer, organisations in (("ana", {"widgets"}), ("liu", {"harbour"}), ("gil", set())):
        told = day.told(buyer, path)
        assert {one["document"]["organisation"] for one in told["invoices"]} == organisations
        assert "statements" not in told
    theirs = day.told("pat", path)
    assert "invoices" not in theirs
    assert {share["dataset"] for one in theirs["statements"] for share in one["shares"]} == {"barn"}


def the_evidence_is_checked_offline_and_the_books_agree(day):
    leaves = day.step("sun", "GET", "/v1/log/tile/entries/000.p/1", may=["bo", "jo", *PROVIDERS], raw=True)
    assert b'"kind":"drafted"' in leaves
    day.command("evidence", "fetch", "--out", "copy", token="sun")
    assert "the log verifies" in day.command("evidence", "verify", "copy", "--key", day.key)
    where = ("--state", day.gateway.state, "--policies", day.gateway.policies, "--out", "query.zip")
    day.command("evidence", "export", day.asked, *where)
    assert day.asked in day.command("evidence", "verify", "query.zip", "--key", day.key)
    assert "all agree" in day.command("audit", "reconcile", "--state", day.gateway.state)


STEPS = (
    a_buyer_joins,
    two_persons_stand_behind_a_providers_key,
    what_is_reviewed_is_published,
    providers_sign_grants,
    the_sandbox_is_tried_and_costs_nothing,
    a_question_is_quoted_asked_and_receipted,
    a_model_is_fitted,
    a_difference_is_told_to_the_provider_and_the_supervisor,
    the_supervisor_freezes_the_buyer_and_lifts_it,
    an_arbiter_decides_a_dispute,
    the_month_is_invoiced_and_its_income_split_exactly,
    the_evidence_is_checked_offline_and_the_books_agree,
)


def test_a_day_of_the_exchange(tmp_path):
    day = Day(tmp_path)
    try:
        day.opened()
        for step in STEPS:
            step(day)
        assert day.refused > 300
    finally:
        assert day.gateway.stop() == 0
