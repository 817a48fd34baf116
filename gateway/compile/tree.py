"""The leaf counts of a tree in one statement: rows by leaf, each unit's rows weighted so that its norm holds.

A unit's vector over all cells and leaves of a level is at most as long as its rows by cell alone are: of those the
norm is taken, once for all levels.
"""

from sqlglot import exp

from gateway.compile import norming
from gateway.compile.rows import finished, found, integer, listed, names, picked, place_among, present, rows_of, same
from gateway.privacy.bounding import Bounded
from gateway.privacy.calibrate import column_of


def statement(bounded: Bounded, index: int) -> exp.Query:
    """Return the leaf counts of one tree by cell, at each candidate bound, and the units in each bin.

    r: owned rows with their leaf; b: rows by (unit, key), of private keys those picked; n: each unit's norm; m: its
    bin and what one of its rows weighs; g: rows and weights by cell, leaf and bin; t: totals for every candidate.
    """
    part, clip = bounded.parts[index], bounded.clips[index]
    columns = [column_of(index, i) for i in range(len(clip.levels))]
    query: exp.Query = finished(bounded, columns, leaf=True)
    if clip.searched:
        query = exp.union(
            query, found(bounded, "m", "b0", len(clip.levels) - 1, columns, 0, leaf=True), distinct=False, copy=False
        )
    steps: dict[str, exp.Select | None] = {"r": rows_of(bounded, [part.row])}
    if clip.scaled or bounded.private_keys:
        steps["b"] = _by_unit(bounded)
    if clip.scaled:
        steps |= {"n": _norms(bounded), "m": _weights(bounded, index)}
    steps |= {"g": _by_leaf(bounded, scaled=clip.scaled), "t": _totals(bounded, index), "c": listed(bounded)}
    for name, step in steps.items():
        if step is not None:
            query = query.with_(name, step, copy=False)
    return query


def _by_unit(bounded: Bounded) -> exp.Select:
    counted = exp.alias_(exp.Count(this=exp.column("v0"), big_int=True), "n0")
    query = exp.select("u", *names(bounded), counted).from_("r").group_by("u", *names(bounded))
    if not bounded.private_keys:
        return query
    ranked = exp.select("u", *names(bounded), "n0", exp.alias_(place_among(["u"], names(bounded)), "pick"))
    ranked = ranked.from_(query.subquery("p"))
    return exp.select("u", *names(bounded), "n0").from_(ranked.subquery("p")).where(picked(bounded))


def _norms(bounded: Bounded) -> exp.Select:
    # a count is no wider than 2^31: squares of so many rows of one unit would not fit a table
    size = norming.size(bounded.noise, exp.column("n0"), 2**31)
    return exp.select("u", exp.alias_(exp.Sum(this=size), "q0")).from_("b").group_by("u")


def _weights(bounded: Bounded, index: int) -> exp.Select:
    clip, norm = bounded.clips[index], exp.column("q0")
    ratio = norming.ratio_of(bounded.noise, clip, norm)
    weight = norming.scaled_down(integer(1), exp.paren(ratio, copy=False))
    return exp.select("u", exp.alias_(norming.bin_of(clip, norm), "b0"), exp.alias_(weight, "w0")).from_("n")


def _by_leaf(bounded: Bounded, *, scaled: bool) -> exp.Select:
    keys = [exp.column(name, "r") for name in names(bounded)]
    leaf = exp.alias_(exp.column("v0", "r"), "leaf")
    bins = [exp.column("b0", "m")] if scaled else []
    query = exp.select(*keys, leaf, *bins, exp.alias_(exp.Count(this=exp.Star(), big_int=True), "p0")).from_("r")
    if scaled:
        query.select(exp.alias_(exp.Sum(this=exp.column("w0", "m")), "w0"), copy=False)
        units = exp.EQ(this=exp.column("u", "r"), expression=exp.column("u", "m"))
        query.join("m", on=units, join_type="inner", copy=False)
    if bounded.private_keys:
        units = exp.EQ(this=exp.column("u", "r"), expression=exp.column("u", "b"))
        on = exp.and_(units, *same("r", "b", names(bounded)), copy=False)
        query.join("b", on=on, join_type="inner", copy=False)
    query.where(present(exp.column("v0", "r")), copy=False)
    return query.group_by(*(key.copy() for key in keys), exp.column("v0", "r"), *(b.copy() for b in bins), copy=False)


def _totals(bounded: Bounded, index: int) -> exp.Select:
    clip = bounded.clips[index]
    query = exp.select(*names(bounded), "leaf").from_("g").group_by(*names(bounded), "leaf")
    for place, level in enumerate(clip.levels):
        made = norming.total(place, level, "b0", "p0", "w0") if clip.scaled else exp.Sum(this=exp.column("p0"))
        query.select(exp.alias_(made, column_of(index, place)), copy=False)
    return query
