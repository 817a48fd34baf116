"""The life of a policy over HTTP: proposed, submitted, reviewed, published, withdrawn, brought back; who may, and when."""

import json
import threading
import time
from datetime import timedelta

import pytest
from support.exchange_state import NOTHING, changes, held
from support.gateways import POLICY, Gateway, eventually, held_up, states
from support.policy_life import BY_COHORT, COUNT, DRAFT, HERE, REQUIRED, Cast
from support.stores import database

from gateway.app.clock import SystemClock


def test_a_dataset_answers_once_it_is_reviewed_and_two_persons_stand_behind_it(own):
    gateway = own(DRAFT, **REQUIRED)
    cast = Cast(gateway)
    assert cast.ask() == (404, "unknown_dataset")
    assert cast.ask(dataset="shop") == (404, "unknown_dataset")
    _, listed = cast.get("/versions", cast.eve)
    (first,) = listed["versions"]
    assert (first["state"], first["proposed"]["by"], first["served"]) == ("draft", "folder", False)
    version = first["version"]
    assert json.loads(gateway.call("GET", HERE, token=cast.eve)[1])["state"] == "draft"
    assert cast.post("publish", cast.mei, version=version)[1]["code"] == "version_state"
    assert cast.approve(version)[1]["code"] == "version_state"
    assert cast.post("submit", cast.eve, version=version)[1]["state"] == "submitted"
    assert cast.post("submit", cast.eve, version=version)[1]["code"] == "version_state"
    assert cast.post("publish", cast.mei, version=version)[1]["code"] == "version_state"
    assert cast.reject(version)[1]["state"] == "draft"
    assert cast.post("submit", cast.eve, version=version)[1]["state"] == "submitted"
    assert cast.approve(version)[1]["state"] == "reviewed"
    assert cast.post("publish", cast.eve, version=version)[1]["code"] == "two_persons"
    assert cast.ask(dataset="shop") == (404, "unknown_dataset")
    assert cast.post("publish", cast.mei, version=version)[1]["served"] is True
    assert cast.ask() == (200, None)
    status, whole = cast.get(f"/versions/{version}", cast.rui)
    assert (status, whole["policy"]) == (200, DRAFT)


def test_every_wrong_role_is_refused_at_every_step(own):
    gateway = own(DRAFT, **REQUIRED)
    cast = Cast(gateway)
    version = cast.proposed(DRAFT.replace("title: A shop", "title: The shop"))
    cast.post("submit", cast.eve, version=version)
    named, review = {"version": version}, {"decision": "reject", "findings": "no"}
    own_reviewer = cast.member("ivy", "acme", ("reviewer",))
    steps = {
        "versions": ({"policy": DRAFT}, {"reviewer": cast.rui, "supervisor": cast.sun}),
        "submit": (named, {"reviewer": cast.rui, "supervisor": cast.sun}),
        "publish": (named, {"reviewer": cast.rui, "supervisor": cast.sun}),
        "rollback": (named, {"reviewer": cast.rui, "supervisor": cast.sun}),
        "review": ({**named, **review}, {"provider": cast.eve, "supervisor": cast.sun, "its own": own_reviewer}),
        "withdraw": ({"reason": "no"}, {"reviewer": cast.rui}),
    }
    for step, (body, more) in steps.items():
        for who, token in {**cast.others(), **more}.items():
            status, reply = cast.post(step, token, **body)
            assert (status, reply["code"]) in ((403, "forbidden"), (404, "unknown_dataset")), (step, who)
    for path in ("/versions", f"/versions/{version}", f"/versions/{version}/difference?to={version}"):
        for who, token in cast.others().items():
            assert cast.get(path, token)[0] in (403, 404), (path, who)
        for token in (cast.eve, cast.rui, cast.sun):
            assert cast.get(path, token)[0] == 200, path
    assert cast.get(f"/versions/{version}", cast.eve)[1]["state"] == "submitted", "nothing of it happened"


def test_a_publication_that_is_refused_holds_no_table_to_an_account(own):
    gateway = own(DRAFT, **REQUIRED)
    cast = Cast(gateway)
    version = cast.proposed(DRAFT)
    before = held(gateway)
    assert cast.post("publish", cast.mei, version=version)[1]["code"] == "version_state"
    assert changes(before, held(gateway)) == NOTHING
    cast.post("submit", cast.eve, version=version)
    cast.approve(version)
    before = held(gateway)
    assert cast.post("publish", cast.eve, version=version)[1]["code"] == "two_persons"
    assert changes(before, held(gateway)) == NOTHING
    assert cast.post("publish", cast.mei, version=version)[0] == 200
    rows, leaves, _ = changes(before, held(gateway))
    assert len(rows["account_tables"]) == 2
    assert "bound" in {leaf["kind"] for leaf in leaves}


@pytest.mark.long
def test_a_proposal_is_checked_as_a_file_is_and_has_no_other_data(own):
    gateway = own(DRAFT, **REQUIRED)
    cast = Cast(gateway)
    for changed, place in (
        (DRAFT.replace("max_cells", "max_cell").replace("min_units: 2", "min_unit: 2"), "privacy.min_unit"),
        (DRAFT.replace("bounds: [0, 50]", "bounds: [50, 0]"), "tables.purchases.columns.quantity.bounds"),
        (DRAFT.replace("cohort:", "cohorts:"), "cohorts"),
        (DRAFT.replace("shop.duckdb", "/etc/other.duckdb"), "engine"),
        (DRAFT.replace("organisation: acme", "organisation: green"), "provider.organisation"),
        (DRAFT.replace("dataset: shop", "dataset: garden"), "dataset"),
        (DRAFT.replace("  min_units: 2", "  min_units: 2\n  account: somebody else's"), "privacy.account"),
    ):
        status, reply = cast.post("versions", cast.eve, policy=changed)
        assert (status, reply["code"]) == (400, "policy_invalid"), place
        assert place in reply["detail"], reply
        assert reply["position"]["line"] > 0
        assert reply["hint"]
    _, listed = cast.get("/versions", cast.eve)
    assert len(listed["versions"]) == 1, "the folder's alone"


@pytest.mark.long
def test_a_grant_needs_no_new_review_and_another_use_of_a_column_does(own):
    gateway = own(DRAFT, **REQUIRED)
    cast = Cast(gateway)
    cast.publish(cast.proposed(DRAFT))
    wider = DRAFT.replace("purposes: [research]", "purposes: [research, teaching]")
    version = cast.proposed(wider)
    assert cast.post("submit", cast.eve, version=version)[1]["state"] == "reviewed", "covered by the same review"
    assert cast.post("publish", cast.mei, version=version)[1]["served"]
    teaching = cast.member("ana", "widgets", ("buyer",))
    assert gateway.ask(COUNT, token=teaching, purpose="teaching")[0] == 200
    other = cast.proposed(wider.replace("basket: {use: [group, filter]}", "basket: {use: [group, filter, aggregate]}"))
    assert cast.post("submit", cast.eve, version=other)[1]["state"] == "submitted"
    _, said = cast.get(f"/versions/{version}/difference?to={other}", cast.rui)
    assert [one["words"] for one in said["differences"]] == ["The column purchases.basket gains use aggregate."]


@pytest.mark.long
def test_what_is_served_is_the_stores_text_whatever_the_file_says_by_then(own):
    gateway = own(DRAFT, **REQUIRED)
    cast = Cast(gateway)
    version = cast.proposed(DRAFT)
    cast.publish(version)
    (gateway.policies / "shop.yaml").write_text(DRAFT.replace("widgets", "others").replace("A shop", "Another"))
    gateway.stop()
    gateway.start()
    assert cast.ask() == (200, None)
    shown = json.loads(gateway.call("GET", HERE, token=cast.ana)[1])
    assert (shown["title"], shown["versions"]["policy"]) == ("A shop", version)
    _, listed = cast.get("/versions", cast.eve)
    assert [one["state"] for one in listed["versions"]] == ["published", "draft"], "the file is a draft"


def test_a_review_that_is_taken_back_stops_what_is_asked_and_one_that_ends_does(own):
    gateway = own(DRAFT, **REQUIRED)
    cast = Cast(gateway)
    version = cast.proposed(DRAFT)
    cast.publish(version)
    assert cast.ask() == (200, None)
    assert cast.reject(version)[1]["state"] == "published"
    assert cast.ask(BY_COHORT) == (403, "compliance_expired")
    assert cast.approve(version)[0] == 200
    assert cast.ask(BY_COHORT) == (200, None)
    yesterday = (SystemClock().now() - timedelta(days=1)).date().isoformat()
    status, reply = cast.approve(version, yesterday)
    assert (status, reply["code"]) == (400, "bad_request")


def test_a_withdrawal_ends_what_runs_and_a_rollback_gives_no_budget_back(own):
    gateway = own(DRAFT, **REQUIRED)
    cast = Cast(gateway)
    first = cast.proposed(DRAFT)
    cast.publish(first)
    second = cast.proposed(DRAFT.replace("title: A shop", "title: The shop"))
    cast.publish(second)
    assert cast.ask() == (200, None)
    spent = gateway.spent()
    assert spent > 0
    replies = []
    with held_up(gateway):
        asking = threading.Thread(target=lambda: replies.append(cast.ask(BY_COHORT, key="one")))
        asking.start()
        assert eventually(lambda: states(gateway).count("running") == 1)
        status, done = cast.post("withdraw", cast.eve, reason="a mistake")
        assert (status, done["state"], done["ended"]) == (200, "withdrawn", 1)
        asking.join(timeout=20)
    assert replies == [(409, "query_stopped")]
    assert cast.ask(dataset="shop") == (404, "unknown_dataset")
    assert cast.post("withdraw", cast.eve, reason="again")[1]["code"] == "version_state"
    status, asked = cast.post("rollback", cast.eve, version=first)
    assert (status, asked["asked_back_by"], asked["served"]) == (200, "acme/eve", False)
    assert cast.post("rollback", cast.eve, version=first)[1]["code"] == "two_persons"
    assert cast.post("rollback", cast.mei, version=first)[1]["served"] is True
    assert gateway.spent() >= spent, "what was learned stays learned, and what ran stays charged"
    assert cast.ask() == (200, None)


def test_what_a_supervisor_withdraws_does_not_come_back(own):
    gateway = own(DRAFT, **REQUIRED)
    cast = Cast(gateway)
    first = cast.proposed(DRAFT)
    cast.publish(first)
    assert cast.post("withdraw", cast.sun, reason="an order")[1]["barred"] is True
    assert cast.ask(dataset="shop") == (404, "unknown_dataset")
    assert cast.post("rollback", cast.eve, version=first)[1]["code"] == "version_state"
    second = cast.proposed(DRAFT.replace("title: A shop", "title: The shop"))
    assert cast.post("submit", cast.eve, version=second)[1]["state"] == "submitted", "its review ended as well"


@pytest.mark.long
def test_where_members_are_embedded_a_file_is_served_until_the_store_says_otherwise(own):
    gateway = own()
    cast = Cast(gateway)
    assert cast.ask() == (200, None)
    assert cast.get("/versions", cast.eve)[1]["versions"] == []
    assert cast.post("withdraw", cast.eve, reason="an error")[1]["state"] == "withdrawn"
    assert cast.ask(dataset="shop") == (404, "unknown_dataset")
    gateway.stop()
    gateway.start()
    assert cast.ask(dataset="shop") == (404, "unknown_dataset"), "the file is there, and the store holds"
    version = cast.proposed(POLICY.replace("title: A shop", "title: The shop"))
    assert cast.post("submit", cast.eve, version=version)[1]["state"] == "submitted"
    assert cast.post("publish", cast.mei, version=version)[1]["served"] is True
    assert cast.ask(BY_COHORT) == (200, None)
    (gateway.policies / "shop.yaml").write_text(POLICY.replace("widgets", "others"))
    gateway.stop()
    gateway.start()
    assert cast.ask("SELECT COUNT(*) AS n FROM purchases") == (200, None), "the published version is served"


@pytest.fixture
def pair(tmp_path):
    """Start two gateways on one PostgreSQL store."""
    address = database()
    first = Gateway(tmp_path, DRAFT, **REQUIRED, GATEWAY_STORE_URL=address)
    first.make_data()
    first.start()
    second = Gateway(tmp_path, DRAFT, **REQUIRED, GATEWAY_STORE_URL=address)
    second.start()
    yield first, second
    assert [one.stop() for one in (first, second)] == [0, 0]


@pytest.mark.long
def test_two_replicas_follow_a_publication_and_a_withdrawal(pair):
    first, second = pair
    cast = Cast(first)
    assert cast.ask(gateway=second) == (404, "unknown_dataset")
    cast.publish(cast.proposed(DRAFT))
    assert cast.ask(gateway=second) == (200, None), "at once"
    replaced = cast.proposed(DRAFT.replace("organisation: widgets", "organisation: others"))
    cast.publish(replaced)
    assert cast.ask(BY_COHORT, gateway=second) == (404, "unknown_dataset"), "its grant is gone"
    cast.publish(cast.proposed(DRAFT.replace("title: A shop", "title: The shop")))
    replies = []
    with held_up(second):
        asking = threading.Thread(target=lambda: replies.append(cast.ask(BY_COHORT, gateway=second, key="one")))
        asking.start()
        assert eventually(lambda: "RUNNING" in cast.past())
        assert cast.post("withdraw", cast.mei, reason="a mistake")[1]["ended"] == 1
        began = time.monotonic()
        asking.join(timeout=20)
        took = time.monotonic() - began
    assert replies == [(409, "query_stopped")]
    assert took < 10, "a quarter of a second, and what a busy machine adds"
    assert cast.ask(gateway=second, dataset="shop") == (404, "unknown_dataset")
    assert cast.ask(dataset="shop") == (404, "unknown_dataset")
