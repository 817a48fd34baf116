"""A log of 1,000 leaves: every edit of one byte, truncation, swap, fork and rollback is seen by the offline verifier."""

import random
import zipfile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.evidence import Log, leaf

from gateway.evidence.offline.check import Asked, check
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.logs import verify_lines, verify_tiles, write_lines
from gateway.evidence.offline.notes import Key
from gateway.evidence.offline.trust import Trust

WITNESS = ("w.example/1", Ed25519PrivateKey.from_private_bytes(b"w" * 32))
LOG = Log([leaf(number) for number in range(1000)], witnesses=[WITNESS])
TRUST = Trust((LOG.public,), tuple(LOG.words()), 1)
CONTENT = LOG.lines()


def refused(content, trust=TRUST, since=None, match=None):
    with pytest.raises(NotVerified, match=match):
        verify_lines(content, trust, since)


def test_the_log_as_it_is_verifies():
    found = verify_lines(CONTENT, TRUST, LOG.note(637))
    assert (found.origin, found.size, found.since, found.kinds) == ("gw", 1000, 637, {"charged": 1000})
    assert [w.name for w in found.signed.witnesses] == ["w.example/1"]
    assert verify_lines(CONTENT, Trust()).signed.known is False


def changed(at, by):
    return CONTENT[:at] + bytes([CONTENT[at] ^ by]) + CONTENT[at + 1 :]


@pytest.mark.parametrize("apart", [244, pytest.param(61, marks=pytest.mark.long)])
def test_edits_of_one_byte_in_a_dense_sample(apart):
    draw = random.Random(4)
    head = CONTENT.index(b"\n") + 1
    for at in [*range(head), *range(head, len(CONTENT), apart)]:
        refused(changed(at, draw.randrange(1, 256)))


@pytest.mark.long
def test_edits_of_every_byte():
    draw = random.Random(5)
    for at in range(len(CONTENT)):
        refused(changed(at, draw.randrange(1, 256)))


def test_truncations():
    ends = {0, 1, len(CONTENT) - 1, *range(2, len(CONTENT), 487)}
    for end in ends:
        refused(CONTENT[:end])
    for count in range(0, 1000, 13):
        refused(write_lines(LOG.note(), LOG.public, LOG.words(), LOG.leaves[:count]))
    refused(CONTENT + b"\n")
    refused(CONTENT + LOG.leaves[-1] + b"\n")


def test_swaps_and_repeats():
    draw = random.Random(6)
    pairs = [(at, at + 1) for at in range(0, 999, 17)] + [tuple(draw.sample(range(1000), 2)) for _ in range(60)]
    for one, other in pairs:
        leaves = list(LOG.leaves)
        leaves[one], leaves[other] = leaves[other], leaves[one]
        refused(write_lines(LOG.note(), LOG.public, LOG.words(), leaves), match="root")
        leaves = list(LOG.leaves)
        leaves[one] = leaves[other]
        refused(write_lines(LOG.note(), LOG.public, LOG.words(), leaves), match="root")


@pytest.mark.parametrize("at", [0, 1, 255, 256, 511, 512, 998, 999])
def test_a_fork_that_the_log_s_own_key_signed(at):
    leaves = list(LOG.leaves)
    leaves[at] = leaf(at, rho="1")
    fork = Log(leaves, LOG.key, witnesses=[WITNESS])
    assert verify_lines(fork.lines(), TRUST).size == 1000, "alone it holds: the key signed it"
    refused(fork.lines(), since=LOG.note(), match="forked")
    longer = Log([*leaves, leaf(1000)], LOG.key, witnesses=[WITNESS])
    refused(longer.lines(), since=LOG.note(), match="forked")
    for size in (at, 500, 1000):
        if size <= at:
            assert verify_lines(fork.lines(), TRUST, LOG.note(size)).since == size
        else:
            refused(fork.lines(), since=LOG.note(size), match="forked")


@pytest.mark.parametrize("size", [0, 1, 255, 256, 512, 998, 999])
def test_a_rollback_that_the_log_s_own_key_signed(size):
    back = Log(LOG.leaves[:size], LOG.key, witnesses=[WITNESS])
    assert verify_lines(back.lines(), TRUST).size == size
    refused(back.lines(), since=LOG.note(), match="rolled back")


def test_an_earlier_checkpoint_of_another_log_or_key_proves_nothing():
    stranger = Log(LOG.leaves[:500], witnesses=[WITNESS])
    refused(CONTENT, since=stranger.note(), match="those known")
    other = Log(LOG.leaves[:500], LOG.key, origin="other", witnesses=[WITNESS])
    refused(CONTENT, since=other.note())
    keys = tuple(Key(name, 1, bytes.fromhex(LOG.public)).vkey() for name in ("gw", "other"))
    refused(CONTENT, Trust(keys, tuple(LOG.words()), 1), other.note(), "of another log")


def test_another_key_another_witness_and_lines_of_strangers():
    stranger = Log(LOG.leaves, witnesses=[WITNESS])
    refused(stranger.lines(), match="those known")
    assert verify_lines(stranger.lines(), Trust()).signed.known is False
    bare = Log(LOG.leaves, LOG.key)
    refused(bare.lines(), match="0 of the known witnesses")
    impostor = Log(LOG.leaves, LOG.key, witnesses=[("w.example/1", Ed25519PrivateKey.generate())])
    refused(impostor.lines(), match="0 of the known witnesses")
    unlisted = write_lines(impostor.note(), LOG.public, [], LOG.leaves)
    refused(unlisted, Trust((LOG.public,)), match="whose key is not known")


# -- tiles ----------------------------------------------------------------------------------------------------------

NOTE, TILES = LOG.note(), LOG.tiles()


def test_the_tiles_are_the_ones_that_the_format_has():
    assert sorted(TILES) == [
        "0/000", "0/001", "0/002", "0/003.p/232", "1/000.p/3",
        "entries/000", "entries/001", "entries/002", "entries/003.p/232",
    ]  # fmt: skip
    assert verify_tiles(NOTE, TILES, TRUST, LOG.note(1)).size == 1000


@pytest.mark.parametrize("apart", [1_588, pytest.param(397, marks=pytest.mark.long)])
def test_edits_of_one_byte_in_tiles(apart):
    draw = random.Random(7)
    for path, content in TILES.items():
        for at in [0, 1, len(content) - 1, *range(2, len(content), apart)]:
            edited = content[:at] + bytes([content[at] ^ draw.randrange(1, 256)]) + content[at + 1 :]
            with pytest.raises(NotVerified):
                verify_tiles(NOTE, {**TILES, path: edited}, TRUST)
        for cut in (content[:-1], content + b"\0", b""):
            with pytest.raises(NotVerified):
                verify_tiles(NOTE, {**TILES, path: cut}, TRUST)
        with pytest.raises(NotVerified, match="missing"):
            verify_tiles(NOTE, {name: value for name, value in TILES.items() if name != path}, TRUST)


@pytest.mark.parametrize("leaves", [3, pytest.param(1_000, marks=pytest.mark.long)])
def test_edits_of_one_letter_in_the_checkpoint_of_tiles(leaves):
    log = Log(LOG.leaves[:leaves], LOG.key, witnesses=[WITNESS])
    note, tiles = log.note(), log.tiles()
    assert verify_tiles(note, tiles, TRUST).size == leaves
    for at, letter in enumerate(note):
        for other in ({chr(ord(letter) ^ 1), "\n", "A", "0"}) - {letter}:
            with pytest.raises(NotVerified):
                verify_tiles(note[:at] + other + note[at + 1 :], tiles, TRUST)


@pytest.mark.parametrize(
    "path",
    ["0/004", "2/000.p/1", "entries/004.p/1", "0/x000/000", "0/3", "0/003", "00/000", "0/003.p/233", "64/000", "a"],
)
def test_files_that_are_no_part_of_the_log(path):
    with pytest.raises(NotVerified, match="no part"):
        verify_tiles(NOTE, {**TILES, path: TILES["0/000"]}, TRUST)


def test_partial_tiles_of_an_earlier_size_may_stay():
    early = {"0/003.p/7": TILES["0/003.p/232"][: 7 * 32]}
    assert verify_tiles(NOTE, {**TILES, **early}, TRUST).size == 1000
    with pytest.raises(NotVerified, match="not what the leaves make"):
        verify_tiles(NOTE, {**TILES, "0/003.p/8": early["0/003.p/7"]}, TRUST)


# -- as somebody has it on disk -------------------------------------------------------------------------------------


def write_folder(folder):
    for path, content in {"checkpoint": NOTE.encode(), **{f"tile/{p}": c for p, c in TILES.items()}}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def test_a_file_a_folder_and_an_archive(tmp_path):
    single = tmp_path / "log.jsonl"
    single.write_bytes(CONTENT)
    folder = write_folder(tmp_path / "log")
    archive = tmp_path / "log.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for path in sorted(folder.rglob("*")):
            made.write(path, path.relative_to(folder))
    for path in (single, folder, archive):
        said = check(Asked(path, TRUST, since=LOG.note(999)))
        assert said[0] == "the log verifies: gw, 1,000 leaves"
        assert "it extends the earlier checkpoint of 999 leaves" in said
        assert any(line.startswith("cosigned by w.example/1 at 2026-") for line in said)
        with pytest.raises(NotVerified, match="rolled back"):
            check(Asked(path, TRUST, since=Log([*LOG.leaves, leaf(1000)], LOG.key).note()))
    (folder / "tile" / "entries" / "000").write_bytes(b"\0\1x")
    with pytest.raises(NotVerified):
        check(Asked(folder, TRUST))
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(NotVerified, match="no part of a log"):
        check(Asked(folder, TRUST))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"{", b'{"format":"gateway-log/1"}', b"PK\x03\x04"])
def test_what_is_nothing_of_ours(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(NotVerified):
        check(Asked(path, TRUST))
    with pytest.raises(NotVerified, match="cannot be read"):
        check(Asked(tmp_path / "absent", TRUST))


def test_an_algorithm_of_another_name_is_refused_by_name():
    head, _, rest = CONTENT.partition(b"\n")
    refused(head.replace(b"sha256-ed25519", b"sm3-sm2") + b"\n" + rest, match="'sm3-sm2' is not known")
