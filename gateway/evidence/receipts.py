"""What the gateway proves of its log: signed checkpoints, tiles, receipts; and the witnesses' signatures it keeps."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, String, cast, func, or_, select

from gateway.errors import GatewayError
from gateway.evidence import facts, registration, signing
from gateway.evidence.keys import KeyRing, LogKeys
from gateway.evidence.marks import Mark, MarkFile
from gateway.evidence.offline import certificates, layout, notes, tree
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.notes import SHA256_ED25519, Key
from gateway.evidence.offline.receipts import DECISIONS, FORMAT, OUTCOMES
from gateway.store import epochs, log, merkle
from gateway.store.database import Store
from gateway.store.tables import cosignatures, events, leaves, nodes, queries
from gateway.store.upsert import upsert


@dataclass(frozen=True, slots=True)
class Head:
    """A state of the log to be signed: it is marked first, so that no older store passes for newer."""

    body: str
    mark: Mark
    witnessed: tuple[str, ...]


class Evidence:
    """What anyone can check without trusting the gateway's operator."""

    def __init__(self, store: Store, ring: KeyRing, origin: str, mark: MarkFile, witnesses: Sequence[Key] = ()) -> None:
        self._store = store
        self._ring = ring
        self._origin = origin
        self._mark = mark
        self._witnesses = tuple(witnesses)

    @property
    def origin(self) -> str:
        return self._origin

    # -- heads ------------------------------------------------------------------------------------------------------

    def _head(self, connection: Connection, size: int) -> Head:
        root = merkle.root(size, log.node_reader(connection))
        lines = tuple(text for _, text in self._lines(connection, size))
        mark = Mark(size, root.hex(), epochs.epoch(connection))
        return Head(signing.body(self._origin, size, root), mark, lines)

    def _lines(self, connection: Connection, size: int) -> list[tuple[Key, str]]:
        """Return the signature lines under a size by witnesses that are configured today, with their keys."""
        found = select(cosignatures.c.line).where(cosignatures.c.tree_size == size).order_by(cosignatures.c.witness)
        texts = [row.line for row in connection.execute(found)]
        known = {(key.name, key.id): key for key in self._witnesses}
        named = [(notes.parse_line(text), text) for text in texts]
        return [(known[line.name, line.key_id], text) for line, text in named if (line.name, line.key_id) in known]

    def _witnessed_size(self, connection: Connection, beyond: int) -> int | None:
        """Return the largest size above `beyond` that a witness of today has signed."""
        names = [key.name for key in self._witnesses]
        where = (cosignatures.c.tree_size > beyond, cosignatures.c.witness.in_(names))
        return connection.execute(select(func.max(cosignatures.c.tree_size)).where(*where)).scalar()

    async def _signed(self, head: Head, keys: LogKeys | None = None) -> str:
        """Return the signed note of a head, once the mark of it is durable."""
        await asyncio.to_thread(self._mark.keep, head.mark)
        keys = keys or self._ring.keys()
        signed = [signing.sign(head.body, self._origin, key) for key in (keys.current, keys.previous) if key]
        return signing.note(head.body, [*signed, *head.witnessed])

    async def checkpoint(self) -> str:
        """Return the signed head of the log, with the signatures of the witnesses that have seen it."""
        return await self._signed(await self._store.read(lambda c: self._head(c, log.size(c))))

    async def witnessed(self) -> str:
        """Return the signed head of the largest size that a witness signed. Raises GatewayError `not_found`."""

        def work(connection: Connection) -> Head:
            size = self._witnessed_size(connection, 0)
            if size is None:
                raise GatewayError("not_found", "No witness has signed yet.", "Ask for the checkpoint itself.")
            return self._head(connection, size)

        return await self._signed(await self._store.read(work))

    async def cosign(self, tree_size: int, text: str) -> None:
        """Keep a witness's signature under the checkpoint of a size.

        Raises GatewayError `bad_request` where it does not hold, `forbidden` for a witness that is not configured.
        """

        def work(connection: Connection) -> None:
            if not 0 < tree_size <= log.size(connection):
                raise GatewayError("bad_request", "The log has no such size.", "Sign a checkpoint of this log.")
            head = self._head(connection, tree_size)
            try:
                line = notes.parse_line(text)
                key = next((k for k in self._witnesses if (k.name, k.id) == (line.name, line.key_id)), None)
                if key is None:
                    hint = "Its key has to stand in GATEWAY_WITNESSES."
                    raise GatewayError("forbidden", "The witness is not known to this gateway.", hint)
                unsigned = signing.note(head.body, [text])
                notes.cosignature(notes.parse(unsigned), line, key)
            except NotVerified as failure:
                hint = "Sign the checkpoint of this size, as C2SP tlog-cosignature v1 says."
                raise GatewayError("bad_request", f"The signature is not taken: {failure}.", hint) from None
            upsert(connection, cosignatures, [{"tree_size": tree_size, "witness": line.name, "line": text}])

        await self._store.run(work)

    # -- tiles ------------------------------------------------------------------------------------------------------

    async def tile(self, path: str) -> bytes:
        """Return a tile or an entry bundle by its path below `tile/`. Raises GatewayError `not_found`."""
        tile = layout.read_path(path)
        if tile is None:
            raise _no_tile()

        def work(connection: Connection) -> bytes:
            level = layout.LEVEL_BITS * (tile.level or 0)
            if tile.end > log.size(connection) >> level:
                raise _no_tile()
            if tile.level is None:
                span = leaves.c.position.between(tile.start, tile.end - 1)
                rows = connection.execute(select(leaves.c.leaf).where(span).order_by(leaves.c.position))
                return layout.pack([bytes(row.leaf) for row in rows])
            where = (nodes.c.level == level, nodes.c.position.between(tile.start, tile.end - 1))
            found = connection.execute(select(nodes.c.hash).where(*where).order_by(nodes.c.position))
            return b"".join(bytes(row.hash) for row in found)

        return await self._store.read(work)

    # -- receipts ---------------------------------------------------------------------------------------------------

    async def receipt(
        self, query_id: str, *, owner: bool = False, any_decision: bool = False, since: int | None = None
    ) -> dict[str, object]:
        """Return a query's receipt: its decision's and its outcome's leaf, proofs of both, and the signed head.

        The head is the largest that witnesses signed, where it holds both leaves; else the present one. The salt of
        the commitments is for the query's owner alone. `any_decision`: also of a refusal, which
        nobody owns, or of a query whose row a restored store has lost. `since`: with the proof that this head extends
        the one of so many leaves. Raises GatewayError `not_found`, `bad_request` for a size that the log has not had.
        """

        def work(connection: Connection) -> tuple[dict[str, object], Head]:
            row = connection.execute(select(queries).where(queries.c.query_id == query_id)).one_or_none()
            index, outcome = _told(connection, query_id) if row is None and any_decision else _placed(row)
            known = facts.read(connection)
            assert known is not None  # INVARIANT: a gateway that serves has settled its log's name and key
            size = log.size(connection)
            if since is not None and not 0 < since <= size:
                raise GatewayError(
                    "bad_request", "The log has no such size.", "Send the size of a checkpoint you kept."
                )
            last = max((index, outcome or 0, *known.changes, (since or 0) - 1))
            size = self._witnessed_size(connection, last) or size
            return {
                "format": FORMAT,
                "algorithm": SHA256_ED25519,
                "query_id": query_id,
                **_proved(connection, index, size),
                "outcome": None if outcome is None else _proved(connection, outcome, size),
                "tree_size": size,
                "key_name": self._origin,
                "key_changes": [_proved(connection, change, size) for change in known.changes],
                "witnesses": self._words(connection, size),
                **({"salt": bytes(row.salt).hex()} if owner and row is not None else {}),
                **({"extends": _extends(connection, since, size)} if since is not None else {}),
            }, self._head(connection, size)

        document, head = await self._store.read(work)
        keys = self._ring.keys()  # one reading of them: a rotation may be under way
        return {**document, "public_key": keys.public.hex(), "checkpoint": await self._signed(head, keys)}

    async def certificate(self, dataset: str, version: str | None) -> dict[str, object]:
        """Return the registration certificate of a version, without one of what was registered last.

        It is the leaf that says who holds what, with the latest review of it and what ended it, all of them proved.
        Raises GatewayError `not_found`.
        """

        def work(connection: Connection) -> tuple[dict[str, object], Head]:
            said = registration.said(connection, dataset)
            index, reviewed, ended = registration.placed(said, version)
            known = facts.read(connection)
            assert known is not None  # INVARIANT: a gateway that serves has settled its log's name and key
            last = max((index, reviewed or 0, ended or 0, *known.changes))
            size = self._witnessed_size(connection, last) or log.size(connection)
            states = {name: value for name, value in said[index].items() if name != "kind"}
            return {
                "format": certificates.FORMAT,
                "algorithm": SHA256_ED25519,
                "dataset": dataset,
                "policy_version": states["policy_version"],
                "states": states,
                **_proved(connection, index, size),
                "reviewed": None if reviewed is None else _proved(connection, reviewed, size),
                "ended": None if ended is None else _proved(connection, ended, size),
                "tree_size": size,
                "key_name": self._origin,
                "key_changes": [_proved(connection, change, size) for change in known.changes],
                "witnesses": self._words(connection, size),
            }, self._head(connection, size)

        document, head = await self._store.read(work)
        keys = self._ring.keys()
        return {**document, "public_key": keys.public.hex(), "checkpoint": await self._signed(head, keys)}

    def _words(self, connection: Connection, size: int) -> list[str]:
        """Return the keys, as words, of the witnesses that signed the checkpoint of a size."""
        return sorted(key.vkey() for key, _ in self._lines(connection, size))

    async def whole(self) -> tuple[str, str, list[str], list[bytes]]:
        """Return the log as it stands: checkpoint, key (hex), its witnesses' keys, every leaf in order."""

        def work(connection: Connection) -> tuple[Head, list[str], list[bytes]]:
            size = log.size(connection)
            rows = connection.execute(select(leaves.c.leaf).order_by(leaves.c.position))
            found = [bytes(row.leaf) for row in rows]
            return self._head(connection, size), self._words(connection, size), found

        head, words, found = await self._store.read(work)
        keys = self._ring.keys()
        return await self._signed(head, keys), keys.public.hex(), words, found

    async def event(self, query_id: str) -> dict[str, Any] | None:
        """Return the meter event of a query's decision."""
        return await self._store.read(lambda connection: event_of(connection, query_id))


def _no_tile() -> GatewayError:
    hint = "Ask for the tiles of the size that the checkpoint names, as C2SP tlog-tiles writes them."
    return GatewayError("not_found", "The log has no such tile.", hint)


def _no_query() -> GatewayError:
    return GatewayError("not_found", "There is no such query.", "Use the query_id of an answer.")


def _placed(row: Row[Any] | None) -> tuple[int, int | None]:
    """Return where the leaves of a query's decision and of its outcome are, if that is another, by its row."""
    if row is None:
        raise _no_query()
    outcome = row.answer_log_index
    return int(row.log_index), None if outcome in (None, row.log_index) else int(outcome)


def _told(connection: Connection, query_id: str) -> tuple[int, int | None]:
    """Return the same by the query's meter event, and the leaves that followed its decision."""
    event = event_of(connection, query_id)
    if event is None:
        raise _no_query()
    decided = int(event["data"]["log_index"])
    leaf = json.loads(log.read_leaf(connection, decided))
    if leaf.get("query_id") != query_id or leaf["kind"] not in DECISIONS:
        raise _no_query()
    return decided, _outcome(connection, query_id, decided) if leaf["kind"] == "charged" else None


def _outcome(connection: Connection, query_id: str, decided: int) -> int | None:
    """Return where the log has the outcome of a charge whose row a restored store has lost: soon after it, mostly."""
    stored = leaves.c.leaf
    text = cast(stored, String) if connection.dialect.name == "sqlite" else func.convert_from(stored, "UTF8")
    spelled = text.contains(f'"query_id":"{query_id}"', autoescape=True)
    ends = or_(*(text.contains(f'"kind":"{kind}"', autoescape=True) for kind in OUTCOMES))
    found = select(leaves.c.position).where(leaves.c.position > decided, spelled, ends)
    return connection.execute(found.order_by(leaves.c.position).limit(1)).scalar()


def event_of(connection: Connection, query_id: str) -> dict[str, Any] | None:
    """Return the meter event of a query's decision; what its statements cost has events of its own."""
    found = select(events.c.line).where(events.c.query_id == query_id).order_by(events.c.sequence)
    told = [json.loads(row.line) for row in connection.execute(found)]
    ours = (event for event in told if event["subject"] == query_id)
    return next((event for event in ours if event["data"].get("log_index") is not None), None)


def _extends(connection: Connection, since: int, size: int) -> dict[str, object]:
    """Return the proof that the tree of `size` leaves extends that of `since`."""
    proof = tree.consistency_proof(since, size, log.node_reader(connection))
    return {"tree_size": since, "consistency_proof": [node.hex() for node in proof]}


def _proved(connection: Connection, index: int, size: int) -> dict[str, object]:
    """Return a leaf with its place and the proof that the tree of `size` leaves holds it there."""
    proof = merkle.inclusion_proof(index, size, log.node_reader(connection))
    return {
        "leaf": log.read_leaf(connection, index).decode(),
        "log_index": index,
        "inclusion_proof": [node.hex() for node in proof],
    }
