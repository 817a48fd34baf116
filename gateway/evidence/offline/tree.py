"""Merkle trees of RFC 9162, section 2.1: hashes, the complete subtrees of a list of leaves, and both proofs.

Written apart from the code that makes the log, so that a mistake there is not repeated here.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

NodeAt = Callable[[int, int], bytes]
"""Returns the hash of the complete subtree at (level, position)."""


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """The complete subtrees above a list of leaf hashes: `levels[l][p]` covers leaves [p * 2^l, (p + 1) * 2^l)."""

    def __init__(self, hashes: Iterable[bytes]) -> None:
        self.levels: list[list[bytes]] = [list(hashes)]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            self.levels.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])

    def node_at(self, level: int, position: int) -> bytes:
        return self.levels[level][position]

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` leaves (at most all of them)."""
        return root(size, self.node_at)


def _covering(start: int, end: int) -> list[tuple[int, int]]:
    """Return the complete subtrees (level, position) that make up leaves [start, end), from left to right.

    `start` is a multiple of the largest power of two that is no longer than the range.
    """
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def _hash_of(start: int, end: int, node_at: NodeAt) -> bytes:
    """Return MTH(D[start:end]): the hash of a range that the tree of RFC 9162 has as a node."""
    parts = [node_at(level, position) for level, position in _covering(start, end)]
    value = parts.pop()
    while parts:
        value = node_hash(parts.pop(), value)
    return value


def root(size: int, node_at: NodeAt) -> bytes:
    """Return the root of the first `size` leaves; that of none is the hash of nothing."""
    return _hash_of(0, size, node_at) if size else EMPTY_ROOT


def inclusion_root(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that an inclusion proof leads to (section 2.1.3.2), or None where its length is wrong.

    `leaf` is the leaf's hash, `index` counts from 0, `size` is that of the tree.
    """
    if not 0 <= index < size or len(leaf) != HASH_BYTES:
        return None
    position, last, value = index, size - 1, leaf
    for node in proof:
        if last == 0 or len(node) != HASH_BYTES:
            return None
        if position % 2 == 1 or position == last:
            value = node_hash(node, value)
            while position % 2 == 0 and position != 0:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, node)
        position, last = position >> 1, last >> 1
    return value if last == 0 else None


def consistency_proof(old: int, new: int, node_at: NodeAt) -> list[bytes]:
    """Return the proof that the tree of `new` leaves extends that of `old` (section 2.1.4.1); 0 <= old <= new."""
    if old in (0, new):
        return []
    start, end, path, whole = 0, new, [], True
    while end != old:
        half = 1 << ((end - start - 1).bit_length() - 1)
        if old - start <= half:
            path.append(_hash_of(start + half, end, node_at))
            end = start + half
        else:
            path.append(_hash_of(start, start + half, node_at))
            start, whole = start + half, False
    return ([] if whole else [_hash_of(start, end, node_at)]) + path[::-1]


def is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether a proof shows that the tree of `new` leaves extends that of `old` (section 2.1.4.2).

    There is no proof from a tree without leaves, which every tree extends.
    """
    if not 0 < old <= new or any(len(node) != HASH_BYTES for node in proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path or not proof:
        return False
    first, second = old - 1, new - 1
    while first % 2 == 1:
        first, second = first >> 1, second >> 1
    left = right = path[0]
    for node in path[1:]:
        if second == 0:
            return False
        if first % 2 == 1 or first == second:
            left, right = node_hash(node, left), node_hash(node, right)
            while first % 2 == 0 and first != 0:
                first, second = first >> 1, second >> 1
        else:
            right = node_hash(right, node)
        first, second = first >> 1, second >> 1
    return second == 0 and left == old_root and right == new_root
