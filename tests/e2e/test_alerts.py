"""Early warning over HTTP: who is told, who is not, by webhook as well, and that a buyer sees nothing of it."""

import hashlib
import hmac
import json
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from support.gateways import POLICY, Gateway, eventually
from support.starting import ended

ONE_DAY = "SELECT COUNT(*) AS n FROM purchases WHERE purchased_on = DATE '1997-03-03'"
LESS = f"{ONE_DAY} AND quantity <> 7"
SECRET = "a secret of the receiver, long enough"
TWO_BUYERS = POLICY.replace(
    "grants:\n", "grants:\n  - {to: {organisation: harbour}, purposes: [research], price_plan: standard}\n"
)


def tokens(gateway):
    return (
        gateway.token("sun", "regulator", ("supervisor",), None),
        gateway.token("eve", "acme", ("provider",), None),
        gateway.token(),
    )


def alerts(gateway, token, query=""):
    status, body = gateway.call("GET", f"/v1/alerts{query}", token=token)
    assert status == 200, body
    return json.loads(body)


def kinds(gateway, token):
    return [one["kind"] for one in alerts(gateway, token)["alerts"]]


def test_a_difference_is_told_to_provider_and_supervisor_and_seen_by_them(own):
    gateway = own()
    sun, eve, ana = tokens(gateway)
    first, second = (gateway.ask(sql, token=ana)[1]["query_id"] for sql in (ONE_DAY, LESS))
    assert eventually(lambda: kinds(gateway, eve) == ["differencing"])
    (one,) = alerts(gateway, sun)["alerts"]
    assert (one["dataset"], one["subjects"], one["severity"]) == ("shop", ["widgets/ana"], "alarm")
    assert one["figures"]["queries"] == sorted([first, second])
    assert one["seen_by"] is None
    status, body = gateway.call("POST", f"/v1/alerts/{one['alert_id']}/seen", token=eve)
    assert (status, json.loads(body)["seen_by"]) == (200, "acme/eve")
    gateway.call("POST", f"/v1/alerts/{one['alert_id']}/seen", token=sun)
    assert alerts(gateway, sun)["alerts"][0]["seen_by"] == "acme/eve", "who saw it first stays"
    cursor = alerts(gateway, eve)["cursor"]
    assert alerts(gateway, eve, f"?after={cursor}") == {"alerts": [], "cursor": cursor}
    assert [a["alert_id"] for a in alerts(gateway, eve, "?after=1-0&dataset=shop")["alerts"]] == [one["alert_id"]]
    for bad in ("?after=x", "?limit=0", "?limit=1001", "?after=-1"):
        assert gateway.call("GET", f"/v1/alerts{bad}", token=sun)[0] == 400
    assert gateway.call("GET", "/v1/alerts?dataset=barn", token=eve)[0] == 404
    assert gateway.call("POST", f"/v1/alerts/{'0' * 32}/seen", token=eve)[0] == 404


def test_nobody_else_is_told(own):
    gateway = own()
    for sql in (ONE_DAY, LESS):
        gateway.ask(sql)
    assert eventually(lambda: kinds(gateway, tokens(gateway)[0]) == ["differencing"])
    (one,) = alerts(gateway, tokens(gateway)[0])["alerts"]
    others = (
        gateway.token(),
        gateway.token("clerk", "acme", ("billing",), None),
        gateway.token("rae", "review", ("reviewer", "arbiter"), None),
        gateway.token("eve", "others", ("provider",), None),
    )
    for token in others:
        assert gateway.call("GET", "/v1/alerts", token=token)[0] == 403
        assert gateway.call("POST", f"/v1/alerts/{one['alert_id']}/seen", token=token)[0] == 403


WARNED = {"differencing", "budget", "averaging"}
ASKED = (
    ONE_DAY,
    LESS,
    "SELECT COUNT(*) AS n FROM purchases",
    "SELECT COUNT(*) AS n FROM purchases WHERE quantity < 51",
)


def heard(gateway, sqls):
    """Return all that a buyer hears of some questions: statuses, headers and bodies, and what it may read afterwards."""
    found = []
    for number, sql in enumerate(sqls):
        request = {"sql": sql}
        key = {"Idempotency-Key": f"k{number}"}
        found.append(gateway.call("POST", "/v1/query", request, headers=key))
    found += [gateway.call("GET", path) for path in ("/v1/budget", "/v1/log/checkpoint", "/v1/datasets/shop")]
    return found


def shape(replies):
    """Return replies without what noise, names and times make of them."""
    shaped = []
    for status, body in replies:
        text = body.decode()
        if text.startswith("{"):
            document = json.loads(text)
            document = {
                name: value for name, value in document.items() if name not in ("query_id", "rows", "intervals")
            }
            if document.get("receipt"):
                document["receipt"] = {"log_index": document["receipt"]["log_index"]}
            if "versions" in document:
                document["versions"] = sorted(document["versions"])
            text = json.dumps(document, sort_keys=True)
        else:
            text = text.splitlines()[1]  # a checkpoint: how many leaves the log has
        shaped.append((status, text))
    return shaped


def test_a_buyer_hears_the_same_whether_or_not_it_was_warned_of(tmp_path):
    """One gateway's policy warns of nothing, the other's of everything: indices of the log, too, are the same."""
    silent = (
        "alerts: {differencing: {units: 0, share: 0.0000001, times: 1000}, averaging: {draws: 1000}, budget: [1]}\n"
    )
    loud = "alerts: {differencing: {units: 1000000, share: 1, times: 2}, averaging: {draws: 2}, budget: [0.0001]}\n"
    found = []
    for alerting in (silent, loud):
        gateway = Gateway(tmp_path / str(len(found)), POLICY + alerting)
        gateway.make_data()
        gateway.start()
        try:
            first = heard(gateway, ASKED)
            sun = tokens(gateway)[0]
            if alerting is loud:
                assert eventually(lambda held=gateway, by=sun: set(kinds(held, by)) >= WARNED)
            again = heard(gateway, [*ASKED, "SELECT MAX(quantity) AS m FROM purchases"])
            assert alerting is loud or kinds(gateway, sun) == []
        finally:
            gateway.stop()
        found.append(shape(first + again))
    assert found[0] == found[1]


@pytest.mark.long
def test_what_two_organisations_ask_together_and_a_spent_budget(own):
    gateway = own(TWO_BUYERS.replace("{epsilon: 50,", "{epsilon: 2,").replace("max_epsilon: 2", "max_epsilon: 0.3"))
    sun = tokens(gateway)[0]
    assert gateway.ask(ONE_DAY, token=gateway.token("ana", "widgets"))[0] == 200
    assert gateway.ask(LESS, token=gateway.token("mira", "harbour"), epsilon=0.3)[0] == 200
    assert eventually(lambda: {"differencing", "budget"} <= set(kinds(gateway, sun)))
    by_kind = {one["kind"]: one for one in alerts(gateway, sun)["alerts"]}
    assert by_kind["differencing"]["subjects"] == ["harbour/mira", "widgets/ana"]
    assert by_kind["budget"]["figures"]["account"].startswith("data/")
    _, body = gateway.call("GET", "/v1/budget")
    rho = json.loads(body)["datasets"][0]["levels"][0]["rho"]
    assert by_kind["budget"]["figures"]["spent"] == pytest.approx(rho["spent"] / rho["limit"], rel=1e-3)
    passed = max(share for share in (0.5, 0.8, 0.95) if rho["spent"] >= share * rho["limit"])
    assert by_kind["budget"]["figures"]["passed"] == passed


@pytest.mark.long
def test_refusals_failures_and_a_shut_dataset(own):
    gateway = own(POLICY + "alerts: {refusals: {count: 5, minutes: 60}}\n")
    sun, eve, ana = tokens(gateway)
    for _ in range(5):
        assert gateway.ask("SELECT basket FROM purchases", token=ana)[0] in (400, 403)
    assert eventually(lambda: kinds(gateway, eve) == ["refusals"])
    gateway.stop()
    gateway.data.rename(gateway.folder / "away.duckdb")
    gateway.start()
    assert eventually(lambda: kinds(gateway, sun) == ["engine", "refusals"])
    assert alerts(gateway, sun)["alerts"][0]["subjects"] == []


@pytest.mark.long
def test_two_replicas_raise_an_alert_once_and_one_takes_over(own):
    gateway = own()
    sun, _, ana = tokens(gateway)
    other = Gateway(gateway.folder)
    other.start()
    try:
        for sql, asked in ((ONE_DAY, gateway), (LESS, other)):
            assert asked.ask(sql, token=ana)[0] == 200
        assert eventually(lambda: kinds(other, sun) == ["differencing"])
        gateway.kill()
        more = f"{ONE_DAY} AND quantity BETWEEN 3 AND 40"
        assert other.ask(more, token=other.token("bob"))[0] == 200
        assert other.ask(f"{more} AND quantity <> 9", token=other.token("bob"))[0] == 200
        assert eventually(lambda: sorted(kinds(other, sun)) == ["differencing"] * 2, 40), "the lease of the dead ends"
    finally:
        other.stop()
        gateway.start()


def test_what_is_observed_holds_no_literal(own):
    gateway = own()
    gateway.ask("SELECT COUNT(*) AS n FROM purchases WHERE basket <> 'a basket of secrets' AND quantity < 4711")
    with sqlite3.connect(gateway.state / "gateway.sqlite3") as connection:
        rows = connection.execute("SELECT dataset, buyer, sealed FROM observations").fetchall()
    assert [row[:2] for row in rows] == [("shop", "widgets/ana")]
    for secret in (b"secrets", b"4711", b"purchases"):
        assert secret not in rows[0][2]


class Receiver:
    """Takes signed batches, after refusing the first."""

    def __init__(self):
        self.taken, taken = [], []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seconds, code = (part.partition("=")[2] for part in self.headers["Gateway-Signature"].split(","))
                right = hmac.new(SECRET.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
                taken.append(hmac.compare_digest(code, right))
                self.send_response(503 if len(taken) == 1 else 204)
                self.end_headers()
                if len(taken) > 1:
                    receiver.taken += json.loads(body)

            def log_message(self, *_):
                pass

        self.signed = taken
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/alerts"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def test_a_webhook_is_told_and_told_again_until_it_takes_it(own):
    receiver = Receiver()
    try:
        gateway = own(GATEWAY_ALERT_WEBHOOK=receiver.url, GATEWAY_ALERT_SECRET=SECRET)
        for sql in (ONE_DAY, LESS):
            gateway.ask(sql)
        assert eventually(lambda: len(receiver.taken) == 1, 30)
        (event,) = receiver.taken
        (one,) = alerts(gateway, tokens(gateway)[0])["alerts"]
        assert (event["type"], event["id"]) == ("gateway.alert.raised", one["alert_id"])
        assert event["data"]["words"] == one["words"]
        assert all(receiver.signed)
        assert len(receiver.signed) >= 2
    finally:
        receiver.stop()


def command(gateway, *arguments):
    return ended(arguments, folder=gateway.folder)


@pytest.mark.long
def test_the_command_lists_alerts_and_notes_that_one_was_seen(own):
    gateway = own()
    sun, _, ana = tokens(gateway)
    for sql in (ONE_DAY, LESS):
        gateway.ask(sql, token=ana)
    assert eventually(lambda: kinds(gateway, sun) == ["differencing"])
    (one,) = alerts(gateway, sun)["alerts"]
    listed = command(gateway, "alerts", "--token", sun, "--url", gateway.url, "--dataset", "shop", "--json")
    assert json.loads(listed.stdout)["alerts"] == [one]
    seen = command(gateway, "alerts", "--token", sun, "--url", gateway.url, "--seen", one["alert_id"])
    assert (seen.returncode, seen.stdout.strip()) == (0, "seen by regulator/sun")
    assert command(gateway, "alerts", "--token", ana, "--url", gateway.url).returncode == 3
