"""Questions that take their time, over HTTP: 202, stages, every format, cancel here and on another replica."""

import io
import json
import threading
import time
import urllib.error
import urllib.request

import pyarrow as pa
import pytest
from support.gateways import POLICY, Gateway, eventually, held_up, releasing_or_none, states

BY_COHORT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort ORDER BY cohort"


def look(gateway, query_id, token, query=""):
    status, body = gateway.call("GET", f"/v1/queries/{query_id}{query}", token=token)
    assert status == 200, body
    return json.loads(body)


def listen(gateway, query_id, token):
    """Return the events of a query as (event, data), once it has ended."""
    asked = urllib.request.Request(f"{gateway.url}/v1/queries/{query_id}/events")
    asked.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(asked, timeout=30) as reply:
        assert reply.headers["Content-Type"] == "text/event-stream"
        blocks = [block.splitlines() for block in reply.read().decode().split("\n\n")]
    return [(b[0].removeprefix("event: "), json.loads(b[1].removeprefix("data: "))) for b in blocks if len(b) == 2]


def test_a_question_goes_on_behind_202_and_is_followed_to_its_end(own):
    gateway = own()
    token, heard = gateway.token(), []
    with held_up(gateway):
        status, running = gateway.ask(BY_COHORT, key="one", token=token, wait_timeout=0)
        assert (status, running["state"]) == (202, "RUNNING")
        query_id = running["query_id"]
        assert eventually(lambda: look(gateway, query_id, token)["stage"] == "release")
        assert look(gateway, query_id, token) == {"query_id": query_id, "state": "RUNNING", "stage": "release"}
        assert gateway.call("GET", f"/v1/queries/{query_id}", token=gateway.token("bob"))[0] == 404
        again, same = gateway.ask(BY_COHORT, key="one", token=token, wait_timeout=0)
        assert (again, same["query_id"]) == (202, query_id), "the same key waits for the same query"
        listener = threading.Thread(target=lambda: heard.extend(listen(gateway, query_id, token)))
        listener.start()
        time.sleep(0.3)
    found = look(gateway, query_id, token, "?wait_timeout=20")
    found = found if found["state"] == "FINISHED" else look(gateway, query_id, token)
    assert found["state"] == "FINISHED"
    listener.join(timeout=20)
    assert heard[0][0] == "stage"
    assert heard[-1] == ("state", {"query_id": query_id, "state": "FINISHED"})
    assert {name for _, data in heard for name in data} <= {"query_id", "state", "stage"}
    assert gateway.ask(BY_COHORT, key="one", token=token) == (200, found["answer"])
    assert listen(gateway, query_id, token) == [heard[-1]]


def test_every_format_has_the_stored_answer(gateway):
    token = gateway.token()
    _, answer = gateway.ask(BY_COHORT, key="formats", token=token)
    rows = answer["rows"]
    for form, media in (("csv", "text/csv"), ("ndjson", "application/x-ndjson")):
        status, named = gateway.call(
            "POST", "/v1/query", {"sql": BY_COHORT, "format": form}, token=token, headers={"Idempotency-Key": "formats"}
        )
        _, accepted = gateway.call(
            "GET", f"/v1/queries/{answer['query_id']}", token=token, headers={"Accept": f"{media}, */*;q=0.1"}
        )
        assert (status, named) == (200, accepted)
    assert named.decode().splitlines() == [json.dumps({"cohort": c, "n": n}) for c, n in rows]
    _, stream = gateway.call("GET", f"/v1/queries/{answer['query_id']}?format=arrow&intervals=true", token=token)
    table = pa.ipc.open_stream(io.BytesIO(stream)).read_all()
    assert table.column_names == ["cohort", "n", "n_low", "n_high"]
    bars = answer["intervals"]["columns"]["n"]
    assert [list(row.values()) for row in table.to_pylist()] == [
        [*row, *bar] for row, bar in zip(rows, bars, strict=True)
    ]
    assert json.loads(table.schema.metadata[b"gateway.answer"])["price"] == answer["price"]
    assert gateway.call("POST", "/v1/query", {"sql": BY_COHORT, "format": "xml"}, token=token)[0] == 400


@pytest.mark.long
def test_the_pace_is_told_in_headers_and_a_rate_that_is_passed_says_when_to_come_back(own):
    limited = POLICY.replace("price_plan: standard}", "price_plan: standard, rate: 1/h}")
    assert limited != POLICY
    gateway = own(limited)
    asked = urllib.request.Request(f"{gateway.url}/v1/query", json.dumps({"sql": BY_COHORT}).encode())
    asked.add_header("Authorization", f"Bearer {gateway.token()}")
    asked.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(asked, timeout=30) as reply:
        assert reply.headers["RateLimit-Policy"] == '"free";q=240;w=60'
        assert reply.headers["RateLimit"].startswith('"free";r=240;t=')
        assert reply.headers["Gateway-Query-Id"] == json.load(reply)["query_id"]
    asked.data = json.dumps({"sql": "SELECT COUNT(*) AS n FROM purchases"}).encode()
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(asked, timeout=30):
        pass
    with caught.value as error:
        assert error.code == 429
        assert error.headers["RateLimit-Policy"] == '"grant";q=1;w=3600'
        assert 3500 < int(error.headers["Retry-After"]) <= 3600


def test_what_is_refused_or_not_ready_in_time_is_told_at_once(own):
    gateway = own()
    token = gateway.token()
    status, refused = gateway.ask("SELECT amount FROM purchases", token=token, wait_timeout=0)
    assert (status, refused["code"]) == (400, "raw_rows")
    with held_up(gateway):
        status, ended = gateway.ask(BY_COHORT, key="one", token=token, wait_timeout=0.5, on_wait_timeout="cancel")
    assert (status, ended["code"]) == (409, "query_cancelled")
    assert states(gateway) == ["cancelled"]


def test_a_cancelled_query_stays_charged_and_is_no_failure(own):
    gateway = own()
    token = gateway.token()
    for key in ("one", "two", "three"):
        with held_up(gateway):
            _, running = gateway.ask(BY_COHORT, key=key, token=token, wait_timeout=0)
            path = f"/v1/queries/{running['query_id']}"
            assert gateway.call("DELETE", path, token=gateway.token("bob"))[0] == 404
            began = time.monotonic()
            status, body = gateway.call("DELETE", path, token=token)
            assert (status, json.loads(body)["state"]) == (200, "CANCELLED")
            assert time.monotonic() - began < 5
        assert eventually(lambda: len(releasing_or_none(gateway)) >= 2)
    assert gateway.ask(BY_COHORT, key="one", token=token)[1]["code"] == "query_cancelled"
    assert abs(gateway.spent() - 0.06) < 1e-9, "each is charged"
    status, _ = gateway.ask(BY_COHORT, key="four", token=token)
    assert status == 200, "and nobody is suspended for it"
    assert json.loads(gateway.call("DELETE", path, token=token)[1])["state"] == "CANCELLED"
    _, listed = gateway.call("GET", "/v1/queries", token=token)
    assert sorted(q["state"] for q in json.loads(listed)["queries"]) == ["CANCELLED"] * 3 + ["FINISHED"]


@pytest.mark.long
def test_a_query_is_seen_and_ended_from_another_replica(own):
    gateway = own()
    token, replies = gateway.token(), []
    other = Gateway(gateway.folder)
    other.start()
    try:
        with held_up(gateway):
            asking = threading.Thread(target=lambda: replies.append(gateway.ask(BY_COHORT, key="one", token=token)))
            asking.start()
            assert eventually(lambda: states(gateway) == ["running"])
            _, listed = other.call("GET", "/v1/queries", token=token)
            (query,) = json.loads(listed)["queries"]
            assert look(other, query["query_id"], token) == {"query_id": query["query_id"], "state": "RUNNING"}
            began = time.monotonic()
            assert other.call("DELETE", f"/v1/queries/{query['query_id']}", token=token)[0] == 200
            asking.join(timeout=20)
            took = time.monotonic() - began
        status, ended = replies[0]
        assert (status, ended["code"]) == (409, "query_cancelled")
        assert took < 10
    finally:
        assert other.stop() == 0
