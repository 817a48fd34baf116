"""The store's epoch: it grows whenever a store is restored, so that what was numbered before is not taken for new."""

from sqlalchemy import Connection, delete, select

from gateway.store.prepared import Prepared
from gateway.store.tables import facts
from gateway.store.upsert import upsert

EPOCH, FENCED = "epoch", "fenced"
_FENCED = Prepared(select(facts.c.value).where(facts.c.name == FENCED))


def epoch(connection: Connection) -> int:
    """Return the store's epoch, from 1."""
    found = connection.execute(select(facts.c.value).where(facts.c.name == EPOCH)).scalar()
    return int(found) if found is not None else 1


def fenced(connection: Connection) -> str | None:
    """Return why nothing may be charged to this store, or None."""
    return _FENCED.value(connection, {})


def begin(connection: Connection, why: str) -> int:
    """Begin another epoch behind a fence: nothing is charged until it is lifted. Returns the epoch."""
    now = epoch(connection) + 1
    upsert(connection, facts, [{"name": EPOCH, "value": str(now)}, {"name": FENCED, "value": why}])
    return now


def lift(connection: Connection) -> None:
    """Lift the fence."""
    connection.execute(delete(facts).where(facts.c.name == FENCED))
