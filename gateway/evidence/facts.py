"""What the store knows of its own log: its name, its current key, and where keys changed."""

import json
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from gateway.evidence.offline.keychain import key_leaves
from gateway.store.tables import facts, leaves
from gateway.store.upsert import upsert

LOG = "log"


@dataclass(frozen=True, slots=True)
class LogFacts:
    """The log's origin, its key (hex) and the indices of the leaves that changed its key, in order."""

    origin: str
    public_key: str
    changes: tuple[int, ...] = field(default=())


def read(connection: Connection) -> LogFacts | None:
    """Return the facts of the log, or None of a store that has not been served yet."""
    text = connection.execute(select(facts.c.value).where(facts.c.name == LOG)).scalar_one_or_none()
    if text is None:
        return None
    content = json.loads(text)
    return LogFacts(content["origin"], content["public_key"], tuple(content["changes"]))


def write(connection: Connection, known: LogFacts) -> None:
    content = {"origin": known.origin, "public_key": known.public_key, "changes": list(known.changes)}
    upsert(connection, facts, [{"name": LOG, "value": json.dumps(content, sort_keys=True)}])


def found(connection: Connection, origin: str) -> LogFacts | None:
    """Return what the leaves themselves say of the log's keys; None where none of them changed one."""
    rows = connection.execute(select(leaves.c.position, leaves.c.leaf).order_by(leaves.c.position))
    changes = [(row.position, change) for row in rows for change in key_leaves([bytes(row.leaf)])]
    return LogFacts(origin, changes[-1][1]["public_key"], tuple(at for at, _ in changes)) if changes else None
