"""The tree against RFC 9162's definitions, written out once more from the text, without any shortcut."""

from hashlib import sha256

import pytest

from gateway.evidence.offline.tree import inclusion_root, leaf_hash
from gateway.store import merkle

LEAVES = [f"leaf {i}".encode() for i in range(41)]


def hash_of(leaves):
    """Return MTH(D[n]) as section 2.1.1 defines it."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + hash_of(leaves[:k]) + hash_of(leaves[k:])).digest()


def path_of(m, leaves):
    """Return PATH(m, D[n]) as section 2.1.3.1 defines it."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*path_of(m, leaves[:k]), hash_of(leaves[k:])]
    return [*path_of(m - k, leaves[k:]), hash_of(leaves[:k])]


def grown(size):
    nodes = {}
    for position in range(size):
        for level, at, value in merkle.new_nodes(position, LEAVES[position], lambda lv, p: nodes[lv, p]):
            assert (level, at) not in nodes, "a node of an append-only tree changed"
            nodes[level, at] = value
    return lambda level, position: nodes[level, position]


@pytest.mark.parametrize("size", range(41))
def test_roots_and_paths(size):
    node_at = grown(size)
    assert merkle.root(size, node_at) == hash_of(LEAVES[:size])
    for index in range(size):
        assert merkle.inclusion_proof(index, size, node_at) == path_of(index, LEAVES[:size])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 32, 41])
def test_a_path_leads_to_the_root_and_to_no_other(size):
    node_at = grown(size)
    root = merkle.root(size, node_at)
    for index in range(size):
        path = merkle.inclusion_proof(index, size, node_at)
        assert inclusion_root(leaf_hash(LEAVES[index]), index, size, path) == root
        assert inclusion_root(leaf_hash(LEAVES[index] + b"!"), index, size, path) != root
        assert inclusion_root(leaf_hash(LEAVES[index]), index, size, [*path, b"\0" * 32]) != root
        for other in range(size):
            assert other == index or inclusion_root(leaf_hash(LEAVES[index]), other, size, path) != root
        for place in range(len(path)):
            assert inclusion_root(leaf_hash(LEAVES[index]), index, size, path[:place] + path[place + 1 :]) != root
            turned = bytes([path[place][0] ^ 1]) + path[place][1:]
            assert (
                inclusion_root(leaf_hash(LEAVES[index]), index, size, [*path[:place], turned, *path[place + 1 :]])
                != root
            )
