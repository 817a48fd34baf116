"""Counts and sums of a measurement in one statement: rows, per-unit partials, norms, totals by cell."""

from sqlglot import exp

from gateway.catalog.types import INTEGER
from gateway.compile import norming
from gateway.compile.rows import finished, found, listed, names, picked, place_among, rows_of
from gateway.privacy.bounding import Bounded
from gateway.privacy.calibrate import column_of
from gateway.privacy.partials import COUNTS, Partial
from gateway.sql.terms import cast, clamp, whole


def statement(bounded: Bounded, parts: tuple[int, ...]) -> exp.Query:
    """Return the totals of the parts by cell, at each of their candidate bounds, and the units in each bin.

    r: owned rows; a: counts and sums by (unit, key); b: the same within their clamps, with the order of the pick;
    n: each unit's norms; m: its bins and ratios; w: its vector as it is and scaled down; g: sums by cell and bins;
    t: totals by cell for every candidate.
    """
    query = _Cells(bounded, parts)
    return query.statement()


class _Cells:
    def __init__(self, bounded: Bounded, parts: tuple[int, ...]) -> None:
        self.bounded = bounded
        self.names = names(bounded)
        self.parts: dict[int, Partial] = {}
        for index in parts:
            part = bounded.parts[index]
            assert isinstance(part, Partial)  # INVARIANT: trees have a statement of their own
            self.parts[index] = part
        self.scaled = [i for i in parts if bounded.clips[i].scaled]

    def statement(self) -> exp.Query:
        columns = [column_of(i, j) for i in self.parts for j in range(len(self.bounded.clips[i].levels))]
        query: exp.Query = finished(self.bounded, columns, leaf=False)
        for index in self.scaled:
            clip = self.bounded.clips[index]
            if clip.searched:
                at = columns.index(column_of(index, 0))
                bins = found(self.bounded, "m", f"b{index}", len(clip.levels) - 1, columns, at, leaf=False)
                query = exp.union(query, bins, distinct=False, copy=False)
        steps: dict[str, exp.Select | None] = {
            "r": rows_of(self.bounded, [part.row for part in self.parts.values()]),
            "a": self._combined(),
            "b": self._clamped(),
        }
        if self.scaled:
            steps |= {"n": self._norms() if self.names else None, "m": self._bins(), "w": self._weighed()}
            steps["g"] = self._by_bin()
        steps |= {"t": self._totals(), "c": listed(self.bounded)}
        for name, step in steps.items():
            if step is not None:
                query = query.with_(name, step, copy=False)
        return query

    def _combined(self) -> exp.Select:
        """Return one line for each (unit, key): counts and sums as integers."""
        query = exp.select("u", *self.names).from_("r").group_by("u", *self.names)
        for place, (index, part) in enumerate(self.parts.items()):
            value = exp.column(f"v{place}")
            made = exp.Count(this=value, big_int=True) if part.quantity in COUNTS else exp.Sum(this=value)
            query.select(exp.alias_(made, f"p{index}"), copy=False)
        return query

    def _clamped(self) -> exp.Select:
        """Return the same lines with every partial clamped to its literals; of private keys, those picked."""
        query = exp.select("u", *self.names).from_("a")
        for index, part in self.parts.items():
            clamped = clamp(exp.column(f"p{index}"), whole(part.lower), whole(part.upper))
            query.select(exp.alias_(cast(clamped, INTEGER), f"p{index}"), copy=False)
        if not self.bounded.private_keys:
            return query
        query.select(exp.alias_(place_among(["u"], self.names), "pick"), copy=False)
        chosen = exp.select("u", *self.names, *(f"p{i}" for i in self.parts)).from_(query.subquery("p"))
        return chosen.where(picked(self.bounded))

    def _norms(self) -> exp.Select:
        query = exp.select("u").from_("b").group_by("u")
        for index in self.scaled:
            one = norming.size(self.bounded.noise, exp.column(f"p{index}"), self.parts[index].linf)
            query.select(exp.alias_(exp.Sum(this=one), f"q{index}"), copy=False)
        return query

    def _bins(self) -> exp.Select:
        """Return each unit's bins and ratios; without keys a unit has one line already, and its norm is there."""
        source: exp.Expr = exp.to_table("n")
        if not self.names:
            own = exp.select("u", *(f"p{i}" for i in self.parts)).from_("b")
            for index in self.scaled:
                one = norming.size(self.bounded.noise, exp.column(f"p{index}"), self.parts[index].linf)
                own.select(exp.alias_(one, f"q{index}"), copy=False)
            source = own.subquery("n")
        query = exp.select("u", *([] if self.names else [f"p{i}" for i in self.parts])).from_(source)
        for index in self.scaled:
            clip = self.bounded.clips[index]
            norm = exp.Coalesce(this=exp.column(f"q{index}"), expressions=[exp.Literal.number(0)])
            query.select(exp.alias_(norming.bin_of(clip, norm), f"b{index}"), copy=False)
            query.select(exp.alias_(norming.ratio_of(self.bounded.noise, clip, norm), f"r{index}"), copy=False)
        return query

    def _weighed(self) -> exp.Select:
        keys = [exp.column(name, "b") for name in self.names]
        here = "b" if self.names else "m"
        query = exp.select(*keys).from_(here)
        for index in self.parts:
            query.select(exp.column(f"p{index}", here), copy=False)
        for index in self.scaled:
            small = norming.scaled_down(exp.column(f"p{index}", here), exp.column(f"r{index}", "m"))
            query.select(exp.column(f"b{index}", "m"), exp.alias_(small, f"w{index}"), copy=False)
        if not self.names:
            return query
        units = exp.EQ(this=exp.column("u", "b"), expression=exp.column("u", "m"))
        return query.join("m", on=units, join_type="inner", copy=False)

    def _by_bin(self) -> exp.Select:
        by = [*self.names, *(f"b{i}" for i in self.scaled)]
        query = exp.select(*by).from_("w").group_by(*by)
        for name in (*(f"p{i}" for i in self.parts), *(f"w{i}" for i in self.scaled)):
            query.select(exp.alias_(exp.Sum(this=exp.column(name)), name), copy=False)
        return query

    def _totals(self) -> exp.Select:
        query = exp.select(*self.names).from_("g" if self.scaled else "b")
        for index in self.parts:
            for place, level in enumerate(self.bounded.clips[index].levels):
                if index in self.scaled:
                    made = norming.total(place, level, f"b{index}", f"p{index}", f"w{index}")
                else:
                    whole_ = exp.Sum(this=exp.column(f"p{index}"))
                    made = exp.Coalesce(this=whole_, expressions=[exp.Literal.number(0)])
                query.select(exp.alias_(made, column_of(index, place)), copy=False)
        return query.group_by(*self.names) if self.names else query
