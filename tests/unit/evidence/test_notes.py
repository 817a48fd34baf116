"""Signed notes and tiles as C2SP has them: keys, lines, cosignatures, paths, bundles."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.evidence import Log, leaf

from gateway.evidence import signing
from gateway.evidence.offline import layout, notes
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.notes import Key, parse, read_key
from gateway.evidence.offline.trust import Trust, judge, log_keys

# The published example of the reference implementation (golang.org/x/mod/sumdb/note, its package documentation).
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SECRET = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)


def test_the_reference_s_key_and_signature():
    key = read_key(VKEY, "")
    assert (key.name, key.id.hex(), key.vkey()) == ("PeterNeumann", "c74f20a3", VKEY)
    private = Ed25519PrivateKey.from_private_bytes(SECRET)
    assert signing.public_bytes(private) == key.public
    assert signing.sign(TEXT, "PeterNeumann", private) == LINE
    line = notes.parse_line(LINE)
    assert (line.name, line.key_id, len(line.signature)) == (key.name, key.id, 64)


def test_keys_that_were_changed_are_none():
    for at in range(len(VKEY)):
        for text in (VKEY[:at] + chr(ord(VKEY[at]) + 1) + VKEY[at + 1 :], VKEY[:at] + VKEY[at + 1 :], VKEY[:at]):
            with pytest.raises(NotVerified):
                read_key(text, "gw")
    with pytest.raises(NotVerified, match="another type"):
        read_key(VKEY, "", notes.WITNESS_TYPE)
    for text in ("", "00", "zz" * 32, "AA" * 32, "00" * 33):
        with pytest.raises(NotVerified, match="not 32 bytes"):
            read_key(text, "gw")
    assert read_key("0a" * 32, "gw") == Key("gw", 1, b"\x0a" * 32)


def test_a_cosignature_is_over_the_two_lines_and_the_whole_body():
    private, log = Ed25519PrivateKey.generate(), Log([leaf(1)])
    head = parse(log.note())
    line = signing.cosign(head.body, "w.example/1", private, 1679315147)
    name, encoded = line.split(" ")[1:]
    content = base64.b64decode(encoded)
    assert name == "w.example/1"
    assert content[4:12] == (1679315147).to_bytes(8, "big")
    private.public_key().verify(content[12:], f"cosignature/v1\ntime 1679315147\n{head.body}".encode())
    key = Key("w.example/1", 4, signing.public_bytes(private))
    seen = parse(signing.note(head.body, [line]))
    assert notes.cosigned(seen, [key]) == (notes.Cosignature("w.example/1", 1679315147),)
    late = content[:4] + bytes([0x80]) + content[5:]
    for changed in (content[:-1], content[:-1] + bytes([content[-1] ^ 1]), content[:11] + b"\0" + content[12:], late):
        bad = parse(signing.note(head.body, [f"\u2014 w.example/1 {base64.b64encode(changed).decode()}"]))
        with pytest.raises(NotVerified, match="cosignature of w.example/1"):
            notes.cosigned(bad, [key])
    with pytest.raises(NotVerified, match="those known"):  # a witness's key is none of the log
        notes.signers(seen, [Key("w.example/1", 1, key.public)])


ROOT = base64.b64encode(bytes(32)).decode()


def body(size="1", root=ROOT, origin="gw"):
    return f"{origin}\n{size}\n{root}\n\n\u2014 gw {base64.b64encode(bytes(68)).decode()}\n"


@pytest.mark.parametrize(
    "note",
    [
        body(size="01"), body(size="-1"), body(size=""), body(size="1.0"), body(size="\u0661"), body(size="9" * 19),
        body(root=""), body(root="AAAA"), body(root="=" * 44), body(origin=""), body(origin="a\tb"), body(origin="a\x00"),
        body().replace("\n\n", "\n"), body()[:-1], body().replace("\u2014", "-"), body().replace("\u2014 gw", "\u2014  gw"),
        body().replace("\u2014 gw", "\u2014 g+w"), body().replace("\u2014 gw", "\u2014 "), body() + "\u2014 gw\n",
        body() + "\u2014 gw " + "A" * 70_000 + "\n", body() + "\u2014 gw AAAA\n" * 32, "", "\n\n", "a\n\nb",
    ],
)  # fmt: skip
def test_what_is_no_checkpoint(note):
    with pytest.raises(NotVerified):
        parse(note)


def test_a_checkpoint_as_it_should_be():
    assert (parse(body()).origin, parse(body(size="0")).size) == ("gw", 0)
    assert parse(body() + "\u2014 other AAAA\n" * 31).lines[31].name == "other"


def test_a_log_s_key_under_another_name_signs_no_other_log():
    log = Log([leaf(1)], origin="other")
    key = read_key(log.public, "gw")
    forged = signing.note(parse(log.note()).body, [signing.sign(parse(log.note()).body, "gw", log.key)])
    with pytest.raises(NotVerified, match="of another log"):
        notes.signers(parse(forged), [key])


def test_who_checks_without_a_key_needs_one_in_the_file():
    with pytest.raises(NotVerified, match="no key of the log"):
        log_keys(Trust(), "gw", None)
    assert log_keys(Trust(("0a" * 32,)), "gw", "0b" * 32) == (read_key("0a" * 32, "gw"),)


def test_lines_of_strangers_are_told_apart():
    from gateway.evidence.offline.keychain import Chain

    log = Log([leaf(1)], witnesses=[("w.example/1", Ed25519PrivateKey.generate())])
    chain = Chain((read_key(log.public, "gw"),), ())
    head = parse(log.note())
    assert judge(head, chain, Trust(), None).strangers == ("w.example/1",)
    assert judge(head, chain, Trust(), log.words()).strangers == ()
    with pytest.raises(NotVerified, match="w.example/1, whose key is not known"):
        judge(head, chain, Trust(), [])


# -- tiles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (layout.Tile(0, 0), "0/000"),
        (layout.Tile(0, 1_234_067), "0/x001/x234/067"),
        (layout.Tile(63, 999), "63/999"),
        (layout.Tile(2, 1000, 1), "2/x001/000.p/1"),
        (layout.Tile(None, 273, 112), "entries/273.p/112"),
        (layout.Tile(None, 10**17, 255), "entries/x100/x000/x000/x000/x000/000.p/255"),
    ],
)
def test_paths(tile, path):
    assert tile.path() == path
    assert layout.read_path(path) == tile


@pytest.mark.parametrize(
    "path",
    ["", "0", "0/", "0/0", "0/00", "0/0000", "00/000", "64/000", "-1/000", "0/x000/000", "0/x00/001", "0/001/002", "0/X001/002",
     "0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/", "0/000.p/1/", "entries/000.p", "Entries/000", "0/000 ", "\u0660/000",
     "0/000.p/\u0661", "0/x001/x000/x000/x000/x000/x000/000"],
)  # fmt: skip
def test_what_is_no_path(path):
    assert layout.read_path(path) is None


def test_the_tiles_of_the_specification_s_example():
    found = list(layout.tiles_of(70_000))
    by_level = {level: [t for t in found if t.level == level] for level in (None, 0, 1, 2)}
    assert [len(tiles) for tiles in by_level.values()] == [274, 274, 2, 1]
    assert [tiles[-1].width for tiles in by_level.values()] == [112, 112, 17, 1]
    assert [t.path() for t in layout.tiles_of(256)] == ["entries/000", "0/000", "1/000.p/1"]
    assert list(layout.tiles_of(0)) == []


def test_entry_bundles():
    entries = [b"", b"a", b"x" * 65_535]
    assert layout.pack(entries)[:5] == b"\0\0\0\1a"
    assert layout.unpack(layout.pack(entries), 3) == entries
    with pytest.raises(NotVerified, match="longer"):
        layout.pack([b"x" * 65_536])
    for content, count in (
        (layout.pack(entries)[:-1], 3),
        (layout.pack(entries), 2),
        (layout.pack(entries), 4),
        (b"\0", 1),
    ):
        with pytest.raises(NotVerified, match="bundle"):
            layout.unpack(content, count)
