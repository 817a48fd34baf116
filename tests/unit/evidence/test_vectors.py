"""Tree hashes and proofs against public vectors (vectors/PROVENANCE.md), for the verifier and for the store's tree."""

import base64
import json
from pathlib import Path

import pytest

from gateway.evidence.offline import tree
from gateway.store import merkle

FOLDER = Path(__file__).parent / "vectors"


def read(name):
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines()]


INCLUSION, CONSISTENCY = read("inclusion.jsonl"), read("consistency.jsonl")


def raw(text):
    return base64.b64decode(text or "")


def proof(vector):
    return [raw(node) for node in vector["proof"] or []]


@pytest.mark.parametrize("vector", INCLUSION, ids=lambda v: v["name"])
def test_inclusion(vector):
    found = tree.inclusion_root(raw(vector["leafHash"]), vector["leafIdx"], vector["treeSize"], proof(vector))
    assert (found is not None and found == raw(vector["root"])) is not vector["wantErr"]


@pytest.mark.parametrize("vector", CONSISTENCY, ids=lambda v: v["name"])
def test_consistency(vector):
    sizes, roots = (vector["size1"], vector["size2"]), (raw(vector["root1"]), raw(vector["root2"]))
    assert tree.is_consistent(*sizes, *roots, proof(vector)) is not vector["wantErr"]


LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_roots_of_the_known_tree(size):
    assert tree.Tree(map(tree.leaf_hash, LEAVES)).root(size).hex() == ROOTS[size]
    nodes = {}
    for position, leaf in enumerate(LEAVES[:size]):
        for level, at, value in merkle.new_nodes(position, leaf, lambda lv, p: nodes[lv, p]):
            nodes[level, at] = value
    assert merkle.root(size, lambda level, at: nodes[level, at]).hex() == ROOTS[size]


def test_the_proofs_of_the_known_tree_are_those_of_the_vectors():
    made = tree.Tree(map(tree.leaf_hash, LEAVES))
    seen = 0
    for vector in CONSISTENCY:
        if not vector["wantErr"] and vector["size1"] > 0 and vector["size2"] <= 8:
            assert tree.consistency_proof(vector["size1"], vector["size2"], made.node_at) == proof(vector)
            seen += 1
    assert seen >= 3


@pytest.mark.parametrize("new", [1, 2, 3, 7, 8, 13, 32, 41])
def test_every_earlier_tree_is_shown_to_be_extended_and_no_other(new):
    leaves = [f"leaf {i}".encode() for i in range(new)]
    made = tree.Tree(map(tree.leaf_hash, leaves))
    for old in range(new + 1):
        path = tree.consistency_proof(old, new, made.node_at)
        assert tree.is_consistent(old, new, made.root(old), made.root(new), path) is (old > 0)
        forked = tree.Tree(map(tree.leaf_hash, [b"other", *leaves[1:]]))
        assert old == 0 or not tree.is_consistent(old, new, forked.root(old), made.root(new), path)
        assert not tree.is_consistent(old, new, made.root(old), made.root(new), [*path, bytes(32)])
        for at in range(len(path)):
            assert not tree.is_consistent(old, new, made.root(old), made.root(new), path[:at] + path[at + 1 :])
