"""Counts and sums of a measurement in one statement: rows, per-unit partials, norms, sums by cell and bin."""

from sqlglot import exp

from gateway.catalog.types import INTEGER
from gateway.compile import norming
from gateway.compile.rows import (
    held,
    inside,
    integer,
    listed,
    names,
    owned_inside,
    picked,
    place_among,
    row,
    rows_of,
    together,
    unit_row,
    waiting,
)
from gateway.compile.statements import grouped, join, listing, more, named, step, sub
from gateway.privacy.bounding import Bounded
from gateway.privacy.partials import COUNTS, Partial
from gateway.sql.plan import JoinKind
from gateway.sql.terms import cast, clamp, whole
from gateway.sql.writing import reference


def statement(bounded: Bounded, parts: tuple[int, ...]) -> exp.Query:
    """Return the sums of the parts by cell and bin, and the units in each bin.

    r: rows; a: counts and sums by (unit, key); b: those of an owner within their clamps, of private keys those picked;
    n: each unit's norms; m: its bins and ratios; g: sums by cell and all bins together. Where a unit has one line in b
    (without keys, or with one row of its own) its norm is there, and m is b with bins and ratios.
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
        self.first = f"p{parts[0]}"
        self.scaled = [i for i in parts if bounded.clips[i].scaled]
        self.alone = bounded.single or not self.names

    def statement(self) -> exp.Query:
        rows: list[exp.Select | None] = [listed(self.bounded, leaf=False)]
        owned = rows_of(self.bounded, list(self.parts.values()), every=not self.bounded.single)
        if self.bounded.single and not self.scaled:
            rows += [row(self.bounded, i, integer(0), self._kept(i)) for i in self.parts]
            return together(rows, {"r": owned, "g": self._straight()}, ("g",) if len(self.parts) > 1 else ())
        rows += [self._row(index) for index in self.parts]
        rows += [unit_row(self.bounded, i, f"b{i}", "m") for i in self.scaled if self.bounded.clips[i].searched]
        steps = {
            "r": owned,
            "a": self._combined(),
            "b": self._clamped(),
            "n": self._norms() if self.scaled and not self.alone else None,
            "m": self._bins() if self.scaled else None,
            "g": self._sums(),
        }
        twice = {"m": True, "b": bool(self.scaled) and not self.alone, "g": len(self.parts) > 1}
        return together(rows, steps, [name for name, several in twice.items() if several])

    def _row(self, index: int) -> exp.Select:
        if set(self.scaled) <= {index}:  # no other part's bins: a cell and bin has one line in g
            bin_, small = (reference(f"b{index}"), held(reference(f"w{index}"))) if self.scaled else (integer(0), None)
            return row(self.bounded, index, bin_, held(reference(f"p{index}")), small)
        kept, bins = held(exp.Sum(this=reference(f"p{index}"))), []
        if index in self.scaled:
            bins = [f"b{index}"]
            scaled = held(exp.Sum(this=reference(f"w{index}")))
            query = row(self.bounded, index, reference(f"b{index}"), kept, scaled)
        else:
            query = row(self.bounded, index, integer(0), kept)
        return grouped(query, *self.names, *bins)

    def _kept(self, index: int) -> exp.Expr:
        """Return a sum of one line in g; how many rows there are is far below the limit, and never NULL."""
        kept = reference(f"p{index}")
        return kept if self.parts[index].quantity in COUNTS else held(kept)

    def _straight(self) -> exp.Select:
        """Return the sums by cell of units with one row each, which no norm scales: a clamp is all that holds a row."""
        columns = []
        for place, (index, part) in enumerate(self.parts.items()):
            value = reference(f"v{place}")
            if part.quantity in COUNTS:
                assert part.lower <= 0 and part.upper >= 1  # noqa: PT018 - INVARIANT: a row counts once, within its clamp
                made: exp.Expr = _counted(part, value)
            else:
                made = exp.Sum(this=clamp(value, whole(part.lower), whole(part.upper)))
            columns.append(named(made, f"p{index}"))
        rows = grouped(listing(*self.names, *columns, source=step("r")), *self.names)
        tests = inside(self.bounded)
        if tests is None:
            return rows
        kept = [*self.names, *(f"p{index}" for index in self.parts)]
        return listing(*kept, source=sub(rows, "s"), where=waiting(tests, self.first))

    def _combined(self) -> exp.Select:
        """Return one line for each (unit, key): counts and sums as integers."""
        columns = []
        for place, (index, part) in enumerate(self.parts.items()):
            value = reference(f"v{place}")
            made: exp.Expr = exp.Sum(this=value)
            if part.quantity in COUNTS:
                made = _counted(part, value)
            if self.bounded.single:
                made = _one_or_none(value) if part.quantity in COUNTS else value
            columns.append(named(made, f"p{index}"))
        if self.bounded.single:
            return listing("u", *self.names, *columns, source=step("r"), where=inside(self.bounded))
        return grouped(listing("u", *self.names, *columns, source=step("r")), "u", *self.names)

    def _clamped(self) -> exp.Select:
        """Return the same lines with every partial clamped to its literals; of private keys, those picked."""
        columns = [
            named(cast(clamp(reference(f"p{i}"), whole(part.lower), whole(part.upper)), INTEGER), f"p{i}")
            for i, part in self.parts.items()
        ]
        kept = None if self.bounded.single else owned_inside(self.bounded, self.first)
        query = listing("u", *self.names, *columns, source=step("a"), where=kept)
        if self.bounded.single or not self.bounded.private_keys:
            return query
        more(query, named(place_among(["u"], self.names), "pick"))
        shown = ["u", *self.names, *(f"p{i}" for i in self.parts)]
        return listing(*shown, source=sub(query, "p"), where=picked(self.bounded))

    def _size(self, index: int) -> exp.Expr:
        return norming.size(self.bounded.noise, reference(f"p{index}"), self.parts[index].linf)

    def _norms(self) -> exp.Select:
        sums = [
            named(exp.Coalesce(this=exp.Sum(this=self._size(i)), expressions=[integer(0)]), f"q{i}")
            for i in self.scaled
        ]
        return grouped(listing("u", *sums, source=step("b")), "u")

    def _bins(self) -> exp.Select:
        """Return each unit's bins and ratios; where a unit has one line already, its norm is there."""
        source: exp.Expr = step("n")
        kept: list[str] = []
        if self.alone:
            kept = [*self.names, *(f"p{i}" for i in self.parts)]
            sizes = [named(exp.Coalesce(this=self._size(i), expressions=[integer(0)]), f"q{i}") for i in self.scaled]
            source = sub(listing("u", *kept, *sizes, source=step("b")), "n")
        columns: list[exp.Expr] = []
        for index in self.scaled:
            clip, norm = self.bounded.clips[index], reference(f"q{index}")
            columns.append(named(norming.bin_of(clip, norm), f"b{index}"))
            columns.append(named(norming.ratio_of(self.bounded.noise, clip, norm), f"r{index}"))
        return listing("u", *kept, *columns, source=source)

    def _sums(self) -> exp.Select:
        """Return the sums of all parts by cell and all bins together: few lines, however many units there are."""
        here = "m" if self.scaled and self.alone else "b"
        keys = [reference(name, here) for name in self.names]
        bins = [reference(f"b{i}", "m") for i in self.scaled]
        columns = [named(exp.Sum(this=reference(f"p{i}", here)), f"p{i}") for i in self.parts]
        for index in self.scaled:
            small = norming.scaled_down(reference(f"p{index}", here), reference(f"r{index}", "m"))
            columns.append(named(exp.Sum(this=small), f"w{index}"))
        query = listing(*(one.copy() for one in (*keys, *bins)), *columns, source=step(here))
        if self.scaled and not self.alone:
            units = exp.EQ(this=reference("u", "b"), expression=reference("u", "m"))
            join(query, step("m"), JoinKind.INNER, units)
        return grouped(query, *keys, *bins)


def _counted(part: Partial, value: exp.Expr) -> exp.Expr:
    """Return how many rows have a value: a literal is in all of them."""
    return exp.Count(this=exp.Star() if isinstance(part.row, exp.Literal) else value, big_int=True)


def _one_or_none(value: exp.Expr) -> exp.Expr:
    """Return the count of a value that is there once or not at all."""
    missing = exp.Is(this=value, expression=exp.Null())
    return exp.Case(ifs=[exp.If(this=missing, true=integer(0))], default=integer(1))
