"""Step 10, release: exact totals of one measurement in, noisy cells out. No exact value is in what comes out."""

import json
from collections.abc import Mapping
from decimal import Decimal
from itertools import product

import pyarrow as pa

from gateway.catalog.types import Cell, SqlType, TypeKind, to_cell
from gateway.privacy import noise
from gateway.privacy.measurement import Measurement, NoisyTable, Primitive

Keys = tuple[Cell, ...]


def release(measurement: Measurement, table: pa.Table, stored: Mapping[str, bytes]) -> NoisyTable:
    """Return the noisy cells of a measurement.

    `table` has the columns `k0..` and `p0..`, one row for each cell that the engine found; cells outside the public
    domain are ignored and absent ones are zero. `stored` holds earlier draws by digest: those are not drawn again.
    Before a draw the mechanism's own map is asserted against what was charged.
    """
    exact = _exact(measurement, table)
    for primitive in measurement.primitives:
        # INVARIANT: what the mechanism loses is what was charged
        assert noise.gaussian_loss(measurement.groups, primitive.bound, primitive.scale) == primitive.rho
    if measurement.selection is not None:
        return _private(measurement, exact, stored)
    keys = public_cells(measurement)
    columns = []
    for index, primitive in enumerate(measurement.primitives):
        known = _stored_values(primitive, stored, keys)
        if known is None:
            known = noise.add_noise([exact[key][index] if key in exact else 0 for key in keys], primitive.scale)
        columns.append(known)
    return _table(measurement, keys, columns)


def public_cells(measurement: Measurement) -> list[Keys]:
    """Return every combination of public key values, the last key fastest."""
    domains = [key.domain for key in measurement.keys]
    assert all(domain is not None for domain in domains)  # INVARIANT: no private keys here
    return list(product(*(domain for domain in domains if domain is not None)))


def _exact(measurement: Measurement, table: pa.Table) -> dict[Keys, list[int]]:
    keys = [[_canonical(v, key.type) for v in table.column(key.name).to_pylist()] for key in measurement.keys]
    values = [[int(v) for v in table.column(p.name).to_pylist()] for p in measurement.primitives]
    rows = list(zip(*keys, strict=True)) if keys else [()] * table.num_rows
    exact = {row: list(cells) for row, cells in zip(rows, zip(*values, strict=True), strict=True)}
    assert len(exact) == len(rows)  # INVARIANT: the engine grouped, so no cell comes twice
    return exact


def _canonical(value: object, type_: SqlType) -> Cell:
    if value is None:
        return None
    if type_.kind is TypeKind.INTEGER:
        return int(str(value))
    if type_.kind is TypeKind.DECIMAL:
        return f"{Decimal(str(value)):.{type_.scale}f}"
    return to_cell(value)  # type: ignore[arg-type]


def _private(measurement: Measurement, exact: dict[Keys, list[int]], stored: Mapping[str, bytes]) -> NoisyTable:
    """Release keys by a noisy count of units over the threshold, then the other measures on the released keys."""
    chosen = measurement.selection
    assert chosen is not None  # INVARIANT: asked of private keys only
    position = next(i for i, p in enumerate(measurement.primitives) if p.name == chosen.primitive)
    units = measurement.primitives[position]
    charged = noise.threshold_loss(measurement.groups, units.scale, chosen.threshold)
    assert charged == (units.rho, chosen.delta)  # INVARIANT: map and charge agree, delta as well
    earlier = stored.get(units.digest)
    if earlier is not None:
        content = json.loads(earlier)
        released = {tuple(k): v for k, v in zip(content["keys"], content["values"], strict=True)}
    else:
        released = _selected(measurement, exact, position)
    keys = sorted(released, key=_order)
    columns: list[list[int]] = []
    for index, primitive in enumerate(measurement.primitives):
        if index == position:
            columns.append([released[key] for key in keys])
            continue
        known = _stored_values(primitive, stored, keys)
        if known is None:
            known = noise.add_noise([exact[key][index] if key in exact else 0 for key in keys], primitive.scale)
        columns.append(known)
    return _table(measurement, keys, columns)


def _selected(measurement: Measurement, exact: dict[Keys, list[int]], position: int) -> dict[Keys, int]:
    chosen = measurement.selection
    assert chosen is not None  # INVARIANT: asked of private keys only
    floor = max(chosen.min_units - 1, 0)
    candidates = [key for key in exact if _inside(measurement, key) and exact[key][position] > floor]
    counts = {i: exact[key][position] - floor for i, key in enumerate(candidates)}
    passed = noise.select(counts, measurement.primitives[position].scale, chosen.threshold)
    return {candidates[i]: count + floor for i, count in passed.items()}


def _inside(measurement: Measurement, key: Keys) -> bool:
    return all(k.domain is None or cell in k.domain for k, cell in zip(measurement.keys, key, strict=True))


def _order(key: Keys) -> tuple[tuple[bool, str, int, str], ...]:
    """Return a total order of cells that depends on nothing but the keys: NULL last, numbers by size, text by code."""
    return tuple(
        (cell is None, type(cell).__name__, int(cell) if isinstance(cell, int) else 0, str(cell)) for cell in key
    )


def _table(measurement: Measurement, keys: list[Keys], columns: list[list[int]]) -> NoisyTable:
    """Return the cells that may be seen: with public keys, those whose noisy count of units reaches the minimum."""
    rows = list(zip(keys, zip(*columns, strict=True), strict=True))
    return NoisyTable(measurement.name, tuple(k for k, _ in rows), tuple(v for _, v in rows))


def visible(measurement: Measurement, noisy: NoisyTable) -> NoisyTable:
    """Return a noisy table without the cells whose noisy count of units is below the policy's minimum."""
    if measurement.suppress_by is None:
        return noisy
    index = next(i for i, p in enumerate(measurement.primitives) if p.name == measurement.suppress_by)
    kept = [i for i, row in enumerate(noisy.values) if row[index] >= measurement.suppress_below]
    return NoisyTable(noisy.name, tuple(noisy.keys[i] for i in kept), tuple(noisy.values[i] for i in kept))


def _stored_values(primitive: Primitive, stored: Mapping[str, bytes], keys: list[Keys]) -> list[int] | None:
    earlier = stored.get(primitive.digest)
    if earlier is None:
        return None
    content = json.loads(earlier)
    assert [tuple(key) for key in content["keys"]] == keys  # INVARIANT: one digest, one set of cells
    return [int(value) for value in content["values"]]


def to_stored(measurement: Measurement, noisy: NoisyTable) -> dict[str, bytes]:
    """Return what is stored of each primitive, by digest: its cells and noisy integers, as JSON."""
    return {
        primitive.digest: json.dumps({"keys": noisy.keys, "values": [row[index] for row in noisy.values]}).encode()
        for index, primitive in enumerate(measurement.primitives)
    }


def from_stored(measurement: Measurement, stored: Mapping[str, bytes]) -> NoisyTable | None:
    """Return the noisy table made of stored draws alone, or None where a primitive is missing."""
    contents = [json.loads(stored[p.digest]) for p in measurement.primitives if p.digest in stored]
    if len(contents) < len(measurement.primitives):
        return None
    keys = [tuple(key) for key in contents[0]["keys"]]
    assert all([tuple(k) for k in c["keys"]] == keys for c in contents)  # INVARIANT: one set of cells
    return _table(measurement, keys, [[int(v) for v in c["values"]] for c in contents])
