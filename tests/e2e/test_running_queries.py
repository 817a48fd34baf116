"""What a provider sees of the work on its data while it runs, over HTTP, and that nobody else sees any of it."""

import json
import threading

from support.gateways import Gateway, eventually, held_up, states
from support.starting import ended

BY_COHORT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort"


def running(gateway, token):
    status, body = gateway.call("GET", "/v1/datasets/shop/running", token=token)
    assert status == 200, body
    return json.loads(body)["queries"]


def typed(gateway, token):
    done = ended(["dataset", "running", "shop", "--url", gateway.url, "--token", token])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_provider_sees_what_runs_and_how_far_its_engine_is(own):
    gateway = own()
    eve, ana = gateway.token("eve", "acme", ("provider",), None), gateway.token()
    gateway.ask("SELECT COUNT(*) AS n FROM customers", token=ana)  # from then on a lease asks no engine
    assert running(gateway, eve) == []
    other, replies = Gateway(gateway.folder), []
    other.start()
    try:
        with held_up(gateway, "engine"):
            asking = threading.Thread(target=lambda: replies.append(gateway.ask(BY_COHORT, token=ana)))
            asking.start()
            assert eventually(lambda: "running" in states(gateway))
            assert eventually(lambda: "engine" in running(gateway, eve)[0])
            (first,), (later,), (elsewhere,) = (running(one, eve) for one in (gateway, gateway, other))
            assert first["buyer"] == "widgets/ana"
            assert not first["abandoned"]
            assert later["engine"]["elapsed_ms"] > first["engine"]["elapsed_ms"] > 0
            assert first["engine"]["memory_bytes"] > 0
            shown = typed(gateway, eve)
            assert f"{first['query_id']}" in shown
            assert "s of processor time" in shown
            assert "engine" not in elsewhere, "the process that works on it tells"
            assert elsewhere["query_id"] == first["query_id"]
            others = (
                ana,
                gateway.token("eve", "others", ("provider",), None),
                gateway.token("sun", "regulator", ("supervisor",), None),
                gateway.token("clerk", "acme", ("billing",), None),
            )
            for token in others:
                status, body = gateway.call("GET", "/v1/datasets/shop/running", token=token)
                assert (status, json.loads(body)["code"]) in {(404, "unknown_dataset"), (403, "forbidden")}
        asking.join(timeout=20)
        assert replies[0][0] == 200
        assert running(gateway, eve) == []
        assert typed(gateway, eve) == "nothing runs\n"
    finally:
        assert other.stop() == 0
