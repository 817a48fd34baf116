"""What every accepted query must show: one more unit moves no more than is claimed, and nothing but the measurements.

And at a huge budget it is plain SQL's answer. Each function returns what is broken in words; [] is as it should be.
"""

from dataclasses import dataclass, field

import duckdb

from gateway.engines.post import PostProcessor
from gateway.errors import GatewayError
from gateway.planning import Planned
from gateway.privacy.measurement import Measurement
from gateway.privacy.ownership import analyse
from gateway.privacy.relations import Measure
from gateway.privacy.release import release
from gateway.sql.parse import parse
from gateway.sql.select import resolve
from support.answers import exact_rows, staged
from support.exactness import WIDE, differences, selected
from support.generated import Query
from support.neighbours import NEW, measurement_violations
from support.owners import by_owner
from support.shop import SHOP, planned

Pair = tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]


@dataclass(slots=True)
class Seen:
    """How many queries were tried, accepted and compared, and what was in those that were accepted."""

    tried: int = 0
    accepted: int = 0
    compared: int = 0
    constructs: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)


def broken(
    query: Query, databases: Pair, whole: duckdb.DuckDBPyConnection, post: PostProcessor, seen: Seen
) -> list[str]:
    """Return all that an accepted query breaks; a refused one breaks nothing, and is counted as tried."""
    seen.tried += 1
    try:
        made = planned(query.sql)
    except GatewayError:
        return []
    seen.accepted += 1
    seen.constructs |= query.used
    seen.functions |= query.functions
    found = neighbours(query.sql, made, databases)
    if seen.accepted % 3 == 1 and planned(query.sql) != made:  # planning takes most of the time
        found.append("two plans of one query")
    if query.comparable:
        wide = planned(query.sql, dataset=WIDE)
        after = any(used.startswith(("post-processing", "WITH of released")) for used in query.used)
        if not (after and selected(wide)):  # what is left out of a sum changes it
            wrong = differences(query.items, query.sql, wide, whole, post)
            seen.compared += wrong is not None
            found += wrong or []
    return [f"{text} in {query.sql}" for text in found]


def neighbours(sql: str, made: Planned, databases: Pair) -> list[str]:
    """Return how two databases that differ by one unit show more of it than is claimed."""
    without, with_unit = databases
    inputs = staged(without, made)
    found = []
    for measurement in made.program.measurements:
        found += measurement_violations(measurement, without, with_unit, inputs=inputs)
        found += _shape(measurement, databases, inputs)
    for measure in analyse(resolve(parse(sql, "duckdb"), SHOP), SHOP).steps:
        if isinstance(measure, Measure):
            rows = [by_owner(connection, measure, NEW, inputs) for connection in databases]
            found += ["another owner's rows changed"] if rows[0] != rows[1] else []
            found += ["a row without an owner"] if None in rows[1] else []
    return found


def _shape(measurement: Measurement, databases: Pair, inputs: dict[str, bytes]) -> list[str]:
    """Public keys show whatever the data is, unless noise itself hides them."""
    if measurement.selection is not None or (measurement.cells or 0) > 200:
        return []
    shown = [release(measurement, exact_rows(c, measurement, inputs), {}) for c in databases]
    same = shown[0].keys == shown[1].keys and [c.name for c in shown[0].columns] == [c.name for c in shown[1].columns]
    return [] if same else ["the released cells differ"]
