"""What the store of a gateway holds, to be compared before and after something that must change nothing."""

import contextlib
import json
import sqlite3

TOLD = ("log_leaves", "log_nodes", "events", "deliveries", "observations", "alerts", "facts", "alembic_version")
"""Tables that say what was tried, or that the gateway fills by itself: no refusal is to leave a row in any other."""

TRIES = ("refused", "turned-away", "alert-raised")
"""Kinds of leaves that say what was tried."""


def held(gateway):
    """Return the rows of every table that a refusal has no part in, the leaves that tell of changes, what was seen."""
    with contextlib.closing(sqlite3.connect(gateway.state / "gateway.sqlite3", timeout=10)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"'))) for name in set(names) - {*TOLD}}
        leaves = [json.loads(leaf) for (leaf,) in connection.execute("SELECT leaf FROM log_leaves ORDER BY position")]
        seen = sorted(connection.execute("SELECT alert_id, seen_by FROM alerts WHERE seen_by IS NOT NULL"))
    assert len(rows) > 20
    return rows, [leaf for leaf in leaves if leaf["kind"] not in TRIES], seen


def changes(before, after):
    """Return what differs between two looks, by table."""
    rows = {
        name: sorted(set(before[0][name]) ^ set(after[0][name]))
        for name in before[0]
        if before[0][name] != after[0][name]
    }
    leaves = after[1][len(before[1]) :]
    return rows, leaves, [one for one in after[2] if one not in before[2]]


NOTHING = ({}, [], [])
