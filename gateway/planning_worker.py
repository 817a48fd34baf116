"""The planner's process: plans one job at a time, and sends the plan home as JSON, never as a pickle."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from gateway.planning import PlanJob, Planned, plan
from gateway.sql.parse import parse

PLANNED = TypeAdapter(Planned)


class PlannerHandler:
    """Handles `plan(PlanJob)`; the reply's payload is the Planned as JSON."""

    def handle(self, method: str, argument: Any) -> tuple[dict[str, Any], bytes]:
        assert method == "plan"  # INVARIANT: the only method
        assert isinstance(argument, PlanJob)
        return {}, PLANNED.dump_json(plan(argument))


def make(config: Mapping[str, Any]) -> PlannerHandler:
    """Return the handler, warmed by the libraries' first use (the first parse takes twenty times the second)."""
    for dialect in ("duckdb", "postgres", "trino", "spark"):
        parse("SELECT COUNT(*) FROM t WHERE CAST(a AS INT) IN (1, 2)", dialect)
    del config
    return PlannerHandler()
