"""The filing pack is a fold over policies and leaves: who got what, what went wrong, in which period."""

import json
from datetime import date
from pathlib import Path

from gateway.catalog.entries import compliance
from gateway.catalog.load import canonical_text, policy_version, read
from gateway.evidence.filing import Period, Policy, flows, incidents, pack
from gateway.evidence.printing import page

FOLDER = Path(__file__).parents[3] / "policies"
POLICY, _ = read((FOLDER / "cdnow.yaml").read_text(), "cdnow.yaml")


def decision(kind, day, organisation="widgets", **known):
    facts = {"dataset": "shop", "jurisdiction": "SG", "purpose": "research", "amount": "0", "currency": "CNY", **known}
    return {"kind": kind, "time": f"2026-11-{day:02}T00:00:00.000000Z", "organisation": organisation, **facts}


LEAVES = [
    decision("charged", 1, query_id="A", cells=[3, 4], epsilon="0.2", amount="4.50"),
    decision("answered", 1, query_id="A"),
    decision("charged", 2, query_id="B", cells=[10], epsilon="0.1", amount="0.005"),
    {"kind": "failed", "time": "2026-11-02T00:00:01.000000Z", "query_id": "B"},
    decision("replayed", 3, query_id="C", amount="0"),
    decision("refused", 4, query_id="D", jurisdiction=None, purpose=None),
    decision("charged", 30, "gadgets", query_id="E", cells=[1], epsilon="1", amount="1", currency="USD"),
    {"kind": "revoked", "time": "2026-11-30T12:00:00.000000Z", "buyer": "gadgets/eve", "by": "acme/sue"},
]


def test_flows_by_recipient_jurisdiction_and_purpose():
    found = flows(LEAVES)
    assert [(f["organisation"], f["jurisdiction"], f["purpose"]) for f in found] == [
        ("gadgets", "SG", "research"),
        ("widgets", "", ""),
        ("widgets", "SG", "research"),
    ]
    assert found[2] | {"dataset": "shop"} == {
        "dataset": "shop", "organisation": "widgets", "jurisdiction": "SG", "purpose": "research",
        "answers": 2, "repeats": 1, "refusals": 0, "cells": 17, "epsilon": "0.3", "amounts": {"CNY": "4.505"},
    }  # fmt: skip
    assert (found[1]["answers"], found[1]["refusals"], found[1]["amounts"]) == (0, 1, {})


def test_incidents_name_the_query_s_dataset_and_recipient():
    assert [(i["kind"], i["dataset"], i["organisation"], i["log_index"]) for i in incidents(LEAVES, Period())] == [
        ("failed", "shop", "widgets", 3),
        ("revoked", None, None, 7),
    ]
    assert incidents(LEAVES, Period(date(2026, 11, 3), date(2026, 11, 29))) == []
    assert len(incidents(LEAVES, Period(date(2026, 11, 2), date(2026, 11, 2)))) == 1


def test_the_pack_and_its_page():
    hostile = json.loads(json.dumps(LEAVES))
    hostile[0]["purpose"] = "<script>alert(1)</script>"
    log = ("gw\n8\nroot\n", "ab" * 32, [json.dumps(one).encode() for one in hostile])
    policies = [Policy(policy_version(POLICY), POLICY, compliance(POLICY))]
    waiting = [{"dataset": "shop", "buyer": "widgets/bob", "failures": 2}]
    made = pack(policies, [], log, waiting, Period(None, date(2026, 11, 4)), "2026-12-01T00:00:00Z")
    assert sum(flow["answers"] for flow in made["flows"]) == 2, "the thirtieth is after the period"
    held = made["catalogue"][0]
    assert held["policy_version"] == policy_version(POLICY)
    assert sum(held["columns_by_class"].values()) == sum(
        len(table.columns) for table in POLICY.tables.values() if not table.public
    )
    shown = page(made)
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "widgets/bob" in shown
    assert "src=" not in shown
    assert "href=" not in shown
    empty = page(pack([], [], ("gw\n0\nroot\n", "ab" * 32, []), [], Period(), "2026-12-01T00:00:00Z"))
    assert "nothing" in empty
    assert "nobody" in empty


def test_a_policy_s_text_has_the_version_for_its_hash():
    from hashlib import sha256

    assert policy_version(POLICY) == "sha256:" + sha256(canonical_text(POLICY)).hexdigest()
