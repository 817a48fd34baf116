"""A bounded group-by and a budget to a measurement: noise scales, thresholds, charges and the names of releases."""

import hashlib
import json
from dataclasses import asdict, dataclass

from gateway.catalog.model import Dataset
from gateway.errors import GatewayError
from gateway.privacy import accounting, noise
from gateway.privacy.bounding import Bounded
from gateway.privacy.measurement import Measurement, Primitive, Selection
from gateway.privacy.partials import Partial
from gateway.privacy.split import split


@dataclass(frozen=True, slots=True)
class Compiled:
    """The engine's SQL for a bounded group-by, that of its relation alone, and how many parameters it takes."""

    sql: str
    relation: str
    parameters: int


def calibrate(name: str, bounded: Bounded, compiled: Compiled, dataset: Dataset, rho: int) -> Measurement:
    """Return the measurement that spends at most `rho` (rho units), each primitive charged at its own map.

    Raises GatewayError `bad_request` where the budget is too small to draw from.
    """
    unit_table = dataset.table(dataset.privacy.unit_table)
    assert unit_table is not None  # INVARIANT: the catalog holds the unit table
    shares = split(bounded, rho, unit_table.rows)
    if min(shares) < 1:
        raise GatewayError("bad_request", "The epsilon is too small to draw noise for.", "Ask with a larger epsilon.")
    delta = _delta(dataset, rho) if bounded.private_keys else 0
    drawn = [
        noise.gaussian(bounded.groups, bound_of(p), share) for p, share in zip(bounded.partials, shares, strict=True)
    ]
    selection = None
    if bounded.private_keys:
        assert bounded.units is not None  # INVARIANT: private keys are released by a count of units
        selection = _selection(bounded.units, bounded, drawn[bounded.units][0], delta, dataset)
    keyed_by = json.dumps([drawn[bounded.units or 0][0], asdict(selection)]) if selection is not None else ""
    primitives = [
        Primitive(
            f"p{i}",
            part.quantity,
            part.lower,
            part.upper,
            scale,
            charge,
            _digest(bounded, compiled, dataset, part, repr((scale, charge, keyed_by))),
        )
        for i, (part, (scale, charge)) in enumerate(zip(bounded.partials, drawn, strict=True))
    ]
    suppress = bounded.units is not None and not bounded.private_keys and bool(bounded.keys)
    return Measurement(
        name=name,
        keys=tuple(key.key for key in bounded.keys),
        groups=bounded.groups,
        primitives=tuple(primitives),
        selection=selection,
        suppress_by=f"p{bounded.units}" if suppress and dataset.privacy.min_units > 1 else None,
        suppress_below=dataset.privacy.min_units if suppress and dataset.privacy.min_units > 1 else 0,
        sql=compiled.sql,
        parameters=compiled.parameters,
    )


LEAST_SHARES = 10_000
"""A budget's delta pays for at most this many thresholds."""


def bound_of(part: Partial) -> int:
    """Return the largest absolute value of a partial: the literals of its clamp and nothing else."""
    return max(-part.lower, part.upper)


def _delta(dataset: Dataset, rho: int) -> int:
    """Return the delta of one query's threshold: the account's, shared out as rho is, but never below 1 in 10,000.

    The account itself is what holds: thresholds are refused once its delta is spent, whatever rho is left.
    """
    rho_limit, delta_limit = accounting.limits(dataset.privacy.budget.epsilon, dataset.privacy.budget.delta)
    return max(delta_limit * min(rho, rho_limit) // max(rho_limit, 1), delta_limit // LEAST_SHARES)


def _selection(index: int, bounded: Bounded, scale: float, delta: int, dataset: Dataset) -> Selection:
    threshold, charged = noise.threshold(bounded.groups, scale, delta)
    return Selection(f"p{index}", threshold, dataset.privacy.min_units, charged)


def _digest(bounded: Bounded, compiled: Compiled, dataset: Dataset, part: Partial, drawn: str) -> str:
    """Name one draw by all that decides it: same name, same noisy value."""
    relation = {
        "rows": [key.expression.sql("duckdb") for key in bounded.keys],
        "inside": [key.inside.sql("duckdb") if key.inside is not None else None for key in bounded.keys],
        "domains": [key.key.domain for key in bounded.keys],
        "sql": compiled.relation,
    }
    content = {
        "dataset": dataset.name,
        "data": dataset.data_version,
        "policy": dataset.policy_version,
        "relation": relation,
        "groups": bounded.groups,
        "part": part.identity(),
        "drawn": drawn,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
