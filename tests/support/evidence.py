"""Logs, keys and witnesses for tests: real ones, in real stores and folders."""

import json
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.evidence import rotation, signing
from gateway.evidence.keys import KeyRing
from gateway.evidence.marks import MarkFile
from gateway.evidence.offline import layout
from gateway.evidence.offline.logs import write_lines
from gateway.evidence.offline.notes import WITNESS_TYPE, Key
from gateway.evidence.offline.tree import Tree, leaf_hash
from gateway.evidence.receipts import Evidence

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ORIGIN = "gw"


async def evidence_of(store, folder, witnesses=(), origin=ORIGIN):
    """Return the evidence of a store whose keys and mark are in a folder."""
    ring = KeyRing(folder)
    await rotation.settle(store, ring, origin)
    return Evidence(store, ring, origin, MarkFile(folder), witnesses)


class Log:
    """A log that is kept in memory, with whatever keys and witnesses a test gives it."""

    def __init__(self, leaves, key=None, origin=ORIGIN, witnesses=()):
        self.leaves, self.origin = list(leaves), origin
        self.key = key or Ed25519PrivateKey.generate()
        self.witnesses = list(witnesses)  # (name, private key)

    @property
    def public(self):
        return signing.public_bytes(self.key).hex()

    @property
    def tree(self):
        return Tree(leaf_hash(leaf) for leaf in self.leaves)

    def words(self):
        return [Key(name, WITNESS_TYPE, signing.public_bytes(key)).vkey() for name, key in self.witnesses]

    def note(self, size=None, keys=None):
        size = len(self.leaves) if size is None else size
        body = signing.body(self.origin, size, self.tree.root(size))
        lines = [signing.sign(body, self.origin, key) for key in keys or [self.key]]
        lines += [signing.cosign(body, name, key, 1_790_000_000) for name, key in self.witnesses]
        return signing.note(body, lines)

    def lines(self):
        return write_lines(self.note(), self.public, self.words(), self.leaves)

    def tiles(self):
        tree, found = self.tree, {}
        for tile in layout.tiles_of(len(self.leaves)):
            if tile.level is None:
                found[tile.path()] = layout.pack(self.leaves[tile.start : tile.end])
            else:
                found[tile.path()] = b"".join(tree.levels[8 * tile.level][tile.start : tile.end])
        return found


def leaf(number, **known):
    content = {"kind": "charged", "query_id": f"Q{number}", "rho": str(number * 7), **known}
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
