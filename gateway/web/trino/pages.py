"""Pages of results, cut from an answer by their number: each is the same whenever and wherever it is asked for."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import GatewayError
from gateway.stages import Stage
from gateway.web.formats import columns_of
from gateway.web.trino.errors import trino_error
from gateway.web.trino.types import column, writer

MAX_ROWS = 10_000
MAX_BYTES = 1024 * 1024
"""A page ends with the row that passes so many bytes."""

QUEUED, RUNNING, FINISHED, FAILED = "QUEUED", "RUNNING", "FINISHED", "FAILED"

_STATES = {
    Stage.PLAN: "PLANNING",
    Stage.PRICE: "PLANNING",
    Stage.LEASE: "WAITING_FOR_RESOURCES",
    Stage.CHARGE: "STARTING",
    Stage.EXECUTE: RUNNING,
    Stage.RELEASE: RUNNING,
    Stage.FINISH: "FINISHING",
    Stage.RECORD: "FINISHING",
}

_NOTHING = (
    "nodes", "totalSplits", "queuedSplits", "runningSplits", "completedSplits", "cpuTimeMillis", "wallTimeMillis",
    "processedRows", "processedBytes", "physicalInputBytes",
)  # fmt: skip
_NO_TIMES = (
    "planningTimeMillis", "analysisTimeMillis", "queuedTimeMillis", "elapsedTimeMillis", "finishingTimeMillis",
    "physicalInputTimeMillis", "physicalWrittenBytes", "internalNetworkInputBytes", "peakMemoryBytes", "spilledBytes",
)  # fmt: skip


def state_of(stage: Stage | None) -> str:
    """Return Trino's word for a stage; None: another replica works on the question, and tells its stage alone."""
    return RUNNING if stage is None else _STATES.get(stage, QUEUED)


def stats(state: str, stage: Stage | None = None) -> dict[str, object]:
    """Return a page's figures. All are zero: what a question costs an engine would tell of the data."""
    nothing: dict[str, object] = dict.fromkeys(_NOTHING, 0)
    found: dict[str, object] = {"state": state, "queued": state == QUEUED, "scheduled": state != QUEUED}
    found |= {**nothing, **dict.fromkeys(_NO_TIMES, 0)}
    if stage is not None:
        done = state in (FINISHED, FAILED)
        told = {"stageId": stage.value, "state": state, "done": done, "failedTasks": 0, "coordinatorOnly": True}
        found["rootStage"] = {**nothing, **told, "subStages": []}
    return found


@dataclass(frozen=True, slots=True)
class Results:
    """What the pages of one query are cut from: columns, all rows as the protocol writes them, where pages begin."""

    columns: tuple[dict[str, object], ...]
    rows: Sequence[Sequence[object]]
    begins: tuple[int, ...]
    warnings: tuple[dict[str, object], ...] = ()
    size: int = 0

    @property
    def count(self) -> int:
        return len(self.begins)

    def page(self, number: int) -> dict[str, object]:
        """Return the part of a reply that a page is. Raises GatewayError `not_found` beyond the last."""
        if not 0 <= number < self.count:
            raise GatewayError("not_found", "There is no such page.", "Follow `nextUri` as it was given.")
        end = self.begins[number + 1] if number + 1 < self.count else len(self.rows)
        rows = self.rows[self.begins[number] : end]
        return {
            "columns": self.columns,
            **({"data": rows} if rows else {}),
            "stats": stats(FINISHED),
            "warnings": self.warnings,
        }

    def only(self) -> dict[str, object]:
        """Return everything as the one page."""
        return replace(self, begins=(0,)).page(0)


def results(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], warnings: Sequence[Any] = ()) -> Results:
    """Return what pages are cut from, of columns as (name, type) and rows of an answer's cells."""
    writers = [writer(type_) for _, type_ in columns]
    written = [[write(cell) for write, cell in zip(writers, row, strict=True)] for row in rows]
    begins, since, size, whole = [0], 0, 0, 0
    for index, row in enumerate(written):
        if index - since >= MAX_ROWS or size >= MAX_BYTES:
            begins.append(index)
            since, size = index, 0
        length = len(json.dumps(row, ensure_ascii=False).encode())
        size, whole = size + length, whole + length
    told = tuple(column(name, type_) for name, type_ in columns)
    return Results(told, written, tuple(begins), tuple(warnings), whole)


def of_answer(document: dict[str, Any], *, intervals: bool) -> Results:
    """Return what the pages of a stored answer are cut from; `intervals`: with columns `n_low` and `n_high`."""
    found = columns_of(document, intervals=intervals)
    rows = list(zip(*(one.values for one in found), strict=True))
    return results([(one.name, one.type) for one in found], rows, warnings_of(document))


def warnings_of(document: dict[str, Any]) -> list[dict[str, object]]:
    """Return what an answer cost, and its notices, as warnings."""
    privacy, price = document["privacy"], document["price"]
    cost = "nothing: it was stored" if privacy["stored"] else f"rho {privacy['rho']:g}, delta {privacy['delta']:g}"
    said = [
        ("PRIVACY_COST", f"Privacy: {cost}."),
        ("PRICE", f"Price: {price['amount']} {price['currency']}."),
        *(("NOTICE", notice) for notice in document["notices"]),
    ]
    return [{"warningCode": {"code": _CODES[name], "name": name}, "message": text} for name, text in said]


_CODES = {"PRIVACY_COST": 33554433, "PRICE": 33554434, "NOTICE": 33554435}
"""Numbers of our own, beyond those of Trino and its connectors."""


def failed(error: GatewayError) -> dict[str, object]:
    """Return the part of a reply that says why there are no rows."""
    return {"error": trino_error(error), "stats": stats(FAILED), "warnings": []}
