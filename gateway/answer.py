"""The documents that a buyer gets: an answer, a quote. Pure; names and shapes are those of docs/API.md."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.catalog.model import Dataset
from gateway.ledger.model import Charge
from gateway.orders import Cost
from gateway.planning import Planned
from gateway.privacy import accounting
from gateway.privacy.measurement import Measurement, NoisyTable, Primitive
from gateway.privacy.units import epsilon_of_budget


@dataclass(slots=True)
class Known:
    """What may be known of a query while it runs: noisy tables, and public rows by name as Arrow IPC streams.

    INVARIANT: nothing exact is ever put here.
    """

    measurements: list[Measurement] = field(default_factory=list)
    tables: list[NoisyTable] = field(default_factory=list)
    reads: dict[str, bytes] = field(default_factory=dict)

    def add(self, measurement: Measurement, table: NoisyTable) -> None:
        self.measurements.append(measurement)
        self.tables.append(table)


@dataclass(frozen=True, slots=True)
class Finished:
    """Noisy rows after post-processing, with a 95 % interval for each noisy cell."""

    rows: list[list[object]]
    intervals: Mapping[str, list[list[object] | None]]
    truncated: bool


def answer_bytes(
    query_id: str,
    planned: Planned,
    dataset: Dataset,
    finished: Finished,
    due: Cost,
    charge: Charge | None,
    at: datetime,
) -> bytes:
    """Return the exact bytes of an answer; `charge` is None where everything was stored."""
    document: dict[str, object] = {
        "query_id": query_id,
        "state": "FINISHED",
        "columns": columns(planned),
        "rows": finished.rows,
        "intervals": {"confidence": 0.95, "columns": finished.intervals},
        "privacy": {
            **privacy(dataset, due.rho, due.delta),
            "stored": charge is None,
            "bounds": {note.column: {"rows": note.rows, "groups": note.groups} for note in planned.notes},
            "intervals_cover": "noise",
        },
        "versions": {"policy": dataset.policy_version, "data": dataset.data_version, "as_of": _time(at)},
        "notices": [*planned.notices, *(["rows beyond row_limit are left out"] if finished.truncated else [])],
        "price": price(due),
        "receipt": {"log_index": charge.log_index, "leaf": f"sha256:{charge.leaf_hash}"} if charge else None,
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(", ", ": ")).encode()


def quote_document(planned: Planned, dataset: Dataset, due: Cost) -> dict[str, object]:
    """Return what a query would cost and how exact it would be; from the plan and the policy alone."""
    measurements = planned.program.measurements
    cells = [measurement.cells for measurement in measurements]
    private = any(measurement.selection is not None for measurement in measurements)
    return {
        "state": "QUOTED",
        "columns": columns(planned),
        "privacy": {
            **privacy(dataset, due.rho, due.delta),
            "stored": due.free,
            "epsilon_asked": f"{planned.epsilon:f}",
        },
        "price": price(due),
        "expected": {
            "confidence": 0.95,
            "half_width": {note.column: note.half_width for note in planned.notes},
            "cells": None if None in cells else sum(count for count in cells if count is not None),
            "partitions": "private" if private else "public",
        },
        "measured": [_measured(measurement, p) for measurement in measurements for p in measurement.primitives],
        "reasons": {measurement.name: list(measurement.reasons) for measurement in measurements},
        "versions": {"policy": dataset.policy_version, "data": dataset.data_version},
        "notices": list(planned.notices),
    }


def _measured(measurement: Measurement, primitive: Primitive) -> dict[str, object]:
    return {
        "measurement": measurement.name,
        "primitive": primitive.name,
        "quantity": primitive.quantity.value,
        "clamp": [primitive.lower, primitive.upper],
        "groups": measurement.groups,
        "noise": f"discrete {primitive.noise.value.capitalize()}",
        "standard_deviation": round(primitive.expected_scale, 6),
        "rho": _rho(primitive.charge),
    }


def columns(planned: Planned) -> list[dict[str, object]]:
    return [
        {"name": column.name, "type": str(column.type), **({"noisy": True} if column.noisy else {})}
        for column in planned.program.finish.columns
    ]


def privacy(dataset: Dataset, rho: int, delta: int) -> dict[str, object]:
    """Return a privacy loss in numbers: rho and delta as charged, and an epsilon with the delta it holds at."""
    epsilon, at_delta = accounting.display(rho, delta, dataset.privacy.budget.delta, dataset.privacy.accounting)
    return {
        "rho": _rho(rho),
        "delta": delta / 10**18,
        "epsilon": round(epsilon_of_budget(rho, dataset.privacy.accounting), 9),
        "as": {"epsilon": epsilon, "delta": at_delta},
    }


def _rho(rho: int) -> float:
    return rho / 10**12


def price(due: Cost) -> dict[str, object]:
    return {
        "amount": f"{due.price.amount:f}",
        "currency": due.price.currency,
        "plan": due.price.plan,
        "version": due.price.version,
    }


def _time(at: datetime) -> str:
    return at.replace(microsecond=0).isoformat().replace("+00:00", "Z")
