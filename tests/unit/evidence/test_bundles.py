"""Bundles, and files as somebody hands them over: what is checked of each part, and what is read at all."""

import io
import json
import zipfile
from hashlib import sha256

import pytest
from support.evidence import Log, evidence_of, leaf
from support.stores import Clock, ledger_of, order

from gateway.errors import GatewayError
from gateway.evidence import archives, exporting
from gateway.evidence.files import write_new
from gateway.evidence.offline import bundles, check, logs
from gateway.evidence.offline.__main__ import main
from gateway.evidence.offline.bundles import verify_bundle
from gateway.evidence.offline.check import Asked
from gateway.evidence.offline.failure import NotVerified, canonical
from gateway.evidence.offline.receipts import Opened
from gateway.evidence.offline.trust import Trust
from gateway.ledger.model import Account
from gateway.store.database import open_store

POLICY = b'{"dataset":"shop"}'
VERSION = "sha256:" + sha256(POLICY).hexdigest()
FACTS = json.dumps({"organisation": "org", "buyer": "ana", "dataset": "shop", "policy_version": VERSION})
ANSWER = b"{}"


@pytest.fixture
async def evidence(tmp_path):
    store = await open_store(tmp_path)
    ledger = ledger_of(store, Clock())
    made = await evidence_of(store, tmp_path)
    charge = await ledger.charge(order(accounts=(Account("data/a", 10**6, 10**6),), facts=FACTS))
    await ledger.record(charge, ANSWER, {})
    yield made
    await store.close()


@pytest.fixture
async def files(evidence):
    return await exporting.bundle(evidence, "Q1", {"shop": (VERSION, POLICY)}, salt=True)


async def test_a_bundle_holds_what_belongs_to_a_query(evidence, files):
    found = verify_bundle(files, Trust(), Opened(order().sql.encode(), ANSWER))
    assert (found.receipt.query_id, found.event["subject"], found.policy_version) == ("Q1", "Q1", VERSION)
    assert found.receipt.opened == ("sql", "answer")
    assert b"Oslo" not in b"".join(files.values())
    bare = await exporting.bundle(evidence, "Q1", {"shop": ("sha256:other", b"{}")}, salt=False)
    assert set(bare) == bundles.NAMES - {bundles.POLICY}, "another version's text is left out"
    assert b'"salt"' not in bare[bundles.RECEIPT]
    with pytest.raises(GatewayError, match="not_found"):
        await exporting.bundle(evidence, "Q2", {}, salt=False)


def test_no_part_of_a_bundle_can_be_another_s(files):
    event = json.loads(files["event.json"])

    def other(**changed):
        return json.dumps({**event, **changed}).encode()

    for part, content, words in (
        ("policy.json", POLICY + b" ", "another version"),
        ("checkpoint", files["checkpoint"] + b" ", "not the receipt's"),
        ("event.json", b"[]", "not one JSON object"),
        ("event.json", other(subject="Q2"), "another query"),
        ("event.json", other(data=None), "another query"),
        ("event.json", other(type="gateway.query.refused"), "kind or time"),
        ("event.json", other(time="2026-11-24T12:00:01.000000Z"), "kind or time"),
        ("event.json", other(data={**event["data"], "log_index": 1}), "another leaf"),
        ("event.json", other(data={**event["data"], "amount": "0.01"}), "another 'amount'"),
        ("event.json", other(data={**event["data"], "more": 1}), "another 'more'"),
        ("event.json", other(data={n: v for n, v in event["data"].items() if n != "amount"}), "another 'amount'"),
        ("event.json", other(id="0" * 64), "source or id"),
        ("event.json", other(source="urn:gateway:another"), "source or id"),
        ("event.json", other(specversion="0.3"), "members of its format"),
        ("event.json", other(more=1), "members of its format"),
        ("receipt.json", b"{}", "members"),
        ("notes.txt", b"", "no part"),
    ):
        with pytest.raises(NotVerified, match=words):
            verify_bundle({**files, part: content}, Trust())
    for part in ("receipt.json", "checkpoint"):
        with pytest.raises(NotVerified):
            verify_bundle({name: content for name, content in files.items() if name != part}, Trust())
    fewer = {name: content for name, content in files.items() if name not in ("event.json", "policy.json")}
    assert verify_bundle(fewer, Trust()).event is None


def test_an_archive_is_the_same_bytes_each_time(files, tmp_path):
    content = archives.archive(files)
    assert content == archives.archive(dict(reversed(files.items())))
    path = tmp_path / "bundle.zip"
    write_new(path, content)
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(GatewayError, match="settings_invalid"):
        write_new(path, content)
    said = check.check(Asked(path, Trust()))
    assert said[-2:] == ["the meter event says what the leaf says", f"the policy's text is version {VERSION}"]
    with pytest.raises(NotVerified, match="does not hold the log"):
        check.check(Asked(path, Trust(), since="gw"))


def zipped(path, *members):
    with zipfile.ZipFile(path, "w") as made:
        for name, content in members:
            made.writestr(name, content)
    return Asked(path, Trust())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_read_is_bounded(files, tmp_path, monkeypatch):
    twice = [("checkpoint", b"a"), ("checkpoint", b"b")]
    with pytest.raises(NotVerified, match="twice"):
        check.check(zipped(tmp_path / "twice.zip", *twice))
    with pytest.raises(NotVerified, match="neither a checkpoint nor a receipt"):
        check.check(zipped(tmp_path / "other.zip", ("a", b"")))
    with pytest.raises(NotVerified, match="not UTF-8"):
        check.check(zipped(tmp_path / "bytes.zip", ("checkpoint", b"\xff")))
    monkeypatch.setattr(check, "MAX_MEMBER_BYTES", 10)
    with pytest.raises(NotVerified, match="larger than is read"):
        check.check(zipped(tmp_path / "large.zip", ("checkpoint", b"x" * 11)))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "checkpoint").write_bytes(b"x" * 11)
    with pytest.raises(NotVerified, match="larger than is read"):
        check.check(Asked(folder, Trust()))
    monkeypatch.setattr(check, "MAX_FILE_BYTES", 10)
    with pytest.raises(NotVerified, match="larger than is read"):
        check.check(Asked(folder / "checkpoint", Trust()))
    with pytest.raises(NotVerified, match="larger than is read"):
        check.check(zipped(tmp_path / "many.zip", ("a", b"x" * 6), ("b", b"x" * 6)))
    broken = tmp_path / "broken.zip"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("checkpoint", b"abcdef")
    broken.write_bytes(out.getvalue().replace(b"abcdef", b"abcdeg"))
    with pytest.raises(NotVerified, match="cannot be read"):
        check.check(Asked(broken, Trust()))


def test_no_byte_of_an_archive_can_be_turned_unseen(files, tmp_path):
    content, path = archives.archive(files), tmp_path / "bundle.zip"
    whole = check._of_archive(exporting_to(path, content))
    seen = 0
    for at in range(0, len(content), 3):
        exporting_to(path, content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1 :])
        try:
            check.check(Asked(path, Trust()))
        except NotVerified:
            seen += 1
        else:
            left = check._of_archive(path)  # what was turned is no part of a file, or hides one that may be left out
            assert left.items() <= whole.items()
    assert seen > len(content) // 4


def exporting_to(path, content):
    path.write_bytes(content)
    return path


LOG = Log([leaf(number) for number in range(3)])


@pytest.mark.parametrize(
    "changed",
    [
        {"witnesses": "x"},
        {"witnesses": [1]},
        {"checkpoint": 1},
        {"public_key": 1},
        {"format": "gateway-log/2"},
        {"more": 1},
    ],
)
def test_a_first_line_that_is_not_well_formed(changed):
    head, _, rest = LOG.lines().partition(b"\n")
    with pytest.raises(NotVerified, match="first line|not well formed"):
        logs.verify_lines(canonical({**json.loads(head), **changed}) + b"\n" + rest, Trust((LOG.public,)))


def test_a_log_s_own_key_is_one_that_the_known_one_leads_to():
    head, _, rest = LOG.lines().partition(b"\n")
    other = canonical({**json.loads(head), "public_key": "00" * 32})
    with pytest.raises(NotVerified, match="leads to"):
        logs.verify_lines(other + b"\n" + rest, Trust((LOG.public,)))
    assert logs.leaves(LOG.lines()) == LOG.leaves


def test_the_command_that_stands_alone(tmp_path, capsys):
    log, kept, answer = (tmp_path / name for name in ("log.jsonl", "kept", "answer"))
    log.write_bytes(LOG.lines())
    kept.write_text(LOG.note(2))
    assert main([str(log), "--key", LOG.public, "--since", str(kept)]) == 0
    assert "it extends the earlier checkpoint of 2 leaves" in capsys.readouterr().out
    assert main([str(log), "--key", "00" * 32]) == 1
    assert main([str(log), "--since", str(tmp_path / "absent")]) == 1
    answer.write_bytes(b"")
    assert main([str(log), "--answer", str(answer)]) == 1
    assert capsys.readouterr().err.count("NOT VERIFIED") == 3
    witnessed = Log(LOG.leaves, LOG.key, witnesses=[("w.example/1", LOG.key)])
    log.write_bytes(witnessed.lines())
    assert main([str(log), "--witness", *witnessed.words()]) == 0
    assert main([str(log), "--witness", *witnessed.words(), "--quorum", "2"]) == 1
