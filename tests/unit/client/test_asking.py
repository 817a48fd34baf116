"""How a question is asked: tried again, followed, cancelled, and checked; every reply played by hand."""

import json
from decimal import Decimal

import pytest
from support.clients import SQL, InPause, Played, Told, document, problem, reply

from gateway.client.asking import (
    LOOKS,
    Manners,
    Stopped,
    answered,
    cancelled,
    fetched,
    modelled,
    question,
    quoted,
)
from gateway.client.errors import (
    BadReply,
    BudgetExhausted,
    GatewayError,
    QueryCancelled,
    QueryFailed,
    RateLimited,
    ReceiptError,
    Refused,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from gateway.client.kept import Kept
from gateway.client.retries import Retries
from gateway.client.wire import Lost

ASKED = question(SQL, epsilon=0.2, dataset="shop")
BODY = json.dumps(document()).encode()


def manners(**known):
    return Manners(Kept(), **known)


def asked(*script, verify=False, key="key", given=None):
    return Played(answered(ASKED, key, given or manners(), verify=verify), *script)


def test_a_question_is_sent_with_what_was_given_and_a_key():
    done = asked(reply(200, BODY))
    (call,) = done.calls
    assert (call.method, call.path, call.headers["Idempotency-Key"]) == ("POST", "/v1/query", "key")
    assert json.loads(call.body) == {
        "sql": SQL, "epsilon": 0.2, "dataset": "shop", "wait_timeout": 1, "on_wait_timeout": "continue"
    }  # fmt: skip
    assert (done.result.body, done.result.receipt) == (BODY, None)


def test_an_epsilon_that_json_would_change_is_not_sent():
    assert question(SQL, epsilon=Decimal("0.1")).body["epsilon"] == 0.1
    with pytest.raises(ValueError, match="more digits"):
        question(SQL, epsilon=Decimal("0.12345678901234567890"))


@pytest.mark.parametrize(
    "trouble",
    [Lost("gone"), reply(502, b"<html>"), reply(503, b""), reply(504, b"x"), problem(503, "shutting_down"),
     problem(503, "overloaded"), problem(429, "too_many_running")],
)  # fmt: skip
def test_what_passes_is_tried_again_under_the_same_key(trouble):
    done = asked(trouble, trouble, reply(200, BODY))
    assert {call.headers["Idempotency-Key"] for call in done.calls} == {"key"}
    assert len({call.body for call in done.calls}) == 1
    assert 0.25 <= done.pauses[0] <= 0.5 <= done.pauses[1] <= 1.0


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [(problem(400, "raw_rows"), Refused), (problem(403, "budget_exhausted"), BudgetExhausted),
     (problem(403, "spending_capped"), BudgetExhausted), (problem(401, "unauthenticated"), Unauthenticated),
     (problem(500, "query_failed"), QueryFailed), (problem(409, "query_cancelled"), QueryCancelled),
     (problem(500, "internal"), GatewayError), (problem(503, "dataset_suspended"), Unavailable),
     (problem(503, "refresh_needed"), Unavailable), (problem(503, "store_fenced"), Unavailable),
     (problem(418, "of_a_newer_gateway"), Refused), (reply(307, b"", location="/x"), BadReply), (reply(404, b"<html>"), BadReply), (reply(401, b""), Unauthenticated), (reply(500, b""), GatewayError),
     (reply(200, b"<html>"), BadReply), (reply(200, b"{}"), BadReply), (reply(202, {}), BadReply)],
)  # fmt: skip
def test_what_does_not_pass_is_not_tried_again(trouble, kind):
    with pytest.raises(GatewayError) as caught:
        asked(trouble)
    assert type(caught.value) is kind
    assert (caught.value.sql, caught.value.idempotency_key) == (SQL, "key")


def test_tries_are_bounded_and_the_last_error_is_raised():
    given = manners(retries=Retries(times=2, first_s=0.01))
    with pytest.raises(Unreachable, match="gone"):
        asked(*[Lost("gone")] * 3, given=given)
    with pytest.raises(Unavailable, match="HTTP status 502"):
        asked(*[reply(502, b"")] * 3, given=given)


def test_retry_after_is_waited_for_unless_it_is_too_long():
    assert asked(problem(429, "rate_limited", x=1), reply(200, BODY)).pauses[0] < 1
    limited = reply(429, {"code": "rate_limited", "title": "t"}, retry_after="7")
    assert asked(limited, reply(200, BODY)).pauses == [7.0]
    with pytest.raises(RateLimited) as caught:
        asked(limited, given=manners(retries=Retries(most_s=6)))
    assert caught.value.retry_after_s == 7
    dated = reply(429, {"code": "rate_limited", "title": "t"}, retry_after="Thu, 26 Nov 2026 20:00:00 GMT")
    assert asked(dated, reply(200, BODY)).pauses[0] < 1


@pytest.mark.parametrize("bad", [{"times": -1}, {"first_s": -1}, {"first_s": 9, "most_s": 1}])
def test_retries_that_make_no_sense(bad):
    with pytest.raises(ValueError, match="retries need"):
        Retries(**bad)


RUNNING = reply(202, {"state": "RUNNING", "stage": "plan"}, gateway_query_id="Q1")


def look(state="RUNNING", stage=None):
    return reply(200, {"query_id": "Q1", "state": state, **({"stage": stage} if stage else {})})


def test_a_question_that_takes_its_time_is_followed_and_fetched_with_its_key():
    done = asked(RUNNING, look(stage="execute"), look(stage="execute"), look(), look("FINISHED"), reply(200, BODY))
    assert done.stages == ["plan", "execute"]
    assert [(call.method, call.path) for call in done.calls] == [
        ("POST", "/v1/query"), *[("GET", "/v1/queries/Q1?wait_timeout=1")] * 4, ("POST", "/v1/query")
    ]  # fmt: skip
    assert done.calls[0] == done.calls[-1]
    assert done.pauses == [0.5], "a look that another process answers does not wait by itself"


def test_a_question_that_goes_on_for_long_is_asked_again_now_and_then():
    looks = [look(stage="execute")] * LOOKS
    done = asked(RUNNING, *looks, RUNNING, look("FINISHED"), reply(200, BODY))
    assert [call.method for call in done.calls].count("POST") == 3


def test_a_question_that_fails_on_its_way_fails():
    with pytest.raises(QueryFailed):
        asked(RUNNING, look("FAILED"), problem(500, "query_failed"))


def test_a_question_that_was_cancelled_says_what_stays_charged():
    told = Told()
    told.answers_one()
    with pytest.raises(QueryCancelled) as caught:
        asked(RUNNING, look("CANCELLED"), problem(409, "query_cancelled"), reply(200, told.receipt()))
    assert (caught.value.charged.rho, caught.value.charged.amount) == (Decimal("0.02"), Decimal("4.50"))


def stopped(*script):
    with pytest.raises(Stopped) as caught:
        asked(*script)
    return caught.value.told


def test_an_interrupt_cancels_the_question_and_tells_the_charge():
    told = Told()
    told.answers_one()
    receipt = reply(200, told.receipt())
    words = stopped(RUNNING, Stopped(), look("CANCELLED"), receipt)
    assert words == "Query Q1 is cancelled. It stays charged: rho 0.02, delta 0, 4.50 CNY."
    assert stopped(Stopped(), RUNNING, look("CANCELLED"), receipt) == words, "and where its id was not known yet"
    assert stopped(RUNNING, Stopped(), look("CANCELLED"), problem(404, "not_found")) == (
        "Query Q1 is cancelled. What was charged stays."
    )


def test_an_interrupt_that_comes_too_late_or_is_not_heard_says_so_and_names_the_key():
    told = Told()
    told.answers_one()
    for words, *script in (
        ("was FINISHED before it could be cancelled", RUNNING, Stopped(), look("FINISHED"), reply(200, told.receipt())),
        ("was answered before", Stopped(), reply(200, BODY)),
        ("was not cancelled (unreachable: gone)", RUNNING, Stopped(), Lost("gone")),
        ("was not cancelled (raw_rows: what)", Stopped(), problem(400, "raw_rows")),
        ("was not cancelled: if the gateway has it", Lost("gone"), InPause(Stopped())),
    ):
        found = stopped(*script)
        assert words in found
        assert "idempotency_key='key'" in found


def test_an_interrupt_while_the_receipt_is_fetched_says_that_the_answer_is_paid():
    with pytest.raises(Stopped) as caught:
        asked(reply(200, BODY), Stopped(), verify=True)
    assert "stays charged" in caught.value.told


MODEL = json.dumps({"query_id": "Q1", "kind": "covariance", "clear": True, "privacy": {}, "price": {}}).encode()


def modelled_by(*script):
    return Played(modelled({"kind": "covariance", "from": "t", "target": None}, "key", manners()), *script)


def test_a_model_that_takes_its_time_is_followed_and_fetched_with_its_key():
    done = modelled_by(RUNNING, look(stage="execute"), look("FINISHED"), reply(200, MODEL))
    assert done.stages == ["plan", "execute"]
    assert [(call.method, call.path) for call in done.calls] == [
        ("POST", "/v1/models"), *[("GET", "/v1/queries/Q1?wait_timeout=1")] * 2, ("POST", "/v1/models")
    ]  # fmt: skip
    assert json.loads(done.calls[0].body) == {
        "kind": "covariance", "from": "t", "wait_timeout": 1, "on_wait_timeout": "continue"
    }  # fmt: skip
    assert done.calls[0] == done.calls[-1]
    assert done.result == json.loads(MODEL)


def test_an_interrupt_cancels_a_model_and_tells_the_charge():
    told = Told()
    told.answers_one()
    with pytest.raises(Stopped) as caught:
        modelled_by(RUNNING, Stopped(), look("CANCELLED"), reply(200, told.receipt()))
    assert caught.value.told == "Query Q1 is cancelled. It stays charged: rho 0.02, delta 0, 4.50 CNY."


def test_cancelling_by_id():
    done = Played(cancelled("Q 1/x", manners()), look("CANCELLED"), problem(404, "not_found"))
    assert (done.calls[0].method, done.calls[0].path) == ("DELETE", "/v1/queries/Q%201%2Fx")
    assert (done.result.state, done.result.charged) == ("CANCELLED", None)


def test_quotes_and_documents():
    assert Played(quoted(ASKED, manners()), reply(200, {"state": "QUOTED"})).result == {"state": "QUOTED"}
    with pytest.raises(Refused) as caught:
        Played(quoted(ASKED, manners()), problem(400, "raw_rows"))
    assert caught.value.sql == SQL
    with pytest.raises(BadReply):
        Played(fetched("/v1/budget", manners()), reply(200, b"[]"))


def test_receipts_are_asked_for_from_the_checkpoint_seen_before():
    told, given = Told(), manners()
    body = told.answers_one()
    first = asked(reply(200, body), reply(200, told.receipt()), verify=True, given=given)
    assert first.calls[1].path == "/v1/queries/Q1/receipt"
    assert (first.result.receipt.since, first.result.receipt.first_use) == (None, True)
    body = told.answers_one("Q2")
    second = asked(reply(200, body), reply(200, told.receipt("Q2", since=3)), verify=True, given=given)
    assert second.calls[1].path == "/v1/queries/Q2/receipt?since=3"
    assert (second.result.receipt.since, second.result.receipt.first_use) == (3, False)


def test_a_receipt_is_asked_for_again_where_another_was_kept_meanwhile():
    told, given = Told(), manners()
    body = told.answers_one()

    def overtaken(_):
        late, other = told.receipt(), told.answers_one("Q2")
        asked(reply(200, other), reply(200, told.receipt("Q2")), verify=True, given=given)
        return reply(200, late)

    done = asked(reply(200, body), overtaken, lambda _: reply(200, told.receipt(since=5)), verify=True, given=given)
    assert [call.path for call in done.calls[1:]] == ["/v1/queries/Q1/receipt", "/v1/queries/Q1/receipt?since=5"]
    assert done.result.receipt.since == 5


@pytest.mark.parametrize(
    ("trouble", "words"),
    [(problem(400, "bad_request"), "no longer the one of 3 leaves"), (problem(404, "not_found"), "gives none"),
     (reply(200, b"{}"), "does not have the members"), (reply(200, b"["), "not one JSON object")],
)  # fmt: skip
def test_an_answer_without_its_receipt_is_not_taken(trouble, words):
    told, given = Told(), manners()
    asked(reply(200, told.answers_one()), reply(200, told.receipt()), verify=True, given=given)
    body = told.answers_one("Q2")
    with pytest.raises(ReceiptError, match=words) as caught:
        asked(reply(200, body), trouble, verify=True, given=given)
    assert (caught.value.answer, caught.value.idempotency_key) == (body, "key")
