"""COUNT(DISTINCT x) in one statement: of each unit at most so many values in each of at most `groups` keys.

Values and keys are picked by the keyed hash. A value counts in a cell at a candidate where some unit has it among that
many of its own: the least place of the value among all units that hold it decides, so one pass gives all candidates.
"""

from sqlglot import exp

from gateway.compile.rows import finished, found, integer, listed, names, picked, place_among, present, rows_of
from gateway.privacy.bounding import Bounded
from gateway.privacy.calibrate import column_of


def statement(bounded: Bounded, index: int) -> exp.Query:
    """Return the distinct counts by cell, at each candidate, and the units in each bin.

    r: owned rows with their value; d: each unit's distinct values by key, of the keys that are picked; b: their places
    among the unit's own; m: each unit's bin; g: the least place of each value in a cell; t: counts for each candidate.
    """
    part, clip = bounded.parts[index], bounded.clips[index]
    columns = [column_of(index, i) for i in range(len(clip.levels))]
    query: exp.Query = finished(bounded, columns, leaf=False)
    if clip.searched:
        bins = found(bounded, "m", "b0", len(clip.levels) - 1, columns, 0, leaf=False)
        query = exp.union(query, bins, distinct=False, copy=False)
    by = names(bounded)
    places = exp.alias_(place_among(["u", *by], ["v0"]), "place")
    least = exp.alias_(exp.Min(this=exp.column("place")), "place")
    steps: dict[str, exp.Select | None] = {
        "r": rows_of(bounded, [part.row]),
        "d": _values(bounded),
        "b": exp.select("u", *by, "v0", places).from_("d"),
        "m": _bins(bounded, index) if clip.searched else None,
        "g": exp.select(*by, "v0", least).from_("b").group_by(*by, "v0"),
        "t": _totals(bounded, index),
        "c": listed(bounded),
    }
    for name, step in steps.items():
        if step is not None:
            query = query.with_(name, step, copy=False)
    return query


def _values(bounded: Bounded) -> exp.Select:
    """Return each unit's distinct values by key; where it could reach more keys than it may, of those picked."""
    by = names(bounded)
    values = exp.select("u", *by, "v0").distinct().from_("r").where(present(exp.column("v0")))
    if not bounded.open or not by:
        return values
    pairs = exp.select("u", *by).distinct().from_("r")
    ranked = exp.select("u", *by, exp.alias_(place_among(["u"], by), "pick")).from_(pairs.subquery("p"))
    chosen = exp.select("u", *by).from_(ranked.subquery("p")).where(picked(bounded))
    query = exp.select(*(exp.column(name, "v") for name in ("u", *by, "v0"))).from_(values.subquery("v"))
    units = exp.EQ(this=exp.column("u", "v"), expression=exp.column("u", "k"))
    same = [exp.NullSafeEQ(this=exp.column(name, "v"), expression=exp.column(name, "k")) for name in by]
    return query.join(chosen.subquery("k"), on=exp.and_(units, *same, copy=False), join_type="inner", copy=False)


def _bins(bounded: Bounded, index: int) -> exp.Select:
    """Return each unit's bin: the least candidate that holds the most values it has in one cell."""
    clip = bounded.clips[index]
    most = exp.select("u", exp.alias_(exp.Max(this=exp.column("place")), "q0")).from_("b").group_by("u")
    ifs = [
        exp.If(this=exp.LTE(this=exp.column("q0"), expression=integer(level.reach)), true=integer(place))
        for place, level in enumerate(clip.levels)
    ]
    case = exp.Case(ifs=ifs, default=integer(len(clip.levels)))
    return exp.select("u", exp.alias_(case, "b0")).from_(most.subquery("p"))


def _totals(bounded: Bounded, index: int) -> exp.Select:
    query = exp.select(*names(bounded)).from_("g")
    for place, level in enumerate(bounded.clips[index].levels):
        within = exp.LTE(this=exp.column("place"), expression=integer(level.reach))
        one = exp.Case(ifs=[exp.If(this=within, true=integer(1))])
        query.select(exp.alias_(exp.Count(this=one, big_int=True), column_of(index, place)), copy=False)
    return query.group_by(*names(bounded)) if bounded.keys else query
