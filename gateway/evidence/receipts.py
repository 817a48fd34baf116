"""Signed checkpoints of the log and receipts with inclusion proofs (C2SP signed notes, RFC 9162 proofs)."""

import base64
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, select

from gateway.errors import GatewayError
from gateway.evidence.keys import public_bytes
from gateway.store import log, merkle
from gateway.store.database import Store
from gateway.store.tables import queries

ED25519 = b"\x01"


def key_id(name: str, public: bytes) -> bytes:
    """Return the four bytes that name a key in a signed note."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


class Evidence:
    """What anyone can check without trusting the gateway's operator."""

    def __init__(self, store: Store, key: Ed25519PrivateKey, origin: str) -> None:
        self._store = store
        self._key = key
        self._origin = origin

    def _note(self, size: int, root: bytes) -> str:
        body = f"{self._origin}\n{size}\n{base64.b64encode(root).decode()}\n"
        signature = key_id(self._origin, public_bytes(self._key)) + self._key.sign(body.encode())
        return f"{body}\n\u2014 {self._origin} {base64.b64encode(signature).decode()}\n"

    async def checkpoint(self) -> str:
        """Return the signed head of the log: origin, size, root."""

        def work(connection: Connection) -> str:
            size = log.size(connection)
            return self._note(size, merkle.root(size, log.node_reader(connection)))

        return await self._store.read(work)

    async def receipt(self, query_id: str) -> dict[str, object]:
        """Return a query's receipt: its leaf, the proof that the log holds it, and the signed head.

        Raises GatewayError `not_found`.
        """

        def work(connection: Connection) -> dict[str, object]:
            row = connection.execute(select(queries.c.log_index).where(queries.c.query_id == query_id)).first()
            if row is None:
                raise GatewayError("not_found", "There is no such query.", "Use the query_id of an answer.")
            size, node_at = log.size(connection), log.node_reader(connection)
            return {
                "query_id": query_id,
                "leaf": log.read_leaf(connection, row.log_index).decode(),
                "log_index": row.log_index,
                "tree_size": size,
                "inclusion_proof": [node.hex() for node in merkle.inclusion_proof(row.log_index, size, node_at)],
                "checkpoint": self._note(size, merkle.root(size, node_at)),
                "key_name": self._origin,
                "public_key": public_bytes(self._key).hex(),
            }

        return await self._store.read(work)
