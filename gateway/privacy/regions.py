"""Subsets of a declared domain as intervals over its places, and what share of it they are. Nothing of the data.

A place is a whole number: a value's rank among declared values, its distance from the lower bound in steps, or, where
nothing declares the values, a hash of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

UNDECLARED = 2**60
"""Places of numbers that nobody bounds, and of conditions that are not understood, by the hash of their literals."""

NAMES = 2**61
"""Places of texts that nobody declares, by their hash: a name, an address, a code."""

PLAUSIBLE = {UNDECLARED: 1_000, NAMES: 1_000_000}
"""How many values there are taken to be where none are declared: names may tell people apart."""

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Region:
    """Some places of a domain of `size`: disjoint closed intervals, ascending."""

    size: int
    intervals: tuple[Interval, ...]

    @staticmethod
    def of(size: int, intervals: Iterable[Interval]) -> "Region":
        """Return the region of any intervals, cut to the domain."""
        found: list[Interval] = []
        for lo, hi in sorted((max(lo, 0), min(hi, size - 1)) for lo, hi in intervals):
            if lo > hi:
                continue
            if found and lo <= found[-1][1] + 1:
                found[-1] = (found[-1][0], max(hi, found[-1][1]))
            else:
                found.append((lo, hi))
        return Region(size, tuple(found))

    @staticmethod
    def whole(size: int) -> "Region":
        return Region(size, ((0, size - 1),))

    @property
    def everything(self) -> bool:
        return self.intervals == ((0, self.size - 1),)

    @property
    def empty(self) -> bool:
        return not self.intervals

    @property
    def places(self) -> int:
        return sum(hi - lo + 1 for lo, hi in self.intervals)

    @property
    def point(self) -> int | None:
        """The one place of it, else None."""
        return self.intervals[0][0] if self.places == 1 else None

    @property
    def share(self) -> float:
        """Return the share of the domain that it is, all values being alike."""
        if self.size < UNDECLARED:
            return self.places / self.size
        named, most = min(self.places, self.size - self.places), PLAUSIBLE[self.size]
        part = 0.5 if named > most else named / most  # half of a line, wherever it ends
        return part if named == self.places else 1 - part

    def other(self) -> "Region":
        """Return the rest of the domain."""
        found, at = [], 0
        for lo, hi in self.intervals:
            found.append((at, lo - 1))
            at = hi + 1
        return Region.of(self.size, [*found, (at, self.size - 1)])

    def both(self, other: "Region") -> "Region":
        """Return what is in both."""
        found: list[Interval] = []
        mine, theirs = list(self.intervals), list(other.intervals)
        while mine and theirs:
            lo, hi = max(mine[0][0], theirs[0][0]), min(mine[0][1], theirs[0][1])
            if lo <= hi:
                found.append((lo, hi))
            (mine if mine[0][1] < theirs[0][1] else theirs).pop(0)
        return Region(self.size, tuple(found))

    def either(self, other: "Region") -> "Region":
        """Return what is in one of them, or both."""
        return Region.of(self.size, (*self.intervals, *other.intervals))

    def without(self, other: "Region") -> "Region":
        return self.both(other.other())

    def apart(self, other: "Region") -> "Region":
        """Return what is in one of them alone."""
        return self.without(other).either(other.without(self))

    def within(self, other: "Region") -> bool:
        return self.both(other) == self
