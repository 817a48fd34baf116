"""The append-only log in the store: leaves, and the complete subtrees above them."""

from sqlalchemy import Connection, func, insert, select

from gateway.store.merkle import NodeAt, leaf_hash, new_nodes
from gateway.store.tables import leaves, nodes


def size(connection: Connection) -> int:
    """Return how many leaves the log has."""
    last = connection.execute(select(func.max(leaves.c.position))).scalar()
    return 0 if last is None else last + 1


def node_reader(connection: Connection) -> NodeAt:
    """Return a function that reads the hash of a complete subtree."""

    def node_at(level: int, position: int) -> bytes:
        found = connection.execute(
            select(nodes.c.hash).where(nodes.c.level == level, nodes.c.position == position)
        ).scalar_one()
        return bytes(found)

    return node_at


def append(connection: Connection, leaf: bytes) -> tuple[int, str]:
    """Append a leaf within the caller's transaction; return its index and its hash in hex."""
    index = size(connection)
    connection.execute(insert(leaves).values(position=index, leaf=leaf))
    made = new_nodes(index, leaf, node_reader(connection))
    connection.execute(insert(nodes), [{"level": level, "position": at, "hash": value} for level, at, value in made])
    return index, leaf_hash(leaf).hex()


def read_leaf(connection: Connection, index: int) -> bytes:
    """Return a leaf's bytes."""
    return bytes(connection.execute(select(leaves.c.leaf).where(leaves.c.position == index)).scalar_one())
