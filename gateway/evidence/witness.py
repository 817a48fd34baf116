"""A witness: sees that a log only ever grows from what it saw before, and signs that. It has no store of the gateway.

Its folder holds the last checkpoint that it signed, the log's keys as it knows them, and, where a log was caught,
both heads as proof.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.evidence import files, signing
from gateway.evidence.offline import layout, notes, tree
from gateway.evidence.offline.failure import NotVerified, unbase64
from gateway.evidence.offline.keychain import follow, key_leaves
from gateway.evidence.offline.notes import LOG_TYPE, WITNESS_TYPE, Checkpoint, Key
from gateway.ports import Clock

LAST, KEYS = "checkpoint", "log.keys"


class LogSource(Protocol):
    """The log over HTTP; paths begin with a slash, after the address."""

    def get(self, path: str) -> bytes: ...
    def post(self, path: str, body: dict[str, object]) -> None: ...


class Caught(Exception):
    """The log forked, was rolled back, or is signed by a stranger; `folder` holds the proof."""

    def __init__(self, reason: str, folder: Path) -> None:
        super().__init__(reason)
        self.reason = reason
        self.folder = folder


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """The name and key that a witness signs with."""

    name: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> Key:
        return Key(self.name, WITNESS_TYPE, signing.public_bytes(self.private))


def make_key(path: Path, name: str) -> WitnessKey:
    """Make a witness's key file, readable by its owner alone. Raises FileExistsError; NotVerified for a bad name."""
    if not notes.is_key_name(name):
        raise NotVerified("a witness's name has no spaces and no plus sign")
    if path.exists():
        raise FileExistsError(path)
    made = WitnessKey(name, Ed25519PrivateKey.generate())
    secret = made.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    words = base64.b64encode(bytes([WITNESS_TYPE]) + secret).decode()
    files.write(path, f"PRIVATE+KEY+{name}+{made.public.id.hex()}+{words}\n")
    return made


def read_key(path: Path) -> WitnessKey:
    """Return the key of a file that `make_key` wrote. Raises OSError or NotVerified."""
    first, second, name, key_id, words = [*path.read_text(encoding="utf-8").strip().split("+", 4), *[""] * 5][:5]
    content = unbase64(words, "the witness's key")
    if (first, second, content[0], len(content)) != ("PRIVATE", "KEY", WITNESS_TYPE, 33):
        raise NotVerified("the file is no witness's key")
    key = WitnessKey(name, Ed25519PrivateKey.from_private_bytes(content[1:]))
    if key.public.id.hex() != key_id:
        raise NotVerified("the witness's key does not agree with its id")
    return key


@dataclass(frozen=True, slots=True)
class Seen:
    """What a witness signed: the size, and the one that it extends (None: its first)."""

    origin: str
    size: int
    extends: int | None
    line: str


class Tiles:
    """The hashes of a log of one size, fetched tile by tile."""

    def __init__(self, get: Callable[[str], bytes], size: int) -> None:
        self._get = get
        self._size = size
        self._known: dict[layout.Tile, list[bytes]] = {}

    def node_at(self, level: int, position: int) -> bytes:
        """Return the hash of a complete subtree, computed from the tile that spans it. Raises NotVerified."""
        above, within = divmod(level, layout.LEVEL_BITS)
        first = position << within
        index = first // layout.WIDTH
        there = (self._size >> (layout.LEVEL_BITS * above)) - index * layout.WIDTH
        tile = layout.Tile(above, index, min(there, layout.WIDTH))
        hashes = self._hashes(tile)[first - tile.start : first - tile.start + (1 << within)]
        return tree.Tree(hashes).root(len(hashes))

    def _hashes(self, tile: layout.Tile) -> list[bytes]:
        if tile not in self._known:
            content = self._get(f"/v1/log/tile/{tile.path()}")
            if len(content) != tile.width * tree.HASH_BYTES:
                raise NotVerified(f"tile/{tile.path()} has another length")
            starts = range(0, len(content), tree.HASH_BYTES)
            self._known[tile] = [content[at : at + tree.HASH_BYTES] for at in starts]
        return self._known[tile]

    def leaves(self) -> list[bytes]:
        """Return the leaves. Raises NotVerified."""
        bundles = (tile for tile in layout.tiles_of(self._size) if tile.level is None)
        parts = (layout.unpack(self._get(f"/v1/log/tile/{tile.path()}"), tile.width) for tile in bundles)
        return [leaf for part in parts for leaf in part]


class Witness:
    """One witness of one log."""

    def __init__(self, source: LogSource, key: WitnessKey, folder: Path, clock: Clock, log_key: str | None) -> None:
        self._source = source
        self._key = key
        self._folder = folder
        self._clock = clock
        self._log_key = log_key

    def step(self) -> Seen:
        """Look at the log once; sign its head, keep it durably, and only then hand the signature in.

        Raises Caught, whatever the source raises, or NotVerified where what the source sent is not readable.
        """
        note = self._source.get("/v1/log/checkpoint").decode("utf-8", "replace")
        head = notes.parse(note)
        last = self._last()
        tiles = Tiles(self._source.get, head.size)
        # 1. the log's key, or one that it leads to
        keys = self._keys(head.origin)
        if head.origin in notes.strangers(head, keys):  # a key that is new to this witness
            keys = self._followed(keys, head, tiles, note)
        try:
            notes.signers(head, keys)
        except NotVerified as failure:
            raise self._caught(str(failure), note) from None
        # 2. the same log, no smaller, and grown from what was signed
        if last is not None:
            self._compare(last, head, tiles, note)
        if tree.root(head.size, tiles.node_at) != head.root:
            raise self._caught("its tiles do not make the root that it signed", note)
        # 3. sign, keep, hand in
        time_s = int(self._clock.now().timestamp())
        line = signing.cosign(head.body, self._key.name, self._key.private, time_s)
        files.write(self._folder / KEYS, json.dumps([key.vkey() for key in keys]) + "\n")
        files.write(self._folder / LAST, f"{note}{line}\n")
        if head.size:
            self._source.post("/v1/log/cosignatures", {"tree_size": head.size, "line": line})
        return Seen(head.origin, head.size, None if last is None else last.size, line)

    def _last(self) -> Checkpoint | None:
        path = self._folder / LAST
        if not path.exists():
            return None
        last = notes.parse(path.read_text(encoding="utf-8"))
        if not notes.cosigned(last, [self._key.public]):
            raise NotVerified("the folder's last checkpoint was not signed by this witness")
        return last

    def _keys(self, origin: str) -> tuple[Key, ...]:
        """Return the log's keys that this witness knows; the first is the one that its operator named."""
        path = self._folder / KEYS
        if path.exists():
            return tuple(notes.read_key(word, origin, LOG_TYPE) for word in json.loads(path.read_text()))
        if self._log_key is None:
            raise NotVerified("the log's key is not known yet: name it once with --log-key")
        return (notes.read_key(self._log_key, origin, LOG_TYPE),)

    def _followed(self, keys: tuple[Key, ...], head: Checkpoint, tiles: Tiles, note: str) -> tuple[Key, ...]:
        """Return the keys with those that the log's own leaves lead to. Raises Caught where a step is not signed."""
        try:
            return follow(keys, key_leaves(tiles.leaves()), head.origin).trusted
        except NotVerified as failure:
            raise self._caught(str(failure), note) from None

    def _compare(self, last: Checkpoint, head: Checkpoint, tiles: Tiles, note: str) -> None:
        if head.origin != last.origin:
            raise self._caught("it is another log", note)
        if head.size < last.size:
            raise self._caught(f"rolled back from {last.size} to {head.size} leaves", note)
        if last.size == 0:
            return  # every log extends one without leaves
        proof = tree.consistency_proof(last.size, head.size, tiles.node_at)
        if not tree.is_consistent(last.size, head.size, last.root, head.root, proof):
            raise self._caught(f"forked: {head.size} leaves do not extend the {last.size} that were signed", note)

    def _caught(self, reason: str, note: str) -> Caught:
        """Keep both heads, as they were signed, and return what to raise."""
        at = self._clock.now().strftime("%Y%m%dT%H%M%SZ")
        folder = self._folder / f"caught-{at}"
        last = self._folder / LAST
        if last.exists():
            files.write(folder / "signed-before", last.read_text(encoding="utf-8"))
        files.write(folder / "seen-now", note)
        files.write(folder / "reason", f"{reason}\n")
        return Caught(reason, folder)
