"""The append-only log in the store: leaves, and the complete subtrees above them."""

from sqlalchemy import Connection, bindparam, func, insert, select

from gateway.store.merkle import NodeAt, leaf_hash, new_nodes
from gateway.store.tables import leaves, nodes

# built once: building a statement takes longer than running it
_LAST = select(func.max(leaves.c.position))
_NODE = select(nodes.c.hash).where(nodes.c.level == bindparam("level_"), nodes.c.position == bindparam("position_"))
_LEAF, _NODES = insert(leaves), insert(nodes)


def size(connection: Connection) -> int:
    """Return how many leaves the log has."""
    last = connection.execute(_LAST).scalar()
    return 0 if last is None else last + 1


def node_reader(connection: Connection) -> NodeAt:
    """Return a function that reads the hash of a complete subtree."""

    def node_at(level: int, position: int) -> bytes:
        return bytes(connection.execute(_NODE, {"level_": level, "position_": position}).scalar_one())

    return node_at


def append(connection: Connection, leaf: bytes) -> tuple[int, str]:
    """Append a leaf within the caller's transaction; return its index and its hash in hex."""
    index = size(connection)
    connection.execute(_LEAF, {"position": index, "leaf": leaf})
    made = new_nodes(index, leaf, node_reader(connection))
    connection.execute(_NODES, [{"level": level, "position": at, "hash": value} for level, at, value in made])
    return index, leaf_hash(leaf).hex()


def read_leaf(connection: Connection, index: int) -> bytes:
    """Return a leaf's bytes."""
    return bytes(connection.execute(select(leaves.c.leaf).where(leaves.c.position == index)).scalar_one())
