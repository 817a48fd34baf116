"""COUNT(DISTINCT x) in one statement: of each unit at most so many values in each of at most `groups` keys.

Values and keys are picked by the keyed hash. A value counts in a cell at a candidate where some unit has it among that
many of its own: the least place of the value among all units that hold it decides, so one pass gives all candidates.
"""

from sqlglot import exp

from gateway.compile.norming import bin_of
from gateway.compile.rows import (
    listing,
    names,
    picked,
    place_among,
    present,
    row,
    rows_of,
    same,
    together,
    unit_row,
)
from gateway.privacy.bounding import Bounded


def statement(bounded: Bounded, index: int) -> exp.Query:
    """Return the distinct values by cell and bin of their least place, and the units in each bin.

    r: owned rows with their value; d: each unit's distinct values by key, of the keys that are picked; b: their places
    among the unit's own; m: each unit's bin; g: the bin of the least place of each value in a cell.
    """
    part, clip = bounded.parts[index], bounded.clips[index]
    by = names(bounded)
    counted = exp.Count(this=exp.Star(), big_int=True)
    values = row(bounded, index, exp.column("b0"), counted).from_("g", copy=False).group_by(*by, "b0", copy=False)
    rows = [listing(bounded, leaf=False), values]
    if clip.searched:
        rows.append(unit_row(bounded, index, "b0", "m"))
    places = exp.alias_(place_among(["u", *by], ["v0"]), "place")
    least = bin_of(clip, exp.Min(this=exp.column("place")))
    steps = {
        "r": rows_of(bounded, [part.row]),
        "d": _values(bounded),
        "b": exp.select("u", *by, "v0", places).from_("d", copy=False),
        "m": _bins(bounded, index) if clip.searched else None,
        "g": exp.select(*by, exp.alias_(least, "b0")).from_("b", copy=False).group_by(*by, "v0", copy=False),
    }
    return together(rows, steps, ("b",) if clip.searched else ())


def _values(bounded: Bounded) -> exp.Select:
    """Return each unit's distinct values by key; where it could reach more keys than it may, of those picked."""
    by = names(bounded)
    values = exp.select("u", *by, "v0").distinct(copy=False).from_("r", copy=False)
    values.where(present(exp.column("v0")), copy=False)
    if not bounded.open or not by:
        return values
    pairs = exp.select("u", *by).distinct(copy=False).from_("r", copy=False)
    ranked = exp.select("u", *by, exp.alias_(place_among(["u"], by), "pick"))
    ranked.from_(pairs.subquery("p", copy=False), copy=False)
    chosen = exp.select("u", *by).from_(ranked.subquery("p", copy=False), copy=False)
    chosen.where(picked(bounded), copy=False)
    query = exp.select(*(exp.column(name, "v") for name in ("u", *by, "v0")))
    query.from_(values.subquery("v", copy=False), copy=False)
    units = exp.EQ(this=exp.column("u", "v"), expression=exp.column("u", "k"))
    on = exp.and_(units, *same("v", "k", by), copy=False)
    return query.join(chosen.subquery("k", copy=False), on=on, join_type="inner", copy=False)


def _bins(bounded: Bounded, index: int) -> exp.Select:
    """Return each unit's bin: the least candidate that holds the most values it has in one cell."""
    most = exp.select("u", exp.alias_(exp.Max(this=exp.column("place")), "q0"))
    most.from_("b", copy=False).group_by("u", copy=False)
    bin_ = exp.alias_(bin_of(bounded.clips[index], exp.column("q0")), "b0")
    return exp.select("u", bin_).from_(most.subquery("p", copy=False), copy=False)
