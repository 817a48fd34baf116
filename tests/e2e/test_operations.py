"""Concurrency, crashes, reloads and data files: what must hold when things go wrong."""

import json
import os
import signal
import sqlite3
import threading
import time

import pytest
from support.gateways import POLICY, eventually, releasing, states
from support.starting import ended

COUNT = "SELECT COUNT(*) AS n FROM purchases"


def test_fifty_identical_requests_are_one_charge(own):
    gateway = own()
    token = gateway.token()
    body = json.dumps({"sql": COUNT}).encode()
    calls = [lambda: gateway.call("POST", "/v1/query", raw=body, token=token, headers={"Idempotency-Key": "k"})] * 50
    results = gateway.together(calls)
    assert {status for status, _ in results} == {200}
    assert len({reply for _, reply in results}) == 1
    assert abs(gateway.spent() - 0.02) < 1e-9
    assert [e["type"] for e in gateway.events()] == ["gateway.query.charged"]
    status, problem = gateway.ask(COUNT + " WHERE quantity > 1", key="k")
    assert (status, problem["code"]) == (409, "idempotency_conflict")


def test_questions_that_share_a_draw_agree_and_pay_for_it_once(own):
    gateway = own()
    token = gateway.token()
    for quantity in range(5):
        where = f"FROM purchases WHERE quantity > {quantity}"
        questions = [f"SELECT COUNT(*){add} AS n {where}" for add in ("", " + 0", " * 1", " - 0")]
        results = gateway.together([(lambda sql=sql: gateway.ask(sql, token=token)) for sql in questions])
        assert {status for status, _ in results} == {200}
        assert len({reply["rows"][0][0] for _, reply in results}) == 1
        assert abs(gateway.spent() - 0.02 * (quantity + 1)) < 1e-9


def test_private_keys_shared_by_questions_in_flight_stay_the_same_keys(own):
    gateway = own()
    token = gateway.token()
    questions = [
        f"SELECT basket, quantity % 5 AS r, COUNT(DISTINCT customer_id) AS u, {m} AS s FROM purchases GROUP BY 1, 2"
        for m in ("SUM(quantity)", "SUM(amount)", "AVG(amount)")
    ]
    first = gateway.together([(lambda sql=sql: gateway.ask(sql, token=token)) for sql in questions])
    assert {status for status, _ in first} == {200}
    again = [gateway.ask(sql, token=token) for sql in questions]
    assert [reply["rows"] for _, reply in again] == [reply["rows"] for _, reply in first]
    assert len({tuple((row[0], row[1]) for row in reply["rows"]) for _, reply in first}) == 1, "one set of keys"


def test_sixty_four_queries_on_a_budget_for_ten(own):
    # per_buyer allows ten queries of epsilon 0.2 (rho 0.02), not eleven
    small = POLICY.replace("  per_query:", "  per_buyer: {epsilon: 3.3}\n  per_query:")
    gateway = own(small.replace("max_epsilon: 2}", "max_epsilon: 0.6}"))
    from decimal import Decimal as D

    from gateway.privacy.accounting import limits

    limit = limits(D("3.3"), D("1e-6"))[0]
    allowed = limit // 20_000_000_000
    assert allowed == 10, limit
    token = gateway.token()
    calls = [
        (lambda n=n: gateway.ask(f"SELECT COUNT(*) AS n FROM purchases WHERE quantity > {n}", token=token, epsilon=0.2))
        for n in range(64)
    ]
    results = gateway.together(calls)
    assert sorted({status for status, _ in results}) == [200, 403]
    assert sum(status == 200 for status, _ in results) == 10
    assert {r["code"] for s, r in results if s == 403} == {"budget_exhausted"}
    assert sum(e["type"] == "gateway.query.charged" for e in gateway.events()) == 10
    assert gateway.spent() * 1e12 <= limit


def test_kill_between_charge_and_answer(own):
    gateway = own(GATEWAY_LEASE_S="1")
    token = gateway.token()
    assert gateway.ask(COUNT, token=token)[0] == 200
    stopped = releasing(gateway)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)  # holds the next query between its charge and its answer
    sql = "SELECT quantity, COUNT(*) AS n FROM purchases GROUP BY quantity"
    asked = []
    thread = threading.Thread(target=lambda: asked.append(_try(gateway, sql, token)))
    thread.start()
    assert eventually(lambda: states(gateway) == ["finished", "running"])
    gateway.kill()
    thread.join(timeout=30)
    assert isinstance(asked[0], Exception), "nobody was answered"
    assert eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in stopped)), (
        "a child outlives its gateway"
    )
    gateway.start()
    assert states(gateway) == ["finished", "running"]
    assert abs(gateway.spent() - 0.04) < 1e-9, "the charge stands"
    status, answer = gateway.ask(sql, key="crash", token=token)
    assert status == 200, answer
    assert abs(gateway.spent() - 0.04) < 1e-9, "the work is redone under the same charge"
    # kill again, after the answer was stored: the retry gets the stored bytes
    gateway.kill()
    gateway.start()
    assert gateway.ask(sql, key="crash", token=token) == (200, answer)
    assert gateway.ask(sql, token=token)[1]["rows"] == answer["rows"]
    assert [e["type"] for e in gateway.events() if "charged" in e["type"]] == ["gateway.query.charged"] * 2


def _try(gateway, sql, token):
    try:
        return gateway.ask(sql, key="crash", token=token)
    except Exception as error:
        return error


def test_a_policy_is_reloaded_by_sighup_and_a_bad_one_changes_nothing(own):
    gateway = own()
    assert gateway.ask(COUNT, epsilon=1.5)[0] == 200
    path = gateway.policies / "shop.yaml"
    path.write_text(POLICY.replace("max_epsilon: 2", "max_epsilon: 1"))
    gateway.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: gateway.ask(COUNT, epsilon=1.5)[1].get("code") == "epsilon_too_large")
    path.write_text("dataset: [broken")
    gateway.process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert gateway.ask(COUNT, epsilon=0.9)[0] == 200


@pytest.mark.long
def test_a_long_policy_is_reloaded_beside_answers_and_one_that_does_not_hold_changes_nothing(own):
    gateway = own()
    path, log = gateway.policies / "shop.yaml", gateway.folder / "log"
    more = ", ".join(f'"{number}"' for number in range(4_000))
    long = POLICY.replace('"1997-03"]', f'"1997-03", {more}]').replace("max_epsilon: 2", "max_epsilon: 1")
    assert gateway.ask(COUNT, epsilon=1.5)[0] == 200
    for text, told, becomes in (
        (long.replace("title: A shop", "title: [a, shop]"), "policies were not reloaded", 200),
        (long, "policies reloaded", 403),
    ):
        path.write_text(text)
        gateway.process.send_signal(signal.SIGHUP)
        answers = 0
        while told not in log.read_text():
            assert gateway.call("GET", "/healthz")[0] == 200
            answers += 1
        assert answers > 5, "it is read beside others"
        assert gateway.ask(COUNT, epsilon=1.5)[0] == becomes


def test_new_data_waits_for_its_declaration(own):
    gateway = own()
    first = gateway.ask(COUNT)[1]
    spent = gateway.spent()
    draft = gateway.folder / "draft.duckdb"
    gateway.make_data(seed=9, units=100, path=draft)
    os.replace(draft, gateway.data)
    status, problem = gateway.ask(COUNT + " WHERE quantity > 2")
    assert (status, problem["code"]) == (503, "refresh_needed")
    assert gateway.spent() == spent, "nothing was charged"
    where = ("--policies", str(gateway.policies), "--state", str(gateway.state))
    refreshed = ended(["dataset", "refresh", "shop", *where])
    assert refreshed.returncode == 0, refreshed.stderr
    declared = refreshed.stdout.strip()
    status, answer = gateway.ask(COUNT)
    assert status == 200
    assert not answer["privacy"]["stored"], "a new data version is a new question"
    assert answer["versions"]["data"] == declared != first["versions"]["data"]
    assert gateway.spent() > spent, "a refresh restores no budget"


@pytest.mark.long
def test_what_costs_nothing_fills_the_log_at_a_pace_and_no_faster(own):
    gateway = own(GATEWAY_FREE_PER_MINUTE="4")
    count = "SELECT COUNT(*) AS n FROM customers"
    assert gateway.ask(count, key="paid")[0] == 200
    if time.time() % 60 > 40:
        time.sleep(61 - time.time() % 60)  # all of it within one minute
    assert gateway.ask(count)[0] == 200, "a free repeat"
    assert gateway.call("PUT", "/v1/spending", {"currency": "CNY", "per": "day", "amount": "1000"})[0] == 200
    found = [gateway.ask(f"SELECT nothing_{number} FROM customers")[0] for number in range(6)]
    assert found == [400, 400, 429, 429, 429, 429]
    assert gateway.call("PUT", "/v1/spending", {"currency": "CNY", "per": "day", "amount": "1001"})[0] == 429
    assert gateway.call("POST", "/v1/quote", {"sql": count})[0] == 429
    assert gateway.ask(count, key="paid")[0] == 200, "what was paid for is given"
    assert gateway.ask(count, token=gateway.token("bob"))[0] == 200
    connection = sqlite3.connect(gateway.state / "gateway.sqlite3")
    leaves = [json.loads(leaf) for (leaf,) in connection.execute("SELECT leaf FROM log_leaves")]
    connection.close()
    assert [leaf["kind"] for leaf in leaves].count("refused") == 2
    (flooded,) = [leaf for leaf in leaves if leaf["kind"] == "flooded"]
    assert (flooded["buyer"], flooded["decisions"]) == ("ana", 4)
