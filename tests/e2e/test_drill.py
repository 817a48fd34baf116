"""The drill of a freeze over HTTP: its own target, what it reports, and whom it never freezes."""

import json
import socket
import sqlite3

import pytest
from support.gateways import POLICY, held_up, states
from support.starting import ended

DRILLED = POLICY.replace(
    "grants:\n", "grants:\n  - {to: {organisation: drill}, purposes: [research], price_plan: standard}\n"
)
BY_COHORT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort"


def supervisor(gateway):
    return gateway.token("sun", "regulator", ("supervisor",), None)


def command(gateway, *arguments):
    return ended(arguments, folder=gateway.folder)


def test_a_drill_freezes_its_own_target_measures_and_lifts_it(own):
    gateway = own(DRILLED)
    sun = supervisor(gateway)
    drilling = ("drill", "--token", sun, "--gateway", gateway.url, "--sql", BY_COHORT, "--within-ms", "20000")
    out = gateway.folder / "report.json"
    mine = ("--buyer-token", gateway.token("one", "drill"))
    done = command(gateway, *drilling, *mine, "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report == json.loads(done.stdout)
    assert [one["gateway"] for one in report["replicas"]] == [gateway.url]
    assert 0 < report["replicas"][0]["refused_after_ms"] < 20_000
    assert report["target"] == {"scope": "organisation", "organisation": "drill"}
    _, held = gateway.call("GET", "/v1/freezes", token=sun)
    assert json.loads(held) == {"freezes": []}
    assert gateway.ask(BY_COHORT, token=gateway.token("one", "drill"))[0] == 200
    assert "The freeze held everywhere" in command(gateway, *drilling, *mine).stdout
    too_slow = command(gateway, *drilling[:-1], "1", *mine)
    assert too_slow.returncode == 1


@pytest.mark.parametrize("more", [(), pytest.param(("--dataset", "shop"), marks=pytest.mark.long)])
def test_a_drill_freezes_nobody_real_by_mistake(own, more):
    gateway = own(DRILLED)
    sun, ana = supervisor(gateway), gateway.token()
    done = command(
        gateway, "drill", "--token", sun, "--gateway", gateway.url, "--sql", BY_COHORT, "--buyer-token", ana, *more
    )
    assert done.returncode == 2
    with sqlite3.connect(gateway.state / "gateway.sqlite3") as connection:
        leaves = [json.loads(leaf)["kind"] for (leaf,) in connection.execute("SELECT leaf FROM log_leaves")]
    assert "frozen" not in leaves


def test_a_drill_of_a_replica_that_is_away_freezes_nothing(own):
    gateway = own(DRILLED)
    sun = supervisor(gateway)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{held.getsockname()[1]}"
        mine = ("--buyer-token", gateway.token("one", "drill"), "--sql", BY_COHORT)
        done = command(gateway, "drill", "--token", sun, "--gateway", gateway.url, "--gateway", away, *mine)
    assert done.returncode == 5
    _, listed = gateway.call("GET", "/v1/freezes", token=sun)
    assert json.loads(listed) == {"freezes": []}


def test_a_drill_tells_when_what_ran_had_ended(own):
    gateway = own(DRILLED)
    numbered = "SELECT cohort, COUNT(*) AS n FROM customers WHERE cohort <> '{n}' GROUP BY cohort"
    drilling = ("drill", "--token", supervisor(gateway), "--gateway", gateway.url, "--sql", numbered, "--json")
    drilling = (*drilling, "--buyer-token", gateway.token("one", "drill"), "--within-ms", "20000")
    assert command(gateway, *drilling).returncode == 0, "pays for what is fetched until it is refused"
    with held_up(gateway):
        done = command(gateway, *drilling, "--running", "2", "--settle", "8")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["queries_stopped"], report["running"]["ended_by_the_freeze"]) == (2, 2)
    assert 0 < report["running"]["p99_ms"] == report["running"]["slowest_ms"] < 20_000
    assert states(gateway) == ["finished", "stopped", "stopped"]
