"""COUNT(DISTINCT x) in one statement: of each unit at most so many values in each of at most `groups` keys.

Values and keys are picked by the keyed hash. A value counts in a cell at a candidate where some unit has it among that
many of its own: the least place of the value among all units that hold it decides, so one pass gives all candidates.
"""

from sqlglot import exp

from gateway.compile.norming import bin_of
from gateway.compile.rows import (
    listed,
    names,
    picked,
    place_among,
    present,
    row,
    rows_inside,
    same,
    together,
    unit_row,
)
from gateway.compile.statements import grouped, join, listing, named, step, sub
from gateway.privacy.bounding import Bounded
from gateway.sql.plan import JoinKind
from gateway.sql.writing import reference


def statement(bounded: Bounded, index: int) -> exp.Query:
    """Return the distinct values by cell and bin of their least place, and the units in each bin.

    r: owned rows with their value; d: each unit's distinct values by key, of the keys that are picked; b: their places
    among the unit's own; m: each unit's bin; g: the bin of the least place of each value in a cell.
    """
    part, clip = bounded.parts[index], bounded.clips[index]
    by = names(bounded)
    counted = exp.Count(this=exp.Star(), big_int=True)
    values = grouped(row(bounded, index, reference("b0"), counted), *by, "b0")
    rows = [listed(bounded, leaf=False), values]
    if clip.searched:
        rows.append(unit_row(bounded, index, "b0", "m"))
    places = named(place_among(["u", *by], ["v0"]), "place")
    least = bin_of(clip, exp.Min(this=reference("place")))
    steps = {
        "r": rows_inside(bounded, part),
        "d": _values(bounded),
        "b": listing("u", *by, "v0", places, source=step("d")),
        "m": _bins(bounded, index) if clip.searched else None,
        "g": grouped(listing(*by, named(least, "b0"), source=step("b")), *by, "v0"),
    }
    return together(rows, steps, ("b",) if clip.searched else ())


def _values(bounded: Bounded) -> exp.Select:
    """Return each unit's distinct values by key; where it could reach more keys than it may, of those picked."""
    by = names(bounded)
    values = listing("u", *by, "v0", source=step("r"), where=present(reference("v0"))).distinct(copy=False)
    if not bounded.open or not by:
        return values
    pairs = listing("u", *by, source=step("r")).distinct(copy=False)
    ranked = listing("u", *by, named(place_among(["u"], by), "pick"), source=sub(pairs, "p"))
    chosen = listing("u", *by, source=sub(ranked, "p"), where=picked(bounded))
    query = listing(*(reference(name, "v") for name in ("u", *by, "v0")), source=sub(values, "v"))
    units = exp.EQ(this=reference("u", "v"), expression=reference("u", "k"))
    on = exp.and_(units, *same("v", "k", by), copy=False)
    join(query, sub(chosen, "k"), JoinKind.INNER, on)
    return query


def _bins(bounded: Bounded, index: int) -> exp.Select:
    """Return each unit's bin: the least candidate that holds the most values it has in one cell."""
    most = grouped(listing("u", named(exp.Max(this=reference("place")), "q0"), source=step("b")), "u")
    bin_ = named(bin_of(bounded.clips[index], reference("q0")), "b0")
    return listing("u", bin_, source=sub(most, "p"))
