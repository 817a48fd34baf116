"""The leaf counts of a tree in one statement: rows by leaf, each unit's rows weighted so that its norm holds.

A unit's vector over all cells and leaves of a level is at most as long as its rows by cell alone are: of those the
norm is taken, once for all levels.
"""

from sqlglot import exp

from gateway.compile import norming
from gateway.compile.rows import (
    held,
    integer,
    listed,
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
from gateway.compile.statements import grouped, join, listing, named, step, sub
from gateway.privacy.bounding import Bounded
from gateway.sql.plan import JoinKind


def statement(bounded: Bounded, index: int) -> exp.Query:
    """Return the leaf counts of one tree by cell and bin, and the units in each bin.

    r: owned rows with their leaf; b: rows by (unit, key), of private keys those picked; n: each unit's norm; m: its
    bin and what one of its rows weighs; g: rows and weights by cell, leaf and bin.
    """
    part, clip = bounded.parts[index], bounded.clips[index]
    bin_ = exp.column("b0") if clip.scaled else integer(0)
    scaled = held(exp.column("w0")) if clip.scaled else None
    leaves = row(bounded, index, bin_, exp.column("p0"), scaled, leaf=True)
    rows = [listed(bounded, leaf=True), leaves]
    if clip.searched:
        rows.append(unit_row(bounded, index, "b0", "m", leaf=True))
    steps = {
        "r": rows_of(bounded, [part.row]),
        "b": _by_unit(bounded) if clip.scaled or bounded.private_keys else None,
        "n": _norms(bounded) if clip.scaled else None,
        "m": _weights(bounded, index) if clip.scaled else None,
        "g": _by_leaf(bounded, scaled=clip.scaled),
    }
    return together(rows, steps, ("m",))


def _by_unit(bounded: Bounded) -> exp.Select:
    keys = names(bounded)
    counted = named(exp.Count(this=exp.column("v0"), big_int=True), "n0")
    query = grouped(listing("u", *keys, counted, source=step("r")), "u", *keys)
    if not bounded.private_keys:
        return query
    place = named(place_among(["u"], keys), "pick")
    ranked = listing("u", *keys, "n0", place, source=sub(query, "p"))
    return listing("u", *keys, "n0", source=sub(ranked, "p"), where=picked(bounded))


def _norms(bounded: Bounded) -> exp.Select:
    # counts are below 2^31: so many rows of one unit would fit no table
    size = norming.size(bounded.noise, exp.column("n0"), 2**31)
    return grouped(listing("u", named(exp.Sum(this=size), "q0"), source=step("b")), "u")


def _weights(bounded: Bounded, index: int) -> exp.Select:
    clip, norm = bounded.clips[index], exp.column("q0")
    weight = norming.scaled_down(integer(1), norming.ratio_of(bounded.noise, clip, norm))
    columns = [named(norming.bin_of(clip, norm), "b0"), named(weight, "w0")]
    return listing("u", *columns, source=step("n"))


def _by_leaf(bounded: Bounded, *, scaled: bool) -> exp.Select:
    by: list[exp.Expr] = [exp.column(name, "r") for name in names(bounded)]
    by.append(exp.column("v0", "r"))
    by += [exp.column("b0", "m")] if scaled else []
    shown: list[exp.Expr] = [named(one.copy(), "leaf") if one.name == "v0" else one.copy() for one in by]
    shown.append(named(exp.Count(this=exp.Star(), big_int=True), "p0"))
    shown += [named(exp.Sum(this=exp.column("w0", "m")), "w0")] if scaled else []
    query = listing(*shown, source=step("r"), where=present(exp.column("v0", "r")))
    if scaled:
        units = exp.EQ(this=exp.column("u", "r"), expression=exp.column("u", "m"))
        join(query, step("m"), JoinKind.INNER, units)
    if bounded.private_keys:
        units = exp.EQ(this=exp.column("u", "r"), expression=exp.column("u", "b"))
        on = exp.and_(units, *same("r", "b", names(bounded)), copy=False)
        join(query, step("b"), JoinKind.INNER, on)
    return grouped(query, *by)
