"""The append-only log in the store: leaves, and the complete subtrees above them."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select

from gateway.store.merkle import NodeAt, new_nodes
from gateway.store.prepared import Prepared
from gateway.store.tables import SELDOM, leaves, nodes, seldom

# built once: building a statement takes longer than running it
_LAST = Prepared(select(func.max(leaves.c.position)))
_NODE = Prepared(
    select(nodes.c.hash).where(nodes.c.level == bindparam("level_"), nodes.c.position == bindparam("position_"))
)
_LEAF, _NODES = Prepared(insert(leaves)), Prepared(insert(nodes))


def size(connection: Connection) -> int:
    """Return how many leaves the log has."""
    last = _LAST.value(connection, {})
    return 0 if last is None else int(last) + 1


def node_reader(connection: Connection) -> NodeAt:
    """Return a function that reads the hash of a complete subtree."""

    def node_at(level: int, position: int) -> bytes:
        ((found,),) = _NODE.rows(connection, {"level_": level, "position_": position})
        return bytes(found)

    return node_at


def append(connection: Connection, leaf: bytes) -> tuple[int, str]:
    """Append a leaf within the caller's transaction; return its index and its hash in hex."""
    (made,) = append_all(connection, [leaf])
    return made


def append_all(connection: Connection, appended: Sequence[bytes]) -> list[tuple[int, str]]:
    """Append leaves in their order within the caller's transaction; return the index and the hash in hex of each."""
    first, stored, made = size(connection), node_reader(connection), dict[tuple[int, int], bytes]()

    def node_at(level: int, position: int) -> bytes:
        return made[level, position] if (level, position) in made else stored(level, position)

    for index, leaf in enumerate(appended, first):
        made |= {(level, at): value for level, at, value in new_nodes(index, leaf, node_at)}
    _LEAF.write(connection, [{"position": index, "leaf": leaf} for index, leaf in enumerate(appended, first)])
    _NODES.write(connection, [{"level": level, "position": at, "hash": value} for (level, at), value in made.items()])
    return [(index, made[0, index].hex()) for index in range(first, first + len(appended))]


def read_leaf(connection: Connection, index: int) -> bytes:
    """Return a leaf's bytes."""
    return bytes(connection.execute(select(leaves.c.leaf).where(leaves.c.position == index)).scalar_one())


def read_seldom(connection: Connection, kinds: Collection[str], since: int = 0) -> list[tuple[int, dict[str, Any]]]:
    """Return the leaves of some kinds of SELDOM from an index on, with their places, by the database's index."""
    assert set(kinds) <= set(SELDOM)  # INVARIANT: any other kind would be passed over
    found = select(leaves).where(leaves.c.position >= since, seldom(connection.dialect.name))
    told = [(row.position, json.loads(row.leaf)) for row in connection.execute(found.order_by(leaves.c.position))]
    return [(at, leaf) for at, leaf in told if leaf["kind"] in kinds]
