"""The planner's process: plans one job at a time, and sends the plan home as JSON, never as a pickle."""

import gc
import logging
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from gateway.errors import GatewayError
from gateway.forecasting import planning
from gateway.planning import Planned
from gateway.programs import PlanJob
from gateway.sql.parse import parse

RECURSION = 10_000
"""Python frames: an expression as deep as the limits of sql/ allow takes about 50 for each level."""

YOUNG_OBJECTS = 500_000
"""How many new objects a plan may make before they are collected amid it: more than all but the largest do."""

log = logging.getLogger("gateway.planner")

PLANNED = TypeAdapter(Planned)


class PlannerHandler:
    """Handles `plan(PlanJob)`; the reply's payload is the Planned as JSON."""

    def handle(self, method: str, argument: Any) -> tuple[dict[str, Any], bytes]:
        assert method == "plan"  # INVARIANT: the only method
        assert isinstance(argument, PlanJob)
        try:
            planned = planning(argument)
        except GatewayError:
            raise
        except Exception:
            # a mistake of ours on odd SQL: the buyer's text is refused, and the provider told
            log.exception("a query could not be planned")
            hint = "Write it more simply; the provider has been told."
            raise GatewayError("unsupported_sql", "This SQL is not understood.", hint) from None
        return {}, PLANNED.dump_json(planned)

    def rest(self) -> None:
        """Collect the last plan's syntax trees: they are full of cycles, and a collection takes as long as a stage."""
        gc.collect()


def make(config: Mapping[str, Any]) -> PlannerHandler:
    """Return the handler, warmed by the libraries' first use (the first parse takes twenty times the second)."""
    sys.setrecursionlimit(RECURSION)
    for dialect in ("duckdb", "postgres", "trino", "spark"):
        parse("SELECT COUNT(*) FROM t WHERE CAST(a AS INT) IN (1, 2)", dialect)
    del config
    gc.collect()
    gc.freeze()  # syntax trees are full of cycles: each collection would walk all libraries as well
    gc.set_threshold(YOUNG_OBJECTS)
    return PlannerHandler()
