"""The rows below a measurement, owner by owner, as bits: one more person may change nobody else's."""

import struct

from gateway.compile.relations import select
from support.answers import holding


def bits(value):
    return struct.pack(">d", value) if isinstance(value, float) else (type(value).__name__, value)


def by_owner(connection, measure, without: int, inputs: dict[str, bytes] | None = None) -> dict:
    """Return each owner's rows as a sorted list of bits, without those of the unit `without`."""
    plan = measure.owned.plan
    with holding(connection, {name: (inputs or {})[name] for name in measure.inputs}):
        cursor = connection.execute(select(plan).sql("duckdb"))
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    position = names.index(measure.owned.owner)
    found: dict = {}
    for row in rows:
        if row[position] != without:
            found.setdefault(row[position], []).append(tuple(map(bits, row)))
    return {owner: sorted(rows, key=repr) for owner, rows in found.items()}
