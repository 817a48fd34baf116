"""The planner's process: plans or reads one query at a time, and sends what it made home as JSON, never as a pickle."""

import gc
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from gateway.catalog.model import Dataset, Grant
from gateway.errors import GatewayError
from gateway.forecasting import planning
from gateway.models.asked import Model
from gateway.models.composing import compose
from gateway.planning import Planned
from gateway.programs import PlanJob
from gateway.request import Caller, Request
from gateway.sql.parse import parse
from gateway.sql.trino.model import Meant, Statement
from gateway.sql.trino.reading import read

RECURSION = 10_000
"""Python frames: an expression as deep as the limits of sql/ allow takes about 50 for each level."""

YOUNG_OBJECTS = 500_000
"""How many new objects a plan may make before they are collected amid it: more than all but the largest do."""

log = logging.getLogger("gateway.planner")

PLANNED = TypeAdapter(Planned)
MEANT = TypeAdapter(Meant)


@dataclass(frozen=True, slots=True)
class Asked:
    """A PlanJob for a process that knows the dataset by a number."""

    dataset: int
    caller: Caller
    request: Request
    now: datetime
    grant: Grant | None
    quote: bool


@dataclass(frozen=True, slots=True)
class Composed:
    """A model to be written as SQL, for a process that knows the dataset by a number."""

    dataset: int
    model: Model


class PlannerHandler:
    """Handles `learn(number, Dataset)`, `plan(Asked)` and `read(Statement)`: the payload is JSON.

    And `compose(Composed)`: the payload is SQL.
    """

    def __init__(self) -> None:
        self._datasets: dict[int, Dataset] = {}

    def handle(self, method: str, argument: Any) -> tuple[dict[str, Any], bytes]:
        if method == "learn":
            number, dataset = argument
            if number == 0:  # the caller begins anew
                self._datasets.clear()
            self._datasets[number] = dataset
            return {}, b""
        try:
            return {}, self._made(method, argument)
        except GatewayError:
            raise
        except Exception:
            # a mistake of ours on odd SQL: the buyer's text is refused, and the provider told
            log.exception("a query could not be planned")
            hint = "Write it more simply; the provider has been told."
            raise GatewayError("unsupported_sql", "This SQL is not understood.", hint) from None

    def _made(self, method: str, argument: Any) -> bytes:
        if method == "read":
            assert isinstance(argument, Statement)
            return MEANT.dump_json(read(argument))
        if method == "compose":
            assert isinstance(argument, Composed)
            return compose(argument.model, self._datasets[argument.dataset]).encode()
        assert method == "plan"  # INVARIANT: the only other method
        assert isinstance(argument, Asked)
        dataset = self._datasets[argument.dataset]
        job = PlanJob(dataset, argument.caller, argument.request, argument.now, argument.grant, argument.quote)
        return PLANNED.dump_json(planning(job))

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
