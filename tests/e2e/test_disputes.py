"""A dispute over HTTP and the command line: parties open, an arbiter of neither decides, the bundle verifies."""

import itertools
import json
import os

import pytest
from support.starting import ended

other = itertools.count(1)
"""Each question is another: a free answer has nothing to give back."""


def tokens(gateway):
    return {
        "ana": gateway.token(),
        "bob": gateway.token("bob"),
        "eve": gateway.token("eve", "acme", ("provider",), None),
        "sun": gateway.token("sun", "regulator", ("supervisor",), None),
        "jo": gateway.token("jo", "court", ("arbiter",), None),
        "clerk": gateway.token("clerk", "house", ("billing",), None),
        "rae": gateway.token("rae", "house", ("reviewer",), None),
        "own": gateway.token("jim", "acme", ("arbiter",), None),
    }


def call(gateway, token, method, path, body=None):
    status, reply = gateway.call(method, path, body, token=token)
    return status, json.loads(reply)


@pytest.fixture
def disputed(gateway):
    """A fresh query of ana's with a case of hers."""
    known = tokens(gateway)
    sql = f"SELECT COUNT(*) AS n FROM purchases WHERE quantity < {next(other)}"
    status, answer = gateway.ask(sql, token=known["ana"], epsilon=0.1)
    assert status == 200, answer
    opening = {"query_id": answer["query_id"], "reason": "of no use"}
    status, made = call(gateway, known["ana"], "POST", "/v1/cases", opening)
    assert status == 200, made
    return known, answer, made


def test_parties_open_others_do_not_and_each_sees_its_own(gateway, disputed):
    known, answer, made = disputed
    assert (made["state"], made["buyer"], made["provider"]) == ("opened", "widgets/ana", "acme")
    assert made["charged"] == {"amount": answer["price"]["amount"], "currency": "CNY"}
    body = {"query_id": answer["query_id"], "reason": "mine as well"}
    for name in ("bob", "jo", "clerk", "rae", "own"):
        assert call(gateway, known[name], "POST", "/v1/cases", body)[0] == 404
    for name in ("eve", "sun"):
        assert call(gateway, known[name], "POST", "/v1/cases", body)[1]["code"] == "case_conflict"
    for name, seen in {"ana": 1, "eve": 1, "sun": 1, "jo": 1, "own": 1, "bob": 0, "clerk": 0, "rae": 0}.items():
        status, listed = call(gateway, known[name], "GET", "/v1/cases")
        assert status == 200
        assert (made["case_id"] in {one["case_id"] for one in listed["cases"]}) is bool(seen), name
        for path in (f"/v1/cases/{made['case_id']}", f"/v1/cases/{made['case_id']}/evidence"):
            assert call(gateway, known[name], "GET", path)[0] == (200 if seen else 404), name


def test_only_an_arbiter_of_neither_decides_and_no_money_beyond_the_charge_comes_back(gateway, disputed):
    known, answer, made = disputed
    path, whole = f"/v1/cases/{made['case_id']}/decide", answer["price"]["amount"]
    finding = {"finding": "half of it", "refund": "0.50"}
    for name in ("ana", "bob", "eve", "sun", "clerk", "rae", "own"):
        assert call(gateway, known[name], "POST", path, finding)[0] == 403, name
    too_much = {"finding": "all of it", "refund": f"{float(whole) + 1:.2f}"}
    assert call(gateway, known["jo"], "POST", path, too_much)[1]["code"] == "bad_request"
    for body in ({"finding": ""}, {"finding": "x", "refund": "0"}, {"finding": "x", "privacy": "0.1"}, {"refund": "1"}):
        assert call(gateway, known["jo"], "POST", path, body)[0] == 400
    spent = gateway.spent()
    status, decided = call(gateway, known["jo"], "POST", path, finding)
    assert (status, decided["state"]) == (200, "decided")
    assert (decided["decision"]["refund"], decided["decision"]["by"]) == ("0.50", "court/jo")
    assert gateway.spent() == spent, "privacy never comes back"
    assert call(gateway, known["jo"], "POST", path, finding)[1]["code"] == "case_conflict"
    assert call(gateway, known["ana"], "GET", f"/v1/cases/{made['case_id']}")[1] == decided


def test_the_evidence_holds_no_result_and_the_salt_is_the_buyers(gateway, disputed):
    known, answer, made = disputed
    freeze = {"scope": "buyer", "organisation": "widgets", "subject": "ana", "reason": "a look"}
    assert call(gateway, known["sun"], "POST", "/v1/freeze", freeze)[0] == 200
    assert call(gateway, known["sun"], "POST", "/v1/unfreeze", freeze)[0] == 200
    path = f"/v1/cases/{made['case_id']}/evidence"
    for name in ("ana", "eve", "sun", "jo"):
        _, found = call(gateway, known[name], "GET", path)
        receipt = json.loads(found["bundle"]["receipt.json"])
        assert ("salt" in receipt) is (name == "ana")
        assert json.loads(receipt["leaf"])["query_id"] == answer["query_id"]
        assert json.loads(found["bundle"]["event.json"])["data"]["amount"] == answer["price"]["amount"]
        assert set(json.loads(receipt["outcome"]["leaf"])) == {"answer", "kind", "query_id", "time"}, "a commitment"
        policy = set() if name == "ana" else {"policy.json"}  # it names other buyers, the engine, what is hidden
        assert found["bundle"].keys() == {"README.txt", "checkpoint", "event.json", "receipt.json", *policy}
        told = [(stop["kind"], stop["scope"], "reason" in stop) for stop in found["stops"]]
        assert told[-2:] == [(kind, "buyer", name in ("sun", "jo")) for kind in ("frozen", "unfrozen")]


def test_a_dispute_on_the_command_line_and_the_bundle_verifies(gateway, disputed, tmp_path):
    known, answer, made = disputed

    def run(*words, token=None):
        reach = [] if token is None else ["--token", token, "--url", gateway.url]
        done = ended([*words, *reach], {**os.environ, "COLUMNS": "200"}, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert made["case_id"] in run("case", "list", token=known["jo"])
    run("case", "evidence", made["case_id"], "--out", "case.zip", token=known["jo"])
    assert answer["query_id"] in run("evidence", "verify", "case.zip")
    assert "0.25 CNY" in run(
        "case", "decide", made["case_id"], "--finding", "a part", "--refund", "0.25", token=known["jo"]
    )
    assert "decided by court/jo: a part" in run("case", "show", made["case_id"], token=known["ana"])
    assert "all agree" in run("audit", "reconcile", "--state", str(gateway.state))
