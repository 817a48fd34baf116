"""Counts and sums of a measurement in one statement: rows, per-unit partials, norms, sums by cell and bin."""

from sqlglot import exp

from gateway.catalog.types import INTEGER
from gateway.compile import norming
from gateway.compile.rows import (
    held,
    integer,
    listing,
    names,
    picked,
    place_among,
    row,
    rows_of,
    together,
    unit_row,
)
from gateway.privacy.bounding import Bounded
from gateway.privacy.partials import COUNTS, Partial
from gateway.sql.terms import cast, clamp, whole


def statement(bounded: Bounded, parts: tuple[int, ...]) -> exp.Query:
    """Return the sums of the parts by cell and bin, and the units in each bin.

    r: owned rows; a: counts and sums by (unit, key); b: the same within their clamps, of private keys those picked;
    n: each unit's norms; m: its bins and ratios; g: sums by cell and all bins together.
    """
    return _Cells(bounded, parts).statement()


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
        rows: list[exp.Select | None] = [listing(self.bounded, leaf=False)]
        rows += [self._row(index) for index in self.parts]
        rows += [unit_row(self.bounded, i, f"b{i}", "m") for i in self.scaled if self.bounded.clips[i].searched]
        steps = {
            "r": rows_of(self.bounded, [part.row for part in self.parts.values()]),
            "a": self._combined(),
            "b": self._clamped(),
            "n": self._norms() if self.scaled and self.names else None,
            "m": self._bins() if self.scaled else None,
            "g": self._sums(),
        }
        return together(rows, steps, ("m", "g"))

    def _row(self, index: int) -> exp.Select:
        kept, bins = held(exp.Sum(this=exp.column(f"p{index}"))), []
        if index in self.scaled:
            bins = [f"b{index}"]
            scaled = held(exp.Sum(this=exp.column(f"w{index}")))
            query = row(self.bounded, index, exp.column(f"b{index}"), kept, scaled)
        else:
            query = row(self.bounded, index, integer(0), kept)
        return query.from_("g", copy=False).group_by(*self.names, *bins, copy=False)

    def _combined(self) -> exp.Select:
        """Return one line for each (unit, key): counts and sums as integers."""
        columns = []
        for place, (index, part) in enumerate(self.parts.items()):
            value = exp.column(f"v{place}")
            made = exp.Count(this=value, big_int=True) if part.quantity in COUNTS else exp.Sum(this=value)
            columns.append(exp.alias_(made, f"p{index}"))
        query = exp.select("u", *self.names, *columns).from_("r", copy=False)
        return query.group_by("u", *self.names, copy=False)

    def _clamped(self) -> exp.Select:
        """Return the same lines with every partial clamped to its literals; of private keys, those picked."""
        columns = [
            exp.alias_(cast(clamp(exp.column(f"p{i}"), whole(part.lower), whole(part.upper)), INTEGER), f"p{i}")
            for i, part in self.parts.items()
        ]
        query = exp.select("u", *self.names, *columns).from_("a", copy=False)
        if not self.bounded.private_keys:
            return query
        query.select(exp.alias_(place_among(["u"], self.names), "pick"), copy=False)
        chosen = exp.select("u", *self.names, *(f"p{i}" for i in self.parts))
        return chosen.from_(query.subquery("p", copy=False), copy=False).where(picked(self.bounded), copy=False)

    def _size(self, index: int) -> exp.Expr:
        return norming.size(self.bounded.noise, exp.column(f"p{index}"), self.parts[index].linf)

    def _norms(self) -> exp.Select:
        sums = [
            exp.alias_(exp.Coalesce(this=exp.Sum(this=self._size(i)), expressions=[integer(0)]), f"q{i}")
            for i in self.scaled
        ]
        return exp.select("u", *sums).from_("b", copy=False).group_by("u", copy=False)

    def _bins(self) -> exp.Select:
        """Return each unit's bins and ratios; without keys a unit has one line already, and its norm is there."""
        source: exp.Expr = exp.to_table("n")
        kept: list[str] = []
        if not self.names:
            kept = [f"p{i}" for i in self.parts]
            sizes = [
                exp.alias_(exp.Coalesce(this=self._size(i), expressions=[integer(0)]), f"q{i}") for i in self.scaled
            ]
            source = exp.select("u", *kept, *sizes).from_("b", copy=False).subquery("n", copy=False)
        columns = []
        for index in self.scaled:
            clip, norm = self.bounded.clips[index], exp.column(f"q{index}")
            columns.append(exp.alias_(norming.bin_of(clip, norm), f"b{index}"))
            columns.append(exp.alias_(norming.ratio_of(self.bounded.noise, clip, norm), f"r{index}"))
        return exp.select("u", *kept, *columns).from_(source, copy=False)

    def _sums(self) -> exp.Select:
        """Return the sums of all parts by cell and all bins together: few lines, however many units there are."""
        here = "m" if self.scaled and not self.names else "b"
        keys = [exp.column(name, here) for name in self.names]
        bins = [exp.column(f"b{i}", "m") for i in self.scaled]
        columns = [exp.alias_(exp.Sum(this=exp.column(f"p{i}", here)), f"p{i}") for i in self.parts]
        for index in self.scaled:
            small = norming.scaled_down(exp.column(f"p{index}", here), exp.column(f"r{index}", "m"))
            columns.append(exp.alias_(exp.Sum(this=small), f"w{index}"))
        query = exp.select(*keys, *bins, *columns).from_(here, copy=False)
        if self.scaled and self.names:
            units = exp.EQ(this=exp.column("u", "b"), expression=exp.column("u", "m"))
            query.join("m", on=units, join_type="inner", copy=False)
        return query.group_by(*(one.copy() for one in (*keys, *bins)), copy=False)
