"""The store as it is set and as it stands: what a commit survives, whose clock is off, whether the log is whole."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select, text

from gateway.app.doctor.finding import Finding, bad, good, warning
from gateway.store import epochs
from gateway.store.tables import events

SKEW = timedelta(seconds=2)


def durability(connection: Connection) -> Iterator[Finding]:
    """Look whether what was committed survives a crash of the machine."""
    if connection.dialect.name == "sqlite":
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        check = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if journal != "wal":
            yield bad(
                "store durability", f"SQLite's journal is {journal}", "Start the gateway on it once: it sets WAL."
            )
        elif check != "ok":
            yield bad("store durability", "SQLite finds its file damaged", "Restore a backup: gateway store restore.")
        else:
            yield good("store durability", "SQLite, WAL, each commit synced to the disk")
        return
    wanted = {"fsync": "on", "full_page_writes": "on"}
    wrong = [f"{name} is {value}" for name, on in wanted.items() if (value := _shown(connection, name)) != on]
    if wrong:
        fix = "Set fsync and full_page_writes to on in postgresql.conf, and restart it."
        yield bad("store durability", f"PostgreSQL may lose commits: {', '.join(wrong)}", fix)
    else:
        yield good("store durability", "PostgreSQL, each commit synced to the disk")
    if connection.execute(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")).scalar():
        fix = "Give the gateway a role that owns its own database and nothing else."
        yield warning("store role", "the store is used as a superuser", fix)


def _shown(connection: Connection, name: str) -> str:
    return str(connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar())


def clock(connection: Connection, now: datetime) -> Iterator[Finding]:
    """Compare the clock with the store's and with the latest event's."""
    if connection.dialect.name != "sqlite":
        there = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        off = abs(now - there.astimezone(UTC))
        if off > SKEW:
            fix = "Let both machines follow one time source (chrony, systemd-timesyncd)."
            yield bad("clock", f"it is {off.total_seconds():.0f} seconds off the store's", fix)
            return
    line = connection.execute(select(events.c.line).order_by(events.c.sequence.desc()).limit(1)).scalar()
    if line is not None and datetime.fromisoformat(json.loads(line)["time"]) > now + SKEW:
        fix = "Set the clock; tokens, grants and bills go by it."
        yield bad("clock", "the store holds events from later than now", fix)
    else:
        yield good("clock", now.isoformat(timespec="seconds"))


def fence(connection: Connection) -> Iterator[Finding]:
    """Look whether a restored store still waits for its operator."""
    why = epochs.fenced(connection)
    if why is not None:
        fix = "gateway store replay with a witness's copy of the log, or gateway store write-off by two persons."
        yield bad("fence", f"the store takes no charges: {why}", fix)
    else:
        yield good("fence", "the store takes charges")
