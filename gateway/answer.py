"""The documents that a buyer gets: an answer, a quote. Pure; names and shapes are those of docs/API.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.catalog.model import Dataset
from gateway.engines.encoded import Encoded
from gateway.engines.rendering import as_json
from gateway.ledger.model import Charge
from gateway.orders import Cost
from gateway.planning import Planned
from gateway.privacy import accounting
from gateway.privacy.forecast import Cells, Level, Proposal
from gateway.privacy.measurement import Measurement, Primitive
from gateway.privacy.units import epsilon_of_budget
from gateway.request import Accuracy


@dataclass(slots=True)
class Known:
    """What may be known of a query while it runs: releases, and public rows by name as Arrow IPC streams.

    `releases` holds for each measurement those that its primitives are read from, by digest and as they are stored.
    INVARIANT: nothing exact is ever put here.
    """

    measurements: list[Measurement] = field(default_factory=list)
    releases: list[Mapping[str, bytes]] = field(default_factory=list)
    reads: dict[str, bytes] = field(default_factory=dict)

    def add(self, measurement: Measurement, releases: Mapping[str, bytes]) -> None:
        self.measurements.append(measurement)
        self.releases.append(releases)


@dataclass(frozen=True, slots=True)
class Written:
    """An answer's bytes around what each asking has of its own: its id before `first`, its time before `last`."""

    first: bytes
    last: bytes

    def of(self, query_id: str, at: datetime) -> bytes:
        """Return the exact bytes of the answer to one asking."""
        own = (as_json(query_id), as_json(_time(at)))
        return b"".join((b'{"query_id": ', own[0], b", ", self.first, b', "as_of": ', own[1], b"}, ", self.last))


SYNTHETIC = "sandbox: the rows are synthetic, made of the policy alone; no figure here says anything of the data"


def written(
    planned: Planned,
    dataset: Dataset,
    finished: Encoded,
    due: Cost,
    charge: Charge | None,
    *,
    sandbox: bool = False,
) -> Written:
    """Return an answer as it is written; `charge` is None where everything was stored, and in the sandbox."""
    head = {"state": "FINISHED", **({"sandbox": True} if sandbox else {}), "columns": columns(planned)}
    rest = {
        **_accuracy(planned, finished),
        "privacy": {
            **privacy(dataset, due.rho, due.delta),
            "stored": charge is None and not sandbox,
            "bounds": {note.column: {"rows": note.rows, "groups": note.groups} for note in planned.notes},
            "intervals_cover": "noise",
        },
        "versions": {"policy": dataset.policy_version, "data": dataset.data_version},
    }
    last = {
        "notices": [
            *([SYNTHETIC] if sandbox else []),
            *planned.notices,
            *(["rows beyond row_limit are left out"] if finished.truncated else []),
        ],
        "price": price(due),
        "receipt": {"log_index": charge.log_index, "leaf": f"sha256:{charge.leaf_hash}"} if charge else None,
    }
    rows = (
        b', "rows": ',
        finished.rows,
        b', "intervals": {"confidence": 0.95, "columns": ',
        finished.intervals,
        b"}, ",
    )
    return Written(b"".join((as_json(head)[1:-1], *rows, as_json(rest)[1:-2])), as_json(last)[1:])


def _accuracy(planned: Planned, finished: Encoded) -> dict[str, object]:
    if planned.accuracy is None:
        return {}
    assert finished.reached is not None  # INVARIANT: finished at the confidence that was asked for
    return {"accuracy": {**_aim(planned, planned.accuracy), "reached": finished.reached}}


def _aim(planned: Planned, accuracy: Accuracy) -> dict[str, object]:
    """Return what was asked, and of a relative accuracy the declared sizes that it is relative to."""
    if accuracy.relative is None:
        return {"asked": asked(accuracy)}
    return {"asked": asked(accuracy), "of": {note.column: note.size for note in planned.notes}}


def quote_document(planned: Planned, dataset: Dataset, due: Cost, levels: Sequence[Cost] = ()) -> dict[str, object]:
    """Return what a query would cost and how exact it would be; from the plan and the policy alone.

    `levels` are what each level of the plan's forecast would cost.
    """
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
        **({"accuracy": _aim(planned, planned.accuracy)} if planned.accuracy is not None else {}),
        "expected": {
            "confidence": float(planned.accuracy.confidence) if planned.accuracy is not None else 0.95,
            "half_width": {note.column: note.half_width for note in planned.notes},
            "cells": None if None in cells else sum(count for count in cells if count is not None),
            "partitions": "private" if private else "public",
        },
        **forecast_document(planned, dataset, levels),
        "measured": [_measured(measurement, p) for measurement in measurements for p in measurement.primitives],
        "reasons": {measurement.name: list(measurement.reasons) for measurement in measurements},
        "versions": {"policy": dataset.policy_version, "data": dataset.data_version},
        "notices": list(planned.notices),
    }


def forecast_document(planned: Planned, dataset: Dataset, levels: Sequence[Cost]) -> dict[str, object]:
    """Return the members of a quote that foretell: levels of error, cells, and a coarser question where one helps."""
    forecast = planned.forecast
    if forecast is None:
        return {"levels": [], "cells": [], "proposal": None}
    return {
        "levels": [_level(planned, dataset, level, due) for level, due in zip(forecast.levels, levels, strict=True)],
        "cells": [_cells(one) for one in forecast.cells],
        "proposal": _proposal(forecast.proposal) if forecast.proposal is not None else None,
    }


def _level(planned: Planned, dataset: Dataset, level: Level, due: Cost) -> dict[str, object]:
    columns = {
        note.column: {"half_width": width} if width is not None else {"half_width": None, "reason": note.unpredicted}
        for note, width in zip(planned.notes, level.half_widths, strict=True)
    }
    ask = {"accuracy": asked(level.ask)} if isinstance(level.ask, Accuracy) else {"epsilon": float(level.ask)}
    return {
        "asked": level.asked,
        "ask": ask,
        **privacy(dataset, due.rho, due.delta),
        "stored": due.free,
        "price": price(due),
        "columns": columns,
    }


def _cells(cells: Cells) -> dict[str, object]:
    return {
        "measurement": cells.measurement,
        "keys": "private" if cells.private else "public",
        "plausible": cells.keys,
        "units_per_cell": _short(cells.units),
        "rows_per_cell": _short(cells.rows),
        "least_units": cells.least,
        "can_hold_them": cells.full,
        "expected_to_pass": cells.shown,
        "relative_error": _short(cells.relative),
        "useful": cells.useful,
    }


def _proposal(proposal: Proposal) -> dict[str, object]:
    return {
        "sql": proposal.sql,
        "change": proposal.change,
        "half_width": dict(proposal.half_widths),
        "cells": [_cells(one) for one in proposal.cells],
    }


def _short(value: float | None) -> float | None:
    """Return a predicted figure to four digits: more would say what is not known."""
    return None if value is None else float(f"{value:.4g}")


def asked(accuracy: Accuracy) -> dict[str, float]:
    """Return an accuracy as a request gives it."""
    name = "half_width" if accuracy.half_width is not None else "relative"
    return {name: float(accuracy.target), "confidence": float(accuracy.confidence)}


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
