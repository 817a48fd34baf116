"""A bounded group-by and a budget to a measurement: noise scales, thresholds, charges and the names of releases."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from gateway.catalog.model import Dataset
from gateway.errors import GatewayError
from gateway.privacy import accounting, noise, trees
from gateway.privacy.bounding import Bounded
from gateway.privacy.measurement import Candidate, Measurement, Primitive, Probe, Search, Selection, Tree
from gateway.privacy.norms import Clip
from gateway.privacy.outputs import decimal_text
from gateway.privacy.reasons import reasons_of
from gateway.privacy.split import searching, split
from gateway.privacy.trees import TreePart


@dataclass(frozen=True, slots=True)
class CompiledProbe:
    """One statement of the engine, how many parameters it takes, and the indices of the parts that it totals."""

    sql: str
    parameters: int
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """The engine's SQL for a bounded group-by, and what names each part whatever else is asked beside it."""

    probes: tuple[CompiledProbe, ...]
    identities: tuple[str, ...]


LEAST_SHARES = 10_000
"""A budget's delta pays for at most this many thresholds."""


def calibrate(
    bounded: Bounded,
    compiled: Compiled,
    dataset: Dataset,
    rho: int,
    read: Sequence[str] = (),
    shares: Sequence[int] | None = None,
) -> Measurement:
    """Return the measurement that spends at most `rho` (ledger units), each primitive charged at its own map.

    `shares` give each primitive its part of `rho`, where it is not split by declared sizes.
    `read` says what its staged inputs are made of (their SQL, and the digests of what that reads), for the names of
    releases. Raises GatewayError `bad_request` where the budget is too small to draw from.
    """
    assert len(read) >= len(bounded.inputs)  # INVARIANT: what a staged input holds is part of the release's name
    shares = split(bounded, rho) if shares is None else shares
    if min(shares) < 1:
        raise GatewayError("bad_request", "The epsilon is too small to draw noise for.", "Ask with a larger epsilon.")
    drawn = [_primitive(bounded, index, share) for index, share in enumerate(shares)]
    selection, keyed_by = None, ""
    if bounded.private_keys:
        assert bounded.units is not None  # INVARIANT: private keys are released by a count of units
        units = drawn[bounded.units]
        selection = _selection(units, bounded, _delta(dataset, rho), dataset)
        keyed_by = json.dumps([units.candidates[0].scale, asdict(selection)])
    named = [
        _named(bounded, identity, dataset, one, [keyed_by, *read])
        for one, identity in zip(drawn, compiled.identities, strict=True)
    ]
    hides = bounded.units is not None and not bounded.private_keys and bool(bounded.keys)
    hides = hides and dataset.privacy.min_units > 1
    measurement = Measurement(
        name=bounded.name,
        keys=tuple(key.key for key in bounded.keys),
        groups=bounded.groups if bounded.private_keys else None,
        listed=bool(bounded.factors),
        cells=bounded.cells,
        probes=tuple(
            Probe(one.sql, one.parameters, tuple(named[i] for i in one.parts), bounded.inputs)
            for one in compiled.probes
        ),
        selection=selection,
        suppress_by=f"p{bounded.units}" if hides else None,
        suppress_below=dataset.privacy.min_units if hides else 0,
        reasons=reasons_of(bounded, named),
    )
    assert measurement.rho <= rho  # INVARIANT: a measurement spends no more than it was given
    return measurement


def _primitive(bounded: Bounded, index: int, share: int) -> Primitive:
    """Return a primitive without its digest: its search, and every candidate at the scale that the rest pays for."""
    part, clip = bounded.parts[index], bounded.clips[index]
    search = _search(bounded, clip, searching(share, bounded.cells)) if clip.searched else None
    left = share - (search.rho if search is not None else 0)
    tree = _tree(bounded, index, left) if isinstance(part, TreePart) else None
    depth = len(trees.levels_of(tree.leaves)) if tree is not None and not bounded.whole(index) else 1
    norms = [noise.stacked(level.norm, depth) for level in clip.levels]
    scale, charge = noise.least_scale(bounded.noise, norms[0], left)
    # one charge for all candidates, so that it says nothing of the choice
    scales = [scale, *(noise.same_loss(norms[0], scale, norm) for norm in norms[1:])]
    candidates = tuple(
        Candidate(norm, scale, level.denominator, level.weight)
        for level, norm, scale in zip(clip.levels, norms, scales, strict=True)
    )
    expected = candidates[clip.expected]
    return Primitive(
        name=f"p{index}",
        quantity=part.quantity,
        lower=0 if isinstance(part, TreePart) else part.lower,
        upper=1 if isinstance(part, TreePart) else part.upper,
        candidates=candidates,
        noise=bounded.noise,
        search=search,
        rho=charge,
        digest="",
        expected_scale=noise.deviation(bounded.noise, expected.scale) / expected.denominator,
        tree=tree,
    )


def _search(bounded: Bounded, clip: Clip, share: int) -> Search:
    scale, charge = noise.least_scale(bounded.noise, 1.0, max(share, 1))
    return Search(charge, scale, clip.touched, clip.fallback)


def _tree(bounded: Bounded, index: int, share: int) -> Tree:
    part, clip = bounded.parts[index], bounded.clips[index]
    assert isinstance(part, TreePart)  # INVARIANT: asked of trees
    level = clip.levels[clip.expected]
    norm = level.norm if bounded.whole(index) else noise.stacked(level.norm, 3)
    scale, _ = noise.least_scale(bounded.noise, norm, share)
    ranks = 3 * noise.deviation(bounded.noise, scale) / level.denominator
    rows = bounded.declared_rows / (bounded.cells or 100)
    leaves = trees.planned_leaves(part, bounded.cells, rows, ranks)
    step = decimal_text(part.step)
    return Tree(part.lower, part.upper, step, part.fine, part.width, leaves, trees.FANOUT, part.queries)


def _delta(dataset: Dataset, rho: int) -> int:
    """Return the delta of one query's threshold: the account's, shared out as rho is, but never below 1 in 10,000.

    The account itself is what holds: thresholds are refused once its delta is spent, whatever rho is left.
    """
    rho_limit, delta_limit = accounting.limits(dataset.privacy.budget.epsilon, dataset.privacy.budget.delta)
    return max(delta_limit * min(rho, rho_limit) // max(rho_limit, 1), delta_limit // LEAST_SHARES)


def _selection(units: Primitive, bounded: Bounded, delta: int, dataset: Dataset) -> Selection:
    threshold, charged = noise.threshold(bounded.groups, units.candidates[0].scale, delta)
    return Selection(units.name, threshold, dataset.privacy.min_units, charged)


def _named(bounded: Bounded, identity: str, dataset: Dataset, primitive: Primitive, beside: list[str]) -> Primitive:
    """Return a primitive with the names of its draw and of its series; private keys are no two times the same cells."""
    digest = _digest(bounded, identity, dataset, repr(replace(primitive, name="")), beside)
    series = "" if bounded.private_keys else _digest(bounded, identity, dataset, _quantity(primitive), beside)
    return replace(primitive, digest=digest, series=series)


def _quantity(primitive: Primitive) -> str:
    """Return what a primitive measures: at which bounds, by which mechanism; not how exactly."""
    bounds = [(one.norm, one.denominator, one.weight) for one in primitive.candidates]
    clamp = (primitive.lower, primitive.upper)
    return repr((primitive.quantity, clamp, bounds, primitive.noise, primitive.tree, primitive.search is not None))


def _digest(bounded: Bounded, identity: str, dataset: Dataset, drawn: str, beside: list[str]) -> str:
    """Name a draw by all that decides it: same name, same noisy value. Numbers of columns and parts are not in it."""
    content = {
        "dataset": dataset.name,
        "data": dataset.data_version,
        "policy": dataset.policy_version,
        "relation": identity,
        "domains": [key.key.domain for key in bounded.keys],
        "groups": bounded.groups,
        "listed": bool(bounded.factors),
        "drawn": drawn,
        "beside": beside,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
