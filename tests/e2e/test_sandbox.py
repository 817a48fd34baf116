"""The sandbox over HTTP: the whole path over synthetic rows, for nothing, and nothing of it in true answers or back."""

import json

import pytest
from support.gateways import POLICY, Gateway
from support.policy_life import DRAFT, REQUIRED, Cast

from gateway.client import connect

COUNT = "SELECT COUNT(*) AS n FROM purchases"
BY_COHORT = "SELECT c.cohort, SUM(p.amount) AS s, AVG(p.quantity) AS q FROM purchases p JOIN customers c USING (customer_id) GROUP BY 1 ORDER BY 1"
SANDBOXED = POLICY.replace(
    "grants:\n", "grants:\n  - {name: trying, to: {organisation: triers}, mode: sandbox, purposes: [research]}\n"
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    made = Gateway(tmp_path_factory.mktemp("sandbox"), SANDBOXED)
    made.make_data()
    made.start()
    yield made
    assert made.stop() == 0


def ask(gateway, sql, organisation="widgets", path="/v1/query", key=None, **beside):
    headers = {} if key is None else {"Idempotency-Key": key}
    token = gateway.token("ana", organisation)
    status, reply = gateway.call("POST", path, {"sql": sql, **beside}, token=token, headers=headers)
    return status, json.loads(reply)


def budget(gateway):
    _, reply = gateway.call("GET", "/v1/budget", token=gateway.token("ana"))
    return json.loads(reply)


def test_a_question_of_the_sandbox_costs_nothing_and_says_what_it_is(sandbox):
    before = budget(sandbox)
    status, answer = ask(sandbox, BY_COHORT, sandbox=True, epsilon=1)
    assert status == 200
    assert answer["sandbox"] is True
    assert "synthetic" in answer["notices"][0]
    assert [row[0] for row in answer["rows"]] == ["1997-01", "1997-02", "1997-03"]
    assert all(len(answer["intervals"]["columns"][name]) == 3 for name in ("s", "q"))
    assert answer["price"]["amount"] == "0"
    assert (answer["privacy"]["rho"], answer["privacy"]["stored"]) == (0, False)
    assert answer["versions"]["data"] == "synthetic"
    assert budget(sandbox) == before
    token = sandbox.token("ana")
    _, receipt = sandbox.call("GET", f"/v1/queries/{answer['query_id']}/receipt", token=token)
    leaf = (
        json.loads(json.loads(receipt)["leaf"])
        if isinstance(json.loads(receipt)["leaf"], str)
        else json.loads(receipt)["leaf"]
    )
    assert (leaf["kind"], leaf["sandbox"], leaf["amount"], leaf["rho"]) == ("replayed", True, "0", "0")


def test_no_draw_of_the_sandbox_serves_a_true_question_nor_the_reverse(sandbox):
    _, true = ask(sandbox, COUNT, epsilon=0.5)
    assert not true["privacy"]["stored"]
    tries = [ask(sandbox, COUNT, sandbox=True, epsilon=0.5)[1]["rows"][0][0] for _ in range(4)]
    assert len(set(tries)) > 1  # drawn anew each time
    assert abs(true["rows"][0][0] - 500) < 200
    assert all(abs(n - 1_000) < 300 for n in tries)  # of 300 units and 1,000 rows, as the policy declares
    fresh = "SELECT COUNT(*) AS n FROM customers"
    ask(sandbox, fresh, sandbox=True, epsilon=0.5)
    _, paid = ask(sandbox, fresh, epsilon=0.5)
    assert not paid["privacy"]["stored"]
    assert float(paid["price"]["amount"]) > 0


def test_one_key_is_one_answer_and_none_of_the_other_kind(sandbox):
    first = ask(sandbox, COUNT, key="s1", sandbox=True)
    assert ask(sandbox, COUNT, key="s1", sandbox=True) == first
    assert ask(sandbox, COUNT, key="s1")[1]["code"] == "idempotency_conflict"


def test_a_grant_for_the_sandbox_covers_nothing_else(sandbox):
    assert ask(sandbox, COUNT, "triers", sandbox=True)[0] == 200
    assert ask(sandbox, COUNT, "triers", "/v1/quote", sandbox=True)[1]["sandbox"] is True
    for path in ("/v1/query", "/v1/quote"):
        assert ask(sandbox, COUNT, "triers", path)[1]["code"] == "mode_not_granted"
    assert ask(sandbox, COUNT, "strangers", sandbox=True)[1]["code"] == "unknown_dataset"


@pytest.mark.parametrize(("sql", "code"), [
    ("SELECT amount FROM purchases", "raw_rows"), ("SELECT SUM(secret) FROM purchases", "unknown_column"),
    ("SELECT AVG(amount) FROM purchases WHERE amount > 3", "column_use"), ("SELECT * FROM nowhere", "unknown_table"),
])  # fmt: skip
def test_the_policy_refuses_as_it_does_true_questions(sandbox, sql, code):
    true, tried = ask(sandbox, sql), ask(sandbox, sql, sandbox=True)
    assert true[1]["code"] == tried[1]["code"] == code
    assert true[1]["detail"] == tried[1]["detail"]


def test_its_rows_do_not_follow_the_data(own):
    gateway = own(POLICY)
    before = sorted((gateway.state / "sandbox").glob("*")) if (gateway.state / "sandbox").exists() else []
    assert before == []
    assert ask(gateway, COUNT, sandbox=True)[0] == 200
    (first,) = (gateway.state / "sandbox").glob("*.duckdb")
    made = first.read_bytes()
    assert gateway.stop() == 0
    gateway.data.unlink()
    gateway.make_data(seed=99, units=20)
    first.unlink()
    gateway.start()
    assert ask(gateway, COUNT, sandbox=True)[0] == 200
    (second,) = (gateway.state / "sandbox").glob("*.duckdb")
    assert second.name == first.name
    assert len(second.read_bytes()) == len(made)


def test_a_version_that_the_store_serves_is_tried_while_it_is_served(own):
    cast = Cast(own(DRAFT, **REQUIRED))
    cast.publish(cast.proposed(DRAFT))
    assert cast.ask(sandbox=True) == (200, None)
    assert cast.post("withdraw", cast.eve, reason="a mistake")[0] == 200
    assert cast.ask(sandbox=True, dataset="shop") == (404, "unknown_dataset")


def test_its_events_are_not_billable(sandbox):
    _, answer = ask(sandbox, COUNT, sandbox=True)
    _, events = sandbox.call("GET", "/v1/meter/events?limit=1000", token=sandbox.token("clerk", "acme", ("billing",)))
    (event,) = [e for e in map(json.loads, events.decode().splitlines()) if e["subject"] == answer["query_id"]]
    assert event["type"] == "gateway.query.replayed"
    assert event["data"]["sandbox"] is True
    assert event["data"]["amount"] == "0"


def test_the_client_asks_it(sandbox):
    with connect(sandbox.url, sandbox.token("ana")) as gateway:
        found = gateway.query(COUNT, sandbox=True)
        assert found.document["sandbox"] is True
        assert found.receipt is not None
        assert gateway.quote(COUNT, sandbox=True).document["sandbox"] is True
