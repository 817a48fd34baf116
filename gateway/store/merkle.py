"""Merkle tree hashing of RFC 9162 (section 2.1): leaves and nodes have prefixes of their own."""

from collections.abc import Callable
from hashlib import sha256

NodeAt = Callable[[int, int], bytes]
"""Returns the hash of the complete subtree at (level, position)."""


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def new_nodes(size: int, leaf: bytes, node_at: NodeAt) -> list[tuple[int, int, bytes]]:
    """Return the complete subtrees (level, position, hash) that the leaf at position `size` finishes."""
    made = [(0, size, leaf_hash(leaf))]
    position, level = size, 0
    while position % 2 == 1:
        left, right = node_at(level, position - 1), made[-1][2]
        level, position = level + 1, position // 2
        made.append((level, position, node_hash(left, right)))
    return made


def _range_hash(start: int, end: int, node_at: NodeAt) -> bytes:
    """Return the hash of leaves [start, end), where `start` is a multiple of the largest power of two in the length."""
    length = end - start
    level = length.bit_length() - 1
    if length == 1 << level:
        return node_at(level, start >> level)
    middle = start + (1 << level)
    return node_hash(node_at(level, start >> level), _range_hash(middle, end, node_at))


def root(size: int, node_at: NodeAt) -> bytes:
    """Return the root of the first `size` leaves; that of none is the hash of nothing."""
    return _range_hash(0, size, node_at) if size else sha256(b"").digest()


def inclusion_proof(index: int, size: int, node_at: NodeAt) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `size` leaves, from the leaf up (RFC 9162, 2.1.3.1)."""
    start, end = 0, size
    path: list[bytes] = []
    while end - start > 1:
        half = 1 << ((end - start - 1).bit_length() - 1)
        if index < start + half:
            path.append(_range_hash(start + half, end, node_at))
            end = start + half
        else:
            path.append(_range_hash(start, start + half, node_at))
            start += half
    return path[::-1]
