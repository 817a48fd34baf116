"""What past questions would become under a version, and the life of a policy by command: over real HTTP."""

import json
import os

import pytest
from support.gateways import POLICY
from support.policy_life import DRAFT, LATER, REQUIRED, Cast
from support.starting import ended

KEPT = POLICY + "retention: {query_texts: 30, answers: 90}\n"
COHORT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort"
AMOUNT = "SELECT SUM(amount) AS s FROM purchases"
TRINO = "SELECT COUNT(*) AS n FROM purchases WHERE purchased_on > DATE '1997-06-01'"


def test_past_questions_are_planned_again_and_nothing_is_read_or_charged(own):
    gateway = own(KEPT)
    cast = Cast(gateway)
    for sql in (COHORT, AMOUNT, TRINO):
        assert cast.ask(sql) == (200, None)
    spent, leaves = gateway.spent(), len(gateway.events())
    changed = (
        KEPT.replace("cohort: {use: [group, filter]", "cohort: {use: [filter]")
        .replace("amount: {class: important, use: [aggregate], bounds: [0, 500]",
                 "amount: {class: important, use: [aggregate], bounds: [0, 900]")
        .replace("per_query: 0.50", "per_query: 0.75")
    )  # fmt: skip
    version = cast.proposed(changed)
    status, told = cast.post(f"versions/{version}/replay", cast.eve)
    assert status == 200
    becomes = [one["becomes"] for one in told["questions"]]
    assert becomes == ["costs otherwise", "costs otherwise", "refused now"], "the newest first"
    refused = told["questions"][2]["after"]
    assert (refused["allowed"], refused["code"]) == (False, "column_use")
    assert told["counts"]["refused now"] == 1
    before, after = told["questions"][0]["before"], told["questions"][0]["after"]
    assert (before["rho"], float(after["amount"]) - float(before["amount"])) == (after["rho"], 0.25)
    assert {one["organisation"] for one in told["questions"]} == {"widgets"}
    assert gateway.spent() == spent
    assert len(gateway.events()) == leaves
    same = cast.proposed(KEPT.replace("title: A shop", "title: The shop"))
    _, told = cast.post(f"versions/{same}/replay", cast.eve, limit=2)
    assert [one["becomes"] for one in told["questions"]] == ["the same", "the same"]


@pytest.mark.long
def test_questions_that_are_sent_are_planned_under_the_new_grants(own):
    gateway = own(KEPT)
    cast = Cast(gateway)
    version = cast.proposed(KEPT.replace("organisation: widgets}, purposes: [research]", "organisation: others}"))
    asked = [
        {"sql": COHORT, "organisation": "widgets", "purpose": "research"},
        {"sql": COHORT, "organisation": "others"},
        {"sql": "SELECT customer_id FROM customers", "organisation": "others"},
        {"sql": "SELECT nothing", "organisation": "nobody", "epsilon": 0.1, "dialect": "trino"},
    ]
    _, told = cast.post(f"versions/{version}/replay", cast.eve, queries=asked)
    becomes = [(one["query"], one["becomes"], one["after"].get("code")) for one in told["questions"]]
    assert becomes == [
        ("1", "refused now", "unknown_dataset"),
        ("2", "allowed now", None),
        ("3", "refused as before", "raw_rows"),
        ("4", "refused as before", "unknown_dataset"),
    ]
    assert cast.post(f"versions/{version}/replay", cast.eve)[1]["questions"] == [], "no question was charged yet"
    for who in (cast.mei, cast.eve):
        assert cast.post(f"versions/{version}/replay", who, queries=asked[:1])[0] == 200
    for who in (*cast.others().values(), cast.rui, cast.sun):
        assert cast.post(f"versions/{version}/replay", who)[0] in (403, 404)


@pytest.mark.long
def test_a_past_model_is_planned_again_as_the_model_that_it_was(own):
    models = "  - {to: {organisation: modellers}, mode: modelling, purposes: [research], price_plan: standard}\nprices:"
    kept = KEPT.replace("prices:", models)
    gateway = own(kept)
    cast = Cast(gateway)
    asked = {"kind": "covariance", "from": "purchases", "features": ["quantity", "amount"], "epsilon": 0.5}
    mo = gateway.token("mo", "modellers")
    status, fitted = gateway.call("POST", "/v1/models", asked, token=mo)
    assert status == 200, fitted
    assert cast.ask(COHORT) == (200, None)
    charged = [one["data"] for one in gateway.events() if one["type"] == "gateway.query.charged"]
    assert [one.get("model", False) for one in charged] == [True, False]

    def becomes(policy):
        _, told = cast.post(f"versions/{cast.proposed(policy)}/replay", cast.eve)
        return [(one["model"], one["becomes"], one["after"].get("code")) for one in told["questions"]]

    assert becomes(kept.replace("A shop", "The shop")) == [(False, "the same", None), (True, "the same", None)]
    dearer = kept.replace("per_query: 0.50", "per_query: 0.75")
    assert becomes(dearer) == [(False, "costs otherwise", None), (True, "costs otherwise", None)]
    ordinary = kept.replace("mode: modelling", "mode: authorised")
    assert becomes(ordinary) == [(False, "the same", None), (True, "refused now", "mode_not_granted")]
    unused = kept.replace("amount: {class: important, use: [aggregate]", "amount: {class: important, use: [filter]")
    assert becomes(unused)[1][:2] == (True, "refused now")


@pytest.mark.long
def test_past_questions_are_paced_as_refusals_are(own):
    gateway = own(KEPT, GATEWAY_FREE_PER_MINUTE="3")
    cast = Cast(gateway)
    version = cast.proposed(KEPT.replace("title: A shop", "title: The shop"))
    asked = [{"sql": COHORT, "organisation": "widgets", "purpose": "research"}] * 9
    status, reply = cast.post(f"versions/{version}/replay", cast.eve, queries=asked)
    assert (status, reply["code"]) == (429, "too_many_requests")
    assert cast.post(f"versions/{version}/replay", cast.eve, queries=asked[:2])[0] == 200, "none of the nine counted"


def test_the_life_of_a_policy_by_command(own, tmp_path):
    gateway = own(DRAFT, **REQUIRED)
    cast = Cast(gateway)
    changed = tmp_path / "changed.yaml"
    changed.write_text(DRAFT.replace("title: A shop", "title: The shop"))

    def run(*words, token, fails=False):
        command = ["policy", *words, "--token", token, "--url", gateway.url]
        done = ended(command, {**os.environ, "COLUMNS": "200"})
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    first = json.loads(run("versions", "shop", "--json", token=cast.eve))["versions"][0]["version"]
    second = json.loads(run("propose", str(changed), "--json", token=cast.eve))["version"]
    for version in (first, second):
        begun = version[:20]
        run("submit", "shop", begun, token=cast.eve)
        if version == first:
            assert "not said" in run("review", "shop", begun, "--findings", "seen", token=cast.rui, fails=True)
            run("review", "shop", begun, "--findings", "seen", "--until", LATER, token=cast.rui)
        run("publish", "shop", begun.removeprefix("sha256:"), token=cast.mei)
    assert "published, served" in run("versions", "shop", token=cast.eve)
    assert run("show", "shop", second, token=cast.rui) == changed.read_text()
    assert "no such version" in run("show", "shop", "sha256:" + "0" * 64, token=cast.rui, fails=True).lower()
    assert "asks for it again" in run("rollback", "shop", first, token=cast.eve)
    assert "and served" in run("rollback", "shop", first, token=cast.mei)
    assert "ended: 0" in run("withdraw", "shop", "--reason", "an error", token=cast.eve)
    assert cast.ask(dataset="shop") == (404, "unknown_dataset")
