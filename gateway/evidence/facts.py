"""What the store knows of its own log: name, current key, where keys changed; and the store's epoch."""

import json
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from gateway.store.tables import facts
from gateway.store.upsert import upsert

LOG, EPOCH = "log", "epoch"


@dataclass(frozen=True, slots=True)
class LogFacts:
    """The log's origin, its key (hex) and the indices of the leaves that changed its key, in order."""

    origin: str
    public_key: str
    changes: tuple[int, ...] = field(default=())


def read(connection: Connection) -> LogFacts | None:
    """Return the facts of the log, or None of a store that has not been served yet."""
    text = _value(connection, LOG)
    if text is None:
        return None
    content = json.loads(text)
    return LogFacts(content["origin"], content["public_key"], tuple(content["changes"]))


def write(connection: Connection, known: LogFacts) -> None:
    content = {"origin": known.origin, "public_key": known.public_key, "changes": list(known.changes)}
    upsert(connection, facts, [{"name": LOG, "value": json.dumps(content, sort_keys=True)}])


def epoch(connection: Connection) -> int:
    """Return how many times the store was restored from a backup."""
    return int(_value(connection, EPOCH) or 0)


def _value(connection: Connection, name: str) -> str | None:
    return connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar_one_or_none()
