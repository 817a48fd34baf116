"""Queries that fail or are interrupted after their charge: what is charged, what counts, what is still given."""

import json
import os
import signal
import threading
import time

import pytest
from support.gateways import POLICY, eventually, releasing, releasing_or_none, states

COUNT = "SELECT COUNT(*) AS n FROM purchases WHERE quantity > {}"


def held(gateway, sql, key, token, then):
    """Ask, do something while the answer is held up between charge and noise, and return what was answered."""
    before = states(gateway).count("running")
    stopped = releasing(gateway)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    replies = []
    thread = threading.Thread(target=lambda: replies.append(gateway.ask(sql, key=key, token=token)))
    thread.start()
    assert eventually(lambda: states(gateway).count("running") > before)
    then(stopped)
    thread.join(timeout=40)
    return replies[0]


def kill(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_a_failed_query_says_what_a_retry_costs_and_two_suspend_but_what_was_paid_for_is_given(own):
    gateway = own()
    token = gateway.token()
    status, paid = gateway.ask(COUNT.format(0), key="paid", token=token)
    assert status == 200
    status, failed = held(gateway, COUNT.format(1), "one", token, kill)
    assert (status, failed["code"]) == (500, "query_failed")
    spent = gateway.spent()
    assert abs(spent - 0.04) < 1e-9, "the failed one is charged"
    assert gateway.ask(COUNT.format(1), key="one", token=token) == (500, failed), "the same failure again"
    assert gateway.spent() == spent
    assert "another key is another charge" in failed["hint"]
    assert eventually(lambda: len(releasing_or_none(gateway)) >= 2)
    assert gateway.ask(COUNT.format(1), key="another", token=token)[0] == 200
    assert abs(gateway.spent() - spent - 0.02) < 1e-9, "another key is another charge"
    assert held(gateway, COUNT.format(2), "two", token, kill)[1]["code"] == "query_failed"
    assert gateway.ask(COUNT.format(3), token=token)[1]["code"] == "buyer_suspended"
    last = gateway.events()[-1]["data"]
    assert (last["reason"], last["grant"]) == ("buyer_suspended", "widgets")
    assert gateway.ask(COUNT.format(0), key="paid", token=token) == (200, paid), "it was paid for"
    _, body = gateway.call("GET", f"/v1/queries/{paid['query_id']}", token=token)
    assert json.loads(body)["answer"] == paid
    (line,) = [line for line in (gateway.folder / "log").read_text().splitlines() if "ended with status -9" in line][:1]
    assert "query " in line


def test_what_one_organisation_computes_of_its_releases_for_nothing_holds_up_no_other(own):
    policy = POLICY.replace("grants:\n", "grants:\n  - {to: {organisation: others}}\n")
    gateway = own(policy, GATEWAY_FINISH_DEADLINE_S="6")
    days = "WITH t AS (SELECT purchased_on AS d, 1 AS one, COUNT(*) AS n FROM purchases GROUP BY 1) SELECT COUNT(*) AS c FROM "
    ana, ben = gateway.token(), gateway.token("ben", "others")
    assert gateway.ask(days + "t", token=ana)[0] == 200
    spent, asked, replies = gateway.spent(), time.monotonic(), []
    # some hundred days to the sixth: more pairs of released rows than any deadline allows
    texts = [
        days + "t" + "".join(f" JOIN t {name} ON {name}.one = t.one" for name in names) for names in ("bcdef", "uvxyz")
    ]
    every = [threading.Thread(target=lambda text=text: replies.append(gateway.ask(text, token=ana))) for text in texts]
    for thread in every:
        thread.start()
    time.sleep(1)
    status, answer = gateway.ask(COUNT.format(0), token=ben)
    assert status == 200, answer
    assert time.monotonic() - asked < 6, "not even one deadline of the other's"
    for thread in every:
        thread.join(timeout=40)
    assert [(status, body["code"]) for status, body in replies] == [(400, "sql_too_complex")] * 2
    assert "Nothing was charged" in replies[0][1]["hint"]
    assert abs(gateway.spent() - spent - answer["privacy"]["rho"]) < 1e-9, "only the other's is charged"
    assert gateway.ask(days + "t", token=ana)[0] == 200, "and counts as no failure"


def test_a_stored_answer_is_given_when_the_grant_is_gone_and_the_data_are_away(own):
    gateway = own()
    token = gateway.token()
    _, paid = gateway.ask(COUNT.format(0), key="paid", token=token)
    policy = gateway.policies / "shop.yaml"
    policy.write_text(policy.read_text().replace("organisation: widgets", "organisation: others"))
    gateway.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: gateway.ask(COUNT.format(1), token=token)[1].get("code") == "unknown_dataset")
    assert gateway.ask(COUNT.format(0), key="paid", token=token) == (200, paid)
    assert gateway.ask(COUNT.format(0), key="paid", token=gateway.token("oli", "others"))[1] != paid


def test_what_the_end_of_the_drain_cuts_short_has_not_failed_and_is_redone_under_its_charge(own):
    gateway = own(GATEWAY_DRAIN_S="0", GATEWAY_LEASE_S="1")
    token = gateway.token()
    began = time.monotonic()
    status, cut = held(gateway, COUNT.format(1), "cut", token, lambda _: gateway.process.terminate())
    assert (status, cut["code"]) == (503, "shutting_down")
    assert "same idempotency key" in cut["hint"]
    assert gateway.stop() == 0
    assert time.monotonic() - began < 20
    assert states(gateway) == ["running"], "charged, and neither answered nor failed"
    gateway.start()
    assert gateway.ask(COUNT.format(1), key="cut", token=token)[0] == 200
    assert abs(gateway.spent() - 0.02) < 1e-9, "one charge"
    assert [e["type"] for e in gateway.events()] == ["gateway.query.charged"]


@pytest.mark.long
def test_a_free_repeat_whose_public_rows_cannot_be_read_is_not_called_charged(own):
    gateway = own()
    token = gateway.token()
    sql = "SELECT COUNT(*) AS n FROM calendar"
    assert gateway.ask(sql, token=token)[0] == 200
    assert gateway.ask(sql, token=token)[1]["privacy"]["stored"]
    gateway.stop()
    gateway.environment["GATEWAY_ENGINE_DEADLINE_S"] = "0"
    gateway.start()
    status, problem = gateway.ask(sql, token=token)
    assert (status, problem["code"]) == (503, "engine_unavailable")
    assert "Nothing was charged" in problem["hint"]
    assert "killed after 0 s" in (gateway.folder / "log").read_text()
    assert gateway.ask("SELECT COUNT(*) AS n FROM purchases", token=token)[1]["code"] == "query_failed"
