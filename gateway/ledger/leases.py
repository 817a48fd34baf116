"""Who of several replicas does what one of them does: a name is held for a while, and prolonged by its holder."""

import json
from datetime import datetime

from sqlalchemy import Connection, delete, select

from gateway.ledger.charging import microseconds
from gateway.ledger.events import canonical
from gateway.store.tables import facts
from gateway.store.upsert import upsert


def take(connection: Connection, name: str, holder: str, now: datetime, seconds: float) -> bool:
    """Take or prolong the lease of a name; False where another holds it."""
    at = microseconds(now)
    row = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar()
    if row is not None:
        held = json.loads(row)
        if held["holder"] != holder and held["until_us"] > at:
            return False
    mine = {"holder": holder, "until_us": at + int(seconds * 1_000_000)}
    upsert(connection, facts, [{"name": name, "value": canonical(mine)}])
    return True


def give_up(connection: Connection, name: str, holder: str) -> None:
    """Give a lease up at once, if this holder has it."""
    row = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar()
    if row is not None and json.loads(row)["holder"] == holder:
        connection.execute(delete(facts).where(facts.c.name == name))
