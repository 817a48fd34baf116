"""A witness against logs that grow, fork, roll back, change keys, or send what is none: it signs the first alone."""

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.evidence import Log, leaf

from gateway.evidence import signing
from gateway.evidence.offline import notes
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.keychain import statement
from gateway.evidence.witness import Caught, Witness, make_key, read_key
from gateway.ports import FixedClock

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)


class Source:
    """A log over HTTP, without the HTTP."""

    def __init__(self, log):
        self.log, self.note, self.tiles, self.posted, self.asked = log, None, {}, [], []

    def get(self, path):
        self.asked.append(path)
        if path == "/v1/log/checkpoint":
            return (self.note or self.log.note()).encode()
        return {**self.log.tiles(), **self.tiles}[path.removeprefix("/v1/log/tile/")]

    def post(self, path, body):
        assert path == "/v1/log/cosignatures"
        self.posted.append(body)


@pytest.fixture
def key(tmp_path):
    return make_key(tmp_path / "witness.key", "w.example/1")


def witness(source, key, folder, log_key="own"):
    return Witness(source, key, folder, FixedClock(NOW), source.log.public if log_key == "own" else log_key)


def log_of(size, **known):
    return Log([leaf(number) for number in range(size)], **known)


@pytest.mark.parametrize("sizes", [(0, 1, 2), (1, 255, 256, 257), (3, 700, 65_537), (511, 513, 513)])
def test_a_log_that_grows_is_signed_each_time(key, tmp_path, sizes):
    log = log_of(0)
    source, before = Source(log), None
    for size in sizes:
        log.leaves = [leaf(number) for number in range(size)]
        seen = witness(source, key, tmp_path / "w").step()
        assert (seen.origin, seen.size, seen.extends) == ("gw", size, before)
        head = notes.parse(signing.note(notes.parse(log.note()).body, [seen.line]))
        assert notes.cosigned(head, [key.public]) == (notes.Cosignature("w.example/1", int(NOW.timestamp())),)
        assert size == 0 or source.posted[-1] == {"tree_size": size, "line": seen.line}
        before = size
    assert len(source.asked) < 40, "tiles, not leaves"


def test_a_fork_and_a_rollback_are_kept_and_not_signed(key, tmp_path):
    log, folder = log_of(300), tmp_path / "w"
    witness(Source(log), key, folder).step()
    signed = (folder / "checkpoint").read_text()
    for size, first, reason in ((300, "other", "forked"), (301, "other", "forked"), (900, "other", "forked"),
                                (299, "same", "rolled back"), (0, "same", "rolled back")):  # fmt: skip
        bad = log_of(size, key=log.key)
        if first == "other":
            bad.leaves[17] = b"{}"
        source = Source(bad)
        with pytest.raises(Caught, match=reason) as caught:
            witness(source, key, folder).step()
        assert source.posted == []
        assert (folder / "checkpoint").read_text() == signed, "the last signed one stays"
        assert (caught.value.folder / "signed-before").read_text() == signed
        assert (caught.value.folder / "seen-now").read_text() == bad.note()
    log.leaves.append(leaf(300))
    assert witness(Source(log), key, folder).step().extends == 300, "the log itself goes on"


def test_another_origin_or_key_is_not_the_log(key, tmp_path):
    log, folder = log_of(5), tmp_path / "w"
    witness(Source(log), key, folder).step()
    with pytest.raises(Caught, match="those known"):
        witness(Source(log_of(6)), key, folder).step()
    other = Source(log_of(6, key=log.key, origin="other"))
    with pytest.raises(Caught, match="those known"):
        witness(other, key, folder).step()
    (folder / "log.keys").unlink()
    with pytest.raises(Caught, match="another log"):
        witness(other, key, folder).step()
    fresh = Source(log_of(6))
    with pytest.raises(Caught, match="those known"):
        witness(fresh, key, tmp_path / "new", log.public).step()
    with pytest.raises(NotVerified, match="name it once"):
        witness(fresh, key, tmp_path / "newer", None).step()


def test_tiles_that_do_not_make_the_root_are_not_signed(key, tmp_path):
    log = log_of(300)
    source = Source(log)
    source.tiles = {"0/001.p/44": bytes(44 * 32)}
    with pytest.raises(Caught, match="do not make the root"):
        witness(source, key, tmp_path / "w").step()
    source.tiles = {"0/001.p/44": bytes(31)}
    with pytest.raises(NotVerified, match="another length"):
        witness(source, key, tmp_path / "w").step()
    source.tiles, source.note = {}, "no note"
    with pytest.raises(NotVerified, match="not a signed note"):
        witness(source, key, tmp_path / "w").step()
    assert not (tmp_path / "w" / "checkpoint").exists()
    assert source.posted == []


def change(old, new, origin="gw"):
    olds, news = signing.public_bytes(old), signing.public_bytes(new)
    signature = old.sign(statement(origin, "sha256-ed25519", olds, news)).hex()
    content = {"algorithm": "sha256-ed25519", "kind": "key", "origin": origin, "public_key": news.hex(),
               "replaces": olds.hex(), "signature": signature}  # fmt: skip
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def test_keys_are_followed_through_an_overlap(key, tmp_path):
    log, folder = log_of(5), tmp_path / "w"
    first, second, third = log.key, Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    named = log.public
    source = Source(log)
    witness(source, key, folder).step()
    log.leaves.append(change(first, second))
    source.note = log.note(keys=[second, first])
    assert witness(source, key, folder, named).step().size == 6
    log.leaves.append(leaf(6))
    source.note = log.note(keys=[second])
    source.asked.clear()
    assert witness(source, key, folder, named).step().size == 7, "the key was learnt in the overlap"
    assert not any("entries" in path for path in source.asked)
    log.leaves.append(change(second, third))
    source.note = log.note(keys=[third])
    assert witness(source, key, folder, named).step().size == 8, "without an overlap"
    log.leaves.append(
        change(Ed25519PrivateKey.generate(), first).replace(signing.public_bytes(first).hex().encode(), b"0" * 64)
    )
    source.note = log.note(keys=[Ed25519PrivateKey.generate()])
    with pytest.raises(Caught, match="not signed by the key that it replaces"):
        witness(source, key, folder, named).step()


def test_key_files(tmp_path, key):
    path = tmp_path / "witness.key"
    assert path.stat().st_mode & 0o077 == 0
    assert read_key(path).public == key.public
    with pytest.raises(FileExistsError):
        make_key(path, "w.example/1")
    for name in ("", "a b", "a+b"):
        with pytest.raises(NotVerified):
            make_key(tmp_path / "other", name)
    text = path.read_text()
    for changed in ("", "x", text.replace("w.example", "v.example"), text.replace("PRIVATE", "PUBLIC"), text[:-9] + "\n",
                    text.replace("+KEY+", "+"), "PRIVATE+KEY+a+00000000+AA=="):  # fmt: skip
        path.write_text(changed)
        with pytest.raises(NotVerified):
            read_key(path)


def test_a_folder_of_another_witness_is_not_continued(tmp_path, key):
    source = Source(log_of(3))
    witness(source, key, tmp_path / "w").step()
    other = make_key(tmp_path / "other.key", "w.example/2")
    with pytest.raises(NotVerified, match="not signed by this witness"):
        witness(source, other, tmp_path / "w").step()
