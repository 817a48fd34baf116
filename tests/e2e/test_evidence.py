"""The log as its members have it: receipts, tiles, witnesses, bundles and filings of a real gateway, and its undoing."""

import json
import shutil
import subprocess
import sys
import zipfile

import pytest
from support.gateways import POLICY
from support.starting import ended
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.evidence.offline.bundles import verify_bundle
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.trust import Trust

COUNT = "SELECT COUNT(*) AS n FROM purchases WHERE quantity > 1"


def command(*words, code=0):
    """Run a command of the gateway; return what it printed, or what it complained of."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, (words, done.stdout, done.stderr, done.exception)
    return done.stdout if code == 0 else done.stderr


def clerk(gateway, *roles):
    return gateway.token("clerk", "acme", roles or ("supervisor",), None)


def get(gateway, path, *roles):
    status, body = gateway.call("GET", path, token=clerk(gateway, *roles))
    assert status == 200, body
    return body


def public_key(gateway):
    _, answer = gateway.ask(COUNT)
    return json.loads(gateway.call("GET", f"/v1/queries/{answer['query_id']}/receipt")[1])["public_key"]


def test_a_buyer_checks_sql_answer_and_receipt_without_the_gateway(gateway, tmp_path):
    sql, (receipt, asked, answer) = f"{COUNT} + 1", (tmp_path / n for n in ("receipt.json", "asked.sql", "answer.json"))
    status, body = gateway.call("POST", "/v1/query", {"sql": sql})
    assert status == 200
    query_id = json.loads(body)["query_id"]
    receipt.write_bytes(gateway.call("GET", f"/v1/queries/{query_id}/receipt")[1])
    asked.write_text(sql)
    answer.write_bytes(body)
    key = public_key(gateway)
    said = command("evidence", "verify", receipt, "--key", key, "--sql", asked, "--answer", answer)
    assert "the SQL is the one committed to\nthe answer is the one committed to" in said
    answer.write_bytes(body.replace(b'"FINISHED"', b'"FINISHeD"'))
    assert "another answer" in command("evidence", "verify", receipt, "--key", key, "--answer", answer, code=1)
    assert "verify" in command("evidence", "verify", receipt, "--key", "00" * 32, code=1)
    kept = tmp_path / "kept"
    kept.write_text(json.loads(receipt.read_bytes())["checkpoint"])
    gateway.ask(f"{COUNT} + 2")
    here = ("--url", gateway.url, "--token", gateway.token(), "--public-key", key)
    assert "you kept" in command("receipt", query_id, "--since", kept, *here)
    for bad in ("0", "-1", "x", "1" * 19, "9" * 18):
        status, body = gateway.call("GET", f"/v1/queries/{query_id}/receipt?since={bad}")
        assert (status, json.loads(body)["code"]) == (400, "bad_request")
    held = json.loads(get(gateway, f"/v1/queries/{query_id}/receipt", "arbiter"))
    assert "salt" not in held, "for its owner alone"
    alone = subprocess.run(
        [sys.executable, "-m", "gateway.evidence.offline", receipt, "--key", key], capture_output=True, text=True
    )
    assert (alone.returncode, alone.stdout.splitlines()[0]) == (0, said.splitlines()[0])


def test_the_offline_verifier_loads_nothing_else_of_the_gateway():
    script = (
        "import sys, gateway.evidence.offline.check, gateway.evidence.offline.__main__\n"
        "print([n for n in sys.modules if n.startswith('gateway') and not n.startswith('gateway.evidence.offline')])\n"
        "print([n for n in ('sqlalchemy', 'aiohttp', 'pydantic', 'duckdb', 'jwt', 'typer') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['gateway', 'gateway.evidence']", "[]"]


def test_tiles_are_for_those_who_watch_and_never_change(gateway, tmp_path):
    key = public_key(gateway)
    size = int(get(gateway, "/v1/log/checkpoint").decode().splitlines()[1])
    assert 0 < size < 256
    for roles, organisation, expected in (
        (("supervisor",), "elsewhere", 200),
        (("arbiter",), "elsewhere", 200),
        (("billing",), "elsewhere", 200),
        (("provider",), "acme", 200),
        (("provider",), "elsewhere", 403),
        (("buyer",), "widgets", 403),
        (("reviewer",), "acme", 403),
    ):
        token = gateway.token("eve", organisation, roles, None)
        for path in ("0", "entries"):
            assert gateway.call("GET", f"/v1/log/tile/{path}/000.p/{size}", token=token)[0] == expected, roles
    assert gateway.call("GET", f"/v1/log/tile/0/000.p/{size}", token="x.y.z")[0] == 401
    for path in ("0/000", "0/000.p/255", "1/000.p/1", "0/001.p/1", "0/0", "0/x000/000.p/1", "64/000.p/1", "0/000.p/0",
                 "0/000.p/01", "data/000.p/1", "0/000.p/1/", "0/999.p/1", "63/x999/x999/x999/x999/x999/999.p/1"):  # fmt: skip
        status, body = gateway.call("GET", f"/v1/log/tile/{path}", token=clerk(gateway))
        assert (status, json.loads(body)["code"]) == (404, "not_found"), path
    out = tmp_path / "log"
    command("evidence", "fetch", "--url", gateway.url, "--token", clerk(gateway), "--out", out)
    assert "the log verifies: gateway" in command("evidence", "verify", out, "--key", key)
    assert "no key of the log is known" in command("evidence", "verify", out, code=1)
    kept = tmp_path / "kept"
    shutil.copy(out / "checkpoint", kept)
    gateway.ask(f"{COUNT} + 2")
    command("evidence", "fetch", "--url", gateway.url, "--token", clerk(gateway), "--out", out)
    assert "it extends the earlier checkpoint" in command("evidence", "verify", out, "--key", key, "--since", kept)


def test_immutable_tiles_say_so_and_checkpoints_do_not(gateway):
    import urllib.request

    gateway.ask(COUNT)
    for path, expected in (("tile/0/000.p/1", "private, max-age=31536000, immutable"), ("checkpoint", "no-store")):
        request = urllib.request.Request(f"{gateway.url}/v1/log/{path}")
        request.add_header("Authorization", f"Bearer {clerk(gateway)}")
        with urllib.request.urlopen(request) as reply:
            assert reply.headers["Cache-Control"] == expected
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
    with urllib.request.urlopen(f"{gateway.url}/v1/log/checkpoint") as reply:  # open to everyone
        assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.fixture
def witness(tmp_path):
    """Return (key file, the witness's public key) of a witness that a gateway is told of before it starts."""
    path = tmp_path / "witness.key"
    return path, command("witness", "--key", path, "--new-key", "w.example/1").strip()


class Watch:
    """A witness of a gateway."""

    def __init__(self, gateway, key_file, folder):
        self.gateway, self.key_file, self.folder = gateway, key_file, folder

    def __call__(self, *words, code=0):
        caller = ("--log", self.gateway.url, "--token", clerk(self.gateway))
        own = ("--key", self.key_file, "--state", self.folder)
        return " ".join(command("witness", *caller, *own, "--once", *words, code=code).split())

    def size(self):
        return int(get(self.gateway, "/v1/log/checkpoint").decode().splitlines()[1])

    def sees_growth(self, from_):
        assert f"at {self.size()} leaves, extends {from_}" in self()
        return self.size()


@pytest.mark.long
def test_a_witness_follows_the_log_and_its_keys(own, witness, tmp_path, monkeypatch):
    path, word = witness
    monkeypatch.setenv("GATEWAY_WITNESSES", word)  # the operator's commands are set as the gateway is
    gateway = own(GATEWAY_WITNESSES=word)
    key, watch = public_key(gateway), Watch(gateway, path, tmp_path / "w")
    assert "name it once" in watch(code=1)
    first = watch.size()
    assert f"co-signed gateway at {first} leaves, the first" in watch("--log-key", key)
    assert "w.example/1" in get(gateway, "/v1/log/checkpoint").decode()
    assert watch.sees_growth(first) == first, "nothing new is seen again"
    # receipts of what it saw carry its signature, also when the log has grown further
    _, answer = gateway.ask(f"{COUNT} + 3")
    second = watch.sees_growth(first)
    assert second > first
    gateway.ask(f"{COUNT} + 4")
    receipt = tmp_path / "receipt.json"
    receipt.write_bytes(gateway.call("GET", f"/v1/queries/{answer['query_id']}/receipt")[1])
    assert "cosigned by w.example/1" in command("evidence", "verify", receipt, "--key", key, "--witness", word)
    assert get(gateway, "/v1/log/checkpoint/witnessed").decode().splitlines()[1] == str(second)
    # the log's key is replaced while the gateway runs
    state = ("--state", gateway.state)
    replacing = command("evidence", "rotate-key", *state).split()[0]
    third = watch.sees_growth(second)
    command("evidence", "rotate-key", "--retire", *state)
    command("evidence", "rotate-key", "--retire", *state, code=2)
    gateway.ask(f"{COUNT} + 5")
    watch.sees_growth(third)
    log = tmp_path / "log.jsonl"
    command("evidence", "copy", "--out", log, *state)
    command("evidence", "copy", "--out", log, *state, code=2)
    command("audit", "reconcile", *state)
    for known in (key, replacing):
        assert "1 key" in command("evidence", "verify", log, "--key", known, "--witness", word)


def test_a_store_that_is_put_back_is_refused_and_its_log_is_caught(own, witness, tmp_path):
    path, word = witness
    gateway = own(GATEWAY_WITNESSES=word)
    key, watch, state = public_key(gateway), Watch(gateway, path, tmp_path / "w"), ("--state", gateway.state)
    assert gateway.stop() == 0
    store, before = gateway.state / "gateway.sqlite3", tmp_path / "before"
    shutil.copy(store, before)
    gateway.start()
    back = watch.size()
    gateway.ask(f"{COUNT} + 6")
    watch("--log-key", key)
    signed, kept = watch.size(), tmp_path / "kept"
    kept.write_bytes(get(gateway, "/v1/log/checkpoint"))
    assert gateway.stop() == 0
    shutil.copy(before, store)
    refused = ended(["serve", "--policies", str(gateway.policies), *map(str, state), "--port", "0"])
    assert (refused.returncode, "store_rolled_back" in refused.stderr) == (1, True)
    assert "store_rolled_back" in command("evidence", "copy", "--out", tmp_path / "no", *state, code=1)
    # an operator who takes the mark away as well is caught by the witness, and by whoever kept a checkpoint
    (gateway.state / "log.mark").unlink()
    gateway.start()
    assert f"rolled back from {signed} to {back} leaves" in watch(code=1)
    for number in range(2):
        gateway.ask(f"{COUNT} + {7 + number}")
    assert watch.size() > signed
    assert "forked" in watch(code=1)
    proof = sorted((tmp_path / "w").glob("caught-*/"))
    assert {path.name for path in proof[-1].iterdir()} == {"signed-before", "seen-now", "reason"}
    undone = tmp_path / "undone.jsonl"
    command("evidence", "copy", "--out", undone, *state)
    assert "forked" in command("evidence", "verify", undone, "--key", key, "--since", kept, code=1)


def test_a_backup_catches_up_from_a_verified_log_beside_the_mark(own, tmp_path):
    gateway = own()
    key, state = public_key(gateway), ("--state", gateway.state)
    command("store", "backup", tmp_path / "backup.zip", *state)
    gateway.ask(f"{COUNT} + 10")
    early, newest = tmp_path / "early.jsonl", tmp_path / "newest"
    command("evidence", "copy", "--out", early, *state)
    _, later = gateway.ask(f"{COUNT} + 11")
    replacing = command("evidence", "rotate-key", *state).split()[0]
    log, cut = tmp_path / "log.jsonl", tmp_path / "cut.jsonl"
    command("evidence", "copy", "--out", log, *state)
    spent = gateway.spent()
    assert gateway.stop() == 0
    for path in gateway.state.glob("gateway.sqlite3*"):
        path.unlink()
    command("store", "restore", tmp_path / "backup.zip", *state)
    serving = ("serve", "--policies", gateway.policies, "--port", 0, *state)
    assert "store_fenced" in command(*serving, code=5), "what it would log or sign now would fork from the true log"
    cut.write_bytes(log.read_bytes()[:-9])
    assert "does not verify" in command("store", "replay", cut, *state, code=1)
    assert "does not verify" in command("store", "replay", log, "--key", "00" * 32, *state, code=1)
    newest.write_text(json.loads(log.read_text().partition("\n")[0])["checkpoint"])
    assert "rolled back" in command("store", "replay", early, "--key", key, "--since", newest, *state, code=1)
    assert "were signed" in command("store", "replay", early, "--key", key, *state, code=1), "an older copy of it"
    assert "store_fenced" in command("evidence", "copy", "--out", tmp_path / "none", *state, code=5)
    command("store", "replay", log, "--key", key, "--since", newest, *state)
    gateway.start()
    assert gateway.spent() == spent, "no budget comes back"
    status, body = gateway.call("GET", f"/v1/queries/{later['query_id']}/receipt", token=clerk(gateway))
    assert (status, json.loads(body)["public_key"]) == (200, replacing), "its row is gone, and its leaves are not"
    again = tmp_path / "again.jsonl"
    command("evidence", "copy", "--out", again, *state)
    assert "1 key" in command("evidence", "verify", again, "--key", key)
    command("audit", "reconcile", *state)
    told = [event["subject"] for event in gateway.events() if event["type"] == "gateway.query.charged"]
    assert told.count(later["query_id"]) == 1, "what was charged after the backup is billed"
    # the same backup once more: the mark has seen its epoch, so that the next one begins
    assert gateway.stop() == 0
    for path in gateway.state.glob("gateway.sqlite3*"):
        path.unlink()
    command("store", "restore", tmp_path / "backup.zip", *state)
    command("store", "replay", again, "--key", key, *state)
    gateway.start()
    assert gateway.spent() == spent


def test_strangers_cannot_cosign(own, witness):
    gateway = own(GATEWAY_WITNESSES=witness[1])
    gateway.ask(COUNT)
    good = {"tree_size": 1, "line": "\u2014 w.example/1 AAAA"}
    for body, roles, expected in (
        (good, ("buyer",), 403),
        (good, ("supervisor",), 403),
        ({**good, "tree_size": 0}, ("supervisor",), 400),
        ({**good, "tree_size": 99}, ("supervisor",), 400),
        ({**good, "tree_size": True}, ("supervisor",), 400),
        ({**good, "tree_size": 2**70}, ("supervisor",), 400),
        ({**good, "line": 3}, ("supervisor",), 400),
        ({**good, "line": "x" * 5000}, ("supervisor",), 400),
        ({**good, "more": 1}, ("supervisor",), 400),
        ({}, ("supervisor",), 400),
    ):
        status, reply = gateway.call("POST", "/v1/log/cosignatures", body, token=gateway.token("eve", "x", roles, None))
        assert status == expected, (body, reply)
    assert gateway.call("GET", "/v1/log/checkpoint/witnessed")[0] == 404


def test_a_setting_of_witnesses_that_is_none_stops_the_start(tmp_path):
    from support.shop import empty_database

    (tmp_path / "shop.yaml").write_text(POLICY)
    empty_database(tmp_path / "shop.duckdb").close()
    import os

    serve = ["serve", "--policies", str(tmp_path), "--state", str(tmp_path / "s"), "--port", "0"]
    done = ended(serve, {**os.environ, "GATEWAY_WITNESSES": "w+00+AA=="})
    assert (done.returncode, "GATEWAY_WITNESSES" in done.stderr) == (2, True)


def test_a_bundle_for_arbitration(gateway, tmp_path):
    sql = f"{COUNT} + 8"
    _, answer = gateway.ask(sql)
    _, problem = gateway.ask("SELECT amount FROM purchases")
    assert problem["code"] == "raw_rows"
    refusal = gateway.events()[-1]["subject"]
    key, state = public_key(gateway), ("--state", gateway.state, "--policies", gateway.policies)
    for query_id, said in ((answer["query_id"], "charged at"), (refusal, "refused at")):
        out = tmp_path / f"{query_id}.zip"
        command("evidence", "export", query_id, "--out", out, *state)
        with zipfile.ZipFile(out) as made:
            assert sorted(made.namelist()) == ["README.txt", "checkpoint", "event.json", "policy.json", "receipt.json"]
            text = b"".join(made.read(name) for name in made.namelist()).decode()
            files = {name: made.read(name) for name in made.namelist()}
        assert "salt" not in json.loads(files["receipt.json"])
        assert sql not in text
        printed = command("evidence", "verify", out, "--key", key)
        assert said in printed
        assert "the meter event says what the leaf says" in printed
        assert "the policy's text is version sha256:" in printed
        for name in set(files) - {"README.txt"}:
            middle = len(files[name]) // 2
            turned = bytes([files[name][middle] ^ 1])
            edited = {**files, name: files[name][:middle] + turned + files[name][middle + 1 :]}
            with pytest.raises(NotVerified):
                verify_bundle(edited, Trust((key,)))
        for name in ("receipt.json", "checkpoint"):
            with pytest.raises(NotVerified):
                verify_bundle({other: content for other, content in files.items() if other != name}, Trust((key,)))
        with pytest.raises(NotVerified, match="no part"):
            verify_bundle({**files, "more": b""}, Trust((key,)))
    salted, asked = tmp_path / "salted.zip", tmp_path / "asked.sql"
    command("evidence", "export", answer["query_id"], "--out", salted, "--salt", *state)
    asked.write_text(sql)
    assert "the SQL is the one committed to" in command("evidence", "verify", salted, "--key", key, "--sql", asked)
    command("evidence", "export", "nothing", "--out", tmp_path / "none.zip", *state, code=2)


def test_a_filing_pack(gateway, tmp_path):
    gateway.ask(f"{COUNT} + 9")
    out, state = tmp_path / "filing", ("--state", gateway.state, "--policies", gateway.policies)
    command("evidence", "filing", "--out", out, *state)
    pack = json.loads((out / "filing.json").read_text())
    (held,) = pack["catalogue"]
    assert (held["dataset"], held["provider"], held["privacy_unit"]) == ("shop", "acme", "customers.customer_id")
    assert held["columns_by_class"] == {"general": 4, "important": 1, "core": 0}
    charged = [e for e in gateway.events() if e["type"] == "gateway.query.charged"]
    mine = [flow for flow in pack["flows"] if flow["organisation"] == "widgets" and flow["answers"]]
    assert [(f["dataset"], f["purpose"], f["jurisdiction"]) for f in mine] == [("shop", "research", "")]
    assert mine[0]["answers"] == len(charged)
    page = (out / "filing.html").read_text()
    assert "important: 1" in page
    assert "http" not in page.replace("http-equiv", ""), "no outside address"
    empty = tmp_path / "empty"
    command("evidence", "filing", "--out", empty, "--to", "2020-01-01", *state)
    assert json.loads((empty / "filing.json").read_text())["flows"] == []
    command("evidence", "filing", "--out", empty, "--to", "soon", *state, code=2)
