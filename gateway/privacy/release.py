"""Step 10, release: exact totals of one measurement in, noisy cells out. No exact value is in what comes out."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa

from gateway.privacy import noise, trees
from gateway.privacy.exact import ExactProbe, Keys, clamped, number, order
from gateway.privacy.measurement import SCORES, Measurement, NoisyColumn, NoisyTable, Primitive, Quantity
from gateway.privacy.search import choose


def release(measurement: Measurement, tables: Sequence[pa.Table], stored: Mapping[str, bytes]) -> NoisyTable:
    """Return the noisy cells of a measurement.

    `tables` holds the rows of each probe; cells outside the public domain are ignored and absent ones are zero.
    `stored` holds earlier draws by digest: those are not drawn again. Before anything is drawn, what every mechanism
    loses is asserted against what was charged.
    """
    _assert_charged(measurement)
    exact = [ExactProbe(measurement, probe, table) for probe, table in zip(measurement.probes, tables, strict=True)]
    by_name = {primitive.name: probe for probe in exact for primitive in probe.probe.primitives}
    keys, released = _cells(measurement, exact, stored)
    columns: list[NoisyColumn] = []
    for primitive in _ordered(measurement):
        if (
            released is not None
            and measurement.selection is not None
            and primitive.name == measurement.selection.primitive
        ):
            columns.append(_column(primitive, [released[key] for key in keys], 0))
            continue
        known = _stored_columns(primitive, stored, keys)
        columns += known if known is not None else _drawn(primitive, by_name[primitive.name], keys, stored)
    return NoisyTable(measurement.name, tuple(keys), tuple(_complete(columns, measurement)))


def _ordered(measurement: Measurement) -> list[Primitive]:
    return sorted(measurement.primitives, key=number)


def _assert_charged(measurement: Measurement) -> None:
    """Assert that every draw that can follow loses what was charged for it."""
    for primitive in measurement.primitives:
        for candidate in primitive.candidates:
            # INVARIANT: what the mechanism loses is what was charged, whichever bound is chosen
            assert noise.is_charged(primitive.noise, candidate.norm, candidate.scale, primitive.rho)
        search = primitive.search
        if search is None:
            # INVARIANT: nothing chooses but a search that was charged, for this draw or for an earlier release
            assert len(primitive.candidates) == 1 or primitive.earlier is not None
        else:
            assert noise.loss(primitive.noise, 1.0, search.scale) == search.rho  # INVARIANT: the search as well
    chosen = measurement.selection
    if chosen is not None:
        units = next(p for p in measurement.primitives if p.name == chosen.primitive)
        assert measurement.groups is not None  # INVARIANT: private keys are picked
        charged = noise.threshold_loss(measurement.groups, units.candidates[0].scale, chosen.threshold)
        assert charged == (units.rho, chosen.delta)  # INVARIANT: map and charge agree, delta as well


def _cells(
    measurement: Measurement, exact: list[ExactProbe], stored: Mapping[str, bytes]
) -> tuple[list[Keys], dict[Keys, int] | None]:
    """Return the cells to release, and of private keys the noisy count of units that released them."""
    if measurement.selection is not None:
        released = _selected(measurement, exact, stored)
        return sorted(released, key=order), released
    if measurement.listed:
        return sorted(set(exact[0].listed()), key=order), None
    return public_cells(measurement), None


def public_cells(measurement: Measurement) -> list[Keys]:
    """Return every combination of public key values, the last key fastest."""
    domains = [key.domain for key in measurement.keys]
    assert all(domain is not None for domain in domains)  # INVARIANT: no private keys here
    return list(product(*(domain for domain in domains if domain is not None)))


def _selected(measurement: Measurement, exact: list[ExactProbe], stored: Mapping[str, bytes]) -> dict[Keys, int]:
    """Release keys by a noisy count of units over the threshold."""
    chosen = measurement.selection
    assert chosen is not None  # INVARIANT: asked of private keys only
    units, probe = next(
        (primitive, probe)
        for probe in exact
        for primitive in probe.probe.primitives
        if primitive.name == chosen.primitive
    )
    earlier = stored.get(units.digest)
    if earlier is not None:
        content = json.loads(earlier)
        return {tuple(k): v for k, v in zip(content["keys"], content["columns"][0]["values"], strict=True)}
    cells, counts = probe.found(units), probe.sums(units, 0)
    floor = max(chosen.min_units - 1, 0)
    able = np.flatnonzero(cells.inside([key.domain for key in measurement.keys]) & (counts > floor))
    above = dict(enumerate((counts[able] - floor).tolist()))
    passed = noise.select(above, units.candidates[0].scale, chosen.threshold)
    names = cells.named(able[list(passed)])
    return {name: count + floor for name, count in zip(names, passed.values(), strict=True)}


def _drawn(primitive: Primitive, exact: ExactProbe, keys: list[Keys], stored: Mapping[str, bytes]) -> list[NoisyColumn]:
    """Find the bound where there is a search, then draw the primitive's noise once over all cells."""
    index = primitive.earlier.bound if primitive.earlier is not None else 0
    if primitive.search is not None:
        noisy = noise.add_noise(exact.histogram(primitive), primitive.noise, primitive.search.scale)
        index = choose(primitive, noisy, len(keys))
    if primitive.tree is not None:
        return _quantiles(primitive, exact, index, keys)
    candidate, totals = primitive.candidates[index], exact.totals_of(primitive, index, keys)
    drawn = noise.add_noise(totals, primitive.noise, candidate.scale)
    if primitive.earlier is not None:
        (before,) = _read(primitive, stored[primitive.earlier.digest], keys)
        return [_combined(primitive, index, drawn, before)]
    return [_column(primitive, _whole(drawn, candidate.denominator), index)]


def _combined(primitive: Primitive, bound: int, drawn: list[int], earlier: NoisyColumn) -> NoisyColumn:
    """Return the mean of an earlier release and a draw of the same quantity, weighed by their inverse variances.

    What is rounded to whole steps has the variance 1/12 more.
    """
    assert earlier.bound == bound  # INVARIANT: what is combined measures the same
    candidate = primitive.candidates[bound]
    scale = candidate.scale / candidate.denominator
    before, now = earlier.scale**-2, scale**-2
    share = now / (before + now)
    values = [
        round(int(old) + share * (value / candidate.denominator - int(old)))
        for old, value in zip(earlier.values, drawn, strict=True)
        if old is not None
    ]
    spread = math.sqrt(1 / (before + now) + 1 / 12)
    return NoisyColumn(primitive.name, tuple(values), spread, primitive.noise, bound=bound)


def _whole(values: list[int], denominator: int) -> list[int]:
    """Return noisy values in whole steps, rounded to the nearest; halves upward."""
    steps, rest = np.divmod(np.array(values, np.int64), denominator)
    rounded: list[int] = (steps + (rest >= denominator - rest)).tolist()
    return rounded


def _column(primitive: Primitive, values: list[int], bound: int) -> NoisyColumn:
    candidate = primitive.candidates[bound]
    scale = candidate.scale / candidate.denominator
    return NoisyColumn(primitive.name, tuple(values), scale, primitive.noise, bound=bound)


def _quantiles(primitive: Primitive, exact: ExactProbe, index: int, keys: list[Keys]) -> list[NoisyColumn]:
    tree, candidate = primitive.tree, primitive.candidates[index]
    assert tree is not None  # INVARIANT: asked of trees
    levels = trees.levels(exact.leaves(primitive, index, keys), tree)
    flat = np.concatenate([level.reshape(-1) for level in levels])
    drawn = np.array(noise.add_noise(clamped(flat), primitive.noise, candidate.scale), np.float64)
    noisy, start = [], 0
    for level in levels:
        part = drawn[start : start + level.size].reshape(level.shape)
        noisy.append(part / candidate.denominator)
        start += level.size
    leaves, variances = trees.consistent(noisy, tree.fanout)
    deviation = noise.deviation(primitive.noise, candidate.scale) / candidate.denominator
    middle = SCORES.index(0.0)
    columns = []
    for place, curves in enumerate(trees.read(tree, leaves, variances, deviation)):
        values = tuple(None if curve is None else curve[middle] for curve in curves)
        shown = tuple(() if curve is None else curve for curve in curves)
        columns.append(NoisyColumn(f"{primitive.name}_{place}", values, 0.0, primitive.noise, shown, index))
    return columns


def _complete(columns: list[NoisyColumn], measurement: Measurement) -> list[NoisyColumn]:
    """Add, beside each count that a yes or no is read from, the least count that is surely above none."""
    doubted = {p.name for p in measurement.primitives if p.quantity is Quantity.TRUTHS}
    out = []
    for column in columns:
        out.append(column)
        if column.name in doubted:
            least = max(1, math.ceil(2 * noise.deviation(column.noise, column.scale)))
            out.append(NoisyColumn(f"{column.name}_t", (least,) * len(column.values), 0.0, column.noise))
    return out


def visible(measurement: Measurement, noisy: NoisyTable) -> NoisyTable:
    """Return a noisy table without the cells whose noisy count of units is below the policy's minimum."""
    if measurement.suppress_by is None:
        return noisy
    counts = next(column.values for column in noisy.columns if column.name == measurement.suppress_by)
    kept = [i for i, count in enumerate(counts) if count is not None and count >= measurement.suppress_below]
    return NoisyTable(noisy.name, tuple(noisy.keys[i] for i in kept), tuple(_chosen(c, kept) for c in noisy.columns))


def _chosen(column: NoisyColumn, kept: list[int]) -> NoisyColumn:
    values = tuple(column.values[i] for i in kept)
    curves = None if column.curves is None else tuple(column.curves[i] for i in kept)
    return replace(column, values=values, curves=curves)


def _stored_columns(primitive: Primitive, stored: Mapping[str, bytes], keys: list[Keys]) -> list[NoisyColumn] | None:
    earlier = stored.get(primitive.digest)
    return None if earlier is None else _read(primitive, earlier, keys)


def _read(primitive: Primitive, release_: bytes, keys: list[Keys]) -> list[NoisyColumn]:
    content = json.loads(release_)
    assert [tuple(key) for key in content["keys"]] == keys  # INVARIANT: one digest, one set of cells
    return _columns_of(primitive, content)


def _columns_of(primitive: Primitive, content: Mapping[str, Any]) -> list[NoisyColumn]:
    return [
        NoisyColumn(
            f"{primitive.name}{column['suffix']}",
            tuple(column["values"]),
            column["scale"],
            primitive.noise,
            None if column["curves"] is None else tuple(tuple(curve) for curve in column["curves"]),
            column["bound"],
        )
        for column in content["columns"]
    ]


def to_stored(measurement: Measurement, noisy: NoisyTable) -> dict[str, bytes]:
    """Return what is stored of each primitive, by digest: its cells, noisy values and their scale, as JSON."""
    found, keys = {}, json.dumps(noisy.keys)
    for primitive in measurement.primitives:
        own = primitive.name
        columns = [c for c in noisy.columns if c.name == own or (primitive.tree and c.name.startswith(f"{own}_"))]
        shown = [
            {"suffix": c.name[len(own) :], "values": c.values, "scale": c.scale, "curves": c.curves, "bound": c.bound}
            for c in columns
        ]
        found[primitive.digest] = f'{{"keys": {keys}, "columns": {json.dumps(shown)}}}'.encode()
    return found


def released_tables(measurements: Sequence[Measurement], releases: Sequence[Mapping[str, bytes]]) -> list[NoisyTable]:
    """Return the noisy table of each measurement; `releases` has for each what is stored of all its primitives."""
    tables = [from_stored(measurement, own) for measurement, own in zip(measurements, releases, strict=True)]
    found = [table for table in tables if table is not None]
    assert len(found) == len(tables)  # INVARIANT: every primitive was drawn or stored before
    return found


def bound_of(release_: bytes) -> int:
    """Return the index of the candidate that a stored release was made at."""
    return int(json.loads(release_)["columns"][0]["bound"])


def recalled(measurement: Measurement, stored: Mapping[str, bytes]) -> dict[str, bytes] | None:
    """Return the stored draws that a measurement is made of alone, or None where a primitive is missing."""
    digests = [primitive.digest for primitive in measurement.primitives]
    return {digest: stored[digest] for digest in digests} if all(digest in stored for digest in digests) else None


def from_stored(measurement: Measurement, stored: Mapping[str, bytes]) -> NoisyTable | None:
    """Return the noisy table made of stored draws alone, or None where a primitive is missing."""
    if recalled(measurement, stored) is None:
        return None
    primitives = _ordered(measurement)
    contents = [json.loads(stored[primitive.digest]) for primitive in primitives]
    keys = contents[0]["keys"]
    assert all(content["keys"] == keys for content in contents)  # INVARIANT: of one measurement, one set of cells
    columns = [column for one in zip(primitives, contents, strict=True) for column in _columns_of(*one)]
    return NoisyTable(measurement.name, tuple(map(tuple, keys)), tuple(_complete(columns, measurement)))
