"""The leaf counts of a tree in one statement: rows by leaf, each unit's rows weighted so that its norm holds.

Under Gaussian noise the norm is that of the unit's counts on every level that the engine's leaves have, as one vector:
rows that lie apart are far from the norm that they would have in one leaf. An L1 norm of counts is the same on every
level: there rows by cell are enough, and the norm is one level's.
"""

from collections.abc import Iterable

from sqlglot import exp

from gateway.catalog.types import INTEGER
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
    rows_inside,
    same,
    together,
    unit_row,
)
from gateway.compile.statements import grouped, join, listing, named, step, sub
from gateway.privacy.bounding import Bounded
from gateway.privacy.trees import FANOUT, TreePart, levels_of
from gateway.sql.plan import JoinKind
from gateway.sql.terms import cast
from gateway.sql.writing import reference


def statement(bounded: Bounded, index: int) -> exp.Query:
    """Return the leaf counts of one tree by cell and bin, and the units in each bin.

    r: owned rows with their leaf; b: rows by (unit, key), of private keys those picked; l0, l1, ..: rows by unit, key
    and node of a level, from the leaves up; n: each unit's norm; m: its bin and what one of its rows weighs; g: rows
    and weights by cell, leaf and bin.
    """
    part, clip = bounded.parts[index], bounded.clips[index]
    # INVARIANT: nothing else holds a unit's rows
    assert isinstance(part, TreePart) and clip.scaled  # noqa: PT018
    levels = _levels(bounded, part) if bounded.whole(index) else {}
    leaves = row(bounded, index, reference("b0"), reference("p0"), held(reference("w0")), leaf=True)
    rows = [listed(bounded, leaf=True), leaves]
    if clip.searched:
        rows.append(unit_row(bounded, index, "b0", "m", leaf=True))
    steps = {
        "r": rows_inside(bounded, part),
        "b": None if levels and not bounded.private_keys else _by_unit(bounded),
        **levels,
        "n": _norms(bounded, list(levels) or ["b"]),
        "m": _weights(bounded, index),
        "g": _by_leaf(bounded),
    }
    return together(rows, steps, ("m", *levels))


def _by_unit(bounded: Bounded) -> exp.Select:
    keys = names(bounded)
    counted = named(exp.Count(this=reference("v0"), big_int=True), "n0")
    query = grouped(listing("u", *keys, counted, source=step("r")), "u", *keys)
    if not bounded.private_keys:
        return query
    place = named(place_among(["u"], keys), "pick")
    ranked = listing("u", *keys, "n0", place, source=sub(query, "p"))
    return listing("u", *keys, "n0", source=sub(ranked, "p"), where=picked(bounded))


def _levels(bounded: Bounded, part: TreePart) -> dict[str, exp.Select]:
    """Return each unit's rows by key and node, a step for each level: leaves first, then their parents."""
    keys = names(bounded)
    steps: dict[str, exp.Select] = {}
    for depth in range(len(levels_of(part.fine))):
        own = reference("v0", "r" if depth == 0 else f"l{depth - 1}")
        if depth == 0:
            counted: exp.Expr = exp.Count(this=exp.Star(), big_int=True)
            query = listing(
                *_of("r", ["u", *keys]), own, named(counted, "n0"), source=step("r"), where=present(own.copy())
            )
            _join_picked(query, bounded)
            grouped(query, *_of("r", ["u", *keys]), own.copy())
        else:
            parent = exp.IntDiv(this=own, expression=integer(FANOUT))
            counted = cast(exp.Sum(this=reference("n0")), INTEGER)
            source = step(f"l{depth - 1}")
            query = listing("u", *keys, named(parent, "v0"), named(counted, "n0"), source=source)
            grouped(query, "u", *keys, parent.copy())
        steps[f"l{depth}"] = query
    return steps


def _of(source: str, columns: Iterable[str]) -> list[exp.Expr]:
    return [reference(name, source) for name in columns]


def _norms(bounded: Bounded, sources: list[str]) -> exp.Select:
    """Return each unit's norm over the counts of all these steps together."""
    # counts are below 2^31: so many rows of one unit would fit no table
    size = norming.size(bounded.noise, reference("n0"), 2**31)
    if len(sources) == 1:
        return grouped(listing("u", named(exp.Sum(this=size), "q0"), source=step(sources[0])), "u")
    each: exp.Query | None = None
    for source in sources:
        one = grouped(listing("u", named(exp.Sum(this=size.copy()), "q0"), source=step(source)), "u")
        each = one if each is None else exp.Union(this=each, expression=one, distinct=False)
    assert each is not None  # INVARIANT: a tree has a level
    return grouped(listing("u", named(exp.Sum(this=reference("q0")), "q0"), source=sub(each, "a")), "u")


def _weights(bounded: Bounded, index: int) -> exp.Select:
    clip, norm = bounded.clips[index], reference("q0")
    weight = norming.scaled_down(integer(1), norming.ratio_of(bounded.noise, clip, norm))
    columns = [named(norming.bin_of(clip, norm), "b0"), named(weight, "w0")]
    return listing("u", *columns, source=step("n"))


def _by_leaf(bounded: Bounded) -> exp.Select:
    by: list[exp.Expr] = [reference(name, "r") for name in names(bounded)]
    by += [reference("v0", "r"), reference("b0", "m")]
    shown: list[exp.Expr] = [named(one.copy(), "leaf") if one.name == "v0" else one.copy() for one in by]
    shown.append(named(exp.Count(this=exp.Star(), big_int=True), "p0"))
    shown.append(named(exp.Sum(this=reference("w0", "m")), "w0"))
    query = listing(*shown, source=step("r"), where=present(reference("v0", "r")))
    units = exp.EQ(this=reference("u", "r"), expression=reference("u", "m"))
    join(query, step("m"), JoinKind.INNER, units)
    _join_picked(query, bounded)
    return grouped(query, *by)


def _join_picked(query: exp.Select, bounded: Bounded) -> None:
    """Keep of r, where keys are private, the rows of those that the pick chose."""
    if bounded.private_keys:
        units = exp.EQ(this=reference("u", "r"), expression=reference("u", "b"))
        on = exp.and_(units, *same("r", "b", names(bounded)), copy=False)
        join(query, step("b"), JoinKind.INNER, on)
