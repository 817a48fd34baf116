"""Whole logs: one file of JSON lines, or a folder or archive of tiles, against a checkpoint and an earlier one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.evidence.offline import layout
from gateway.evidence.offline.failure import NotVerified, canonical, parse_object
from gateway.evidence.offline.keychain import follow, key_leaves
from gateway.evidence.offline.notes import Checkpoint, Key, algorithm, parse, signers
from gateway.evidence.offline.tree import Tree, leaf_hash
from gateway.evidence.offline.trust import Signed, Trust, judge, log_keys

FORMAT = "gateway-log/1"
_MEMBERS = {"format", "algorithm", "checkpoint", "public_key", "witnesses"}


@dataclass(frozen=True, slots=True)
class Whole:
    """What a whole log proves: its leaves, all of them and in this order, are what the checkpoint's key signed.

    `since` is the size of the earlier checkpoint that it was shown to extend.
    """

    origin: str
    size: int
    signed: Signed
    keys: tuple[Key, ...]
    kinds: Mapping[str, int]
    since: int | None


def write_lines(checkpoint: str, public_key: str, witnesses: Sequence[str], leaves: Sequence[bytes]) -> bytes:
    """Return a log as one file: a line that says what it is, then one line a leaf."""
    head = {
        "format": FORMAT,
        "algorithm": "sha256-ed25519",
        "checkpoint": checkpoint,
        "public_key": public_key,
        "witnesses": list(witnesses),
    }
    return b"".join(line + b"\n" for line in (canonical(head), *leaves))


def leaves(content: bytes) -> list[bytes]:
    """Return the leaves of a log that is one file and has been verified."""
    return content.split(b"\n")[1:-1]


def verify_lines(content: bytes, trust: Trust, since: str | None = None) -> Whole:
    """Check a log that is one file of JSON lines. Raises NotVerified."""
    head_line, *lines = content.split(b"\n")
    if not lines or lines.pop() != b"":
        raise NotVerified("the file does not end with a whole line")
    head = parse_object(head_line, "the first line")
    if set(head) != _MEMBERS or head["format"] != FORMAT or canonical(head) != head_line:
        raise NotVerified("the first line is not that of a log")
    algorithm(head["algorithm"])
    listed = head["witnesses"]
    if not isinstance(listed, list) or not all(isinstance(w, str) for w in (*listed, head["checkpoint"])):
        raise NotVerified("the first line is not well formed")
    checkpoint = parse(head["checkpoint"])
    own = head["public_key"]
    if not isinstance(own, str):
        raise NotVerified("the first line is not well formed")
    found = _verified(checkpoint, lines, trust, own, listed, since)
    if own not in {key.public.hex() for key in found.keys}:
        raise NotVerified("the file's key is none that the known one leads to")
    return found


def verify_tiles(note: str, files: Mapping[str, bytes], trust: Trust, since: str | None = None) -> Whole:
    """Check a log of tiles: `files` holds the content of every path under `tile/`. Raises NotVerified."""
    checkpoint = parse(note)
    expected = {tile.path(): tile for tile in layout.tiles_of(checkpoint.size)}
    missing = next((path for path in expected if path not in files), None)
    if missing is not None:
        raise NotVerified(f"tile/{missing} is missing")
    bundles = [tile for tile in expected.values() if tile.level is None]
    leaves = [leaf for tile in bundles for leaf in layout.unpack(files[tile.path()], tile.width)]
    tree = Tree(leaf_hash(leaf) for leaf in leaves)
    for path, content in files.items():
        tile = layout.read_path(path)
        if tile is None or tile.end > checkpoint.size >> (layout.LEVEL_BITS * (tile.level or 0)):
            raise NotVerified(f"tile/{path} is no part of a log of this size")
        if content != _content(tile, leaves, tree):
            raise NotVerified(f"tile/{path} is not what the leaves make")
    return _verified(checkpoint, leaves, trust, None, None, since)


def _content(tile: layout.Tile, leaves: Sequence[bytes], tree: Tree) -> bytes:
    if tile.level is None:
        return layout.pack(leaves[tile.start : tile.end])
    return b"".join(tree.levels[layout.LEVEL_BITS * tile.level][tile.start : tile.end])


def _verified(
    checkpoint: Checkpoint,
    leaves: Sequence[bytes],
    trust: Trust,
    own: str | None,
    listed: Sequence[str] | None,
    since: str | None,
) -> Whole:
    if len(leaves) != checkpoint.size:
        raise NotVerified(f"{len(leaves)} leaves are there, and the checkpoint is of {checkpoint.size}")
    tree = Tree(leaf_hash(leaf) for leaf in leaves)
    if tree.root(len(leaves)) != checkpoint.root:
        raise NotVerified("the leaves do not make the signed root")
    begin = log_keys(trust, checkpoint.origin, own)
    chain = follow(begin, key_leaves(leaves), checkpoint.origin)
    signed = judge(checkpoint, chain, trust, listed)
    earlier = None if since is None else _extends(parse(since), checkpoint, tree, chain.trusted)
    kinds: Counter[str] = Counter()
    for leaf in leaves:
        kinds[str(parse_object(leaf, "a leaf").get("kind", "without a kind"))] += 1
    return Whole(checkpoint.origin, checkpoint.size, signed, chain.trusted, dict(kinds), earlier)


def _extends(earlier: Checkpoint, checkpoint: Checkpoint, tree: Tree, keys: Sequence[Key]) -> int:
    """Return the size of an earlier checkpoint of the same log that this one extends. Raises NotVerified."""
    signers(earlier, keys)
    if earlier.origin != checkpoint.origin:
        raise NotVerified("the earlier checkpoint is of another log")
    if earlier.size > checkpoint.size:
        raise NotVerified(f"rolled back: it was signed with {earlier.size} leaves before, and has {checkpoint.size}")
    if tree.root(earlier.size) != earlier.root:
        raise NotVerified("forked: its first leaves are others than the earlier checkpoint was signed for")
    return earlier.size
