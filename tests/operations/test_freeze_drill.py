"""The drill with a hundred queries running on two replicas of one PostgreSQL store: refused and ended within a second.

What it prints is the figure that docs/guides/supervisor.md tells (`pytest -s`).
"""

import json
import math

import pytest
from support.gateways import POLICY, Gateway, eventually, held_up
from support.stores import database

from gateway.cli.drilling import Drill, drilled

RUNNING, ROUNDS, BUYERS = 100, 3, 10
DRILLED = POLICY.replace(
    "grants:\n", "grants:\n  - {to: {organisation: drill}, purposes: [research], price_plan: standard, at_once: 1000}\n"
).replace("{epsilon: 50,", "{epsilon: 1000000,")
SQL = "SELECT cohort, COUNT(*) AS n FROM customers WHERE cohort <> '{n}' GROUP BY cohort"


@pytest.fixture
def replicas(tmp_path):
    first = Gateway(
        tmp_path,
        DRILLED,
        GATEWAY_STORE_URL=database(),
        GATEWAY_ENGINES=str(RUNNING // 2 + 4),
        GATEWAY_WAIT_S="300",
        GATEWAY_LEASE_S="60",
        GATEWAY_FREE_PER_MINUTE="100000",
    )
    first.make_data()
    first.start()
    second = Gateway(tmp_path, DRILLED, **first.environment)
    second.start()
    yield first, second
    for one in (first, second):
        one.stop()


def share(values, part):
    ordered = sorted(values)
    return ordered[math.ceil(part * len(ordered)) - 1]


@pytest.mark.long
def test_a_freeze_holds_within_a_second_while_a_hundred_queries_run(replicas):
    first, second = replicas
    askers = tuple(first.token(f"buyer-{number}", "drill") for number in range(BUYERS))
    sun = first.token("sun", "regulator", ("supervisor",), None)
    refused, ended = [], []
    target = {"scope": "organisation", "organisation": "drill"}
    drilled(Drill("first", (first.url, second.url), sun, askers, target, SQL, 0, 0))  # pays for what is fetched
    for number in range(ROUNDS):
        drill = Drill(f"round-{number}", (first.url, second.url), sun, askers, target, SQL, RUNNING, 45.0)
        with held_up(first), held_up(second):
            report = drilled(drill)
        print(json.dumps(report.document()))
        assert report.stopped == RUNNING, "all of them ran when they were frozen"
        assert report.others == 0
        refused += [ms for _, ms in report.refused]
        ended += report.ended
        assert eventually(lambda: json.loads(first.call("GET", "/v1/freezes", token=sun)[1]) == {"freezes": []})
    assert len(ended) == ROUNDS * RUNNING
    figures = {"refused_max_ms": max(refused), "ended_p50_ms": share(ended, 0.5), "ended_p99_ms": share(ended, 0.99)}
    print(json.dumps(figures))
    assert max(refused) < 1000
    assert share(ended, 0.99) < 1000
