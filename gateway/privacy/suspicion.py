"""What two or more populations tell together: few units between them, or one quantity drawn again. Pure arithmetic.

Only declared sizes are counted with, and values are taken to be spread evenly over their declared domains.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.privacy.conjuncts import Box
from gateway.privacy.populations import Population
from gateway.privacy.regions import Region

RELATIVE = 0.1
"""What tells two populations apart is a small part of them: else they are two populations."""

EARLIER = 200
"""Earlier populations of one shape and quantity that a new one is compared with, at most."""

TOGETHER = 48
"""Earlier populations of which two are put together, at most."""


class Between(StrEnum):
    """How near two populations are: FEW units apart by declaration, or a THIN slice of one expression's values."""

    FEW = "few"
    THIN = "thin"


@dataclass(frozen=True, slots=True)
class Nearness:
    """What lies between populations: how near, what share of the population, how many units, by which expressions."""

    between: Between
    share: float
    units: float
    tested: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on a difference is small: in declared units, or as a share of an expression's values."""

    units: float
    share: float


def near(one: Population, other: Population, limits: Limits) -> Nearness | None:
    """Return what lies between two populations where that is little, else None.

    Populations that are the same are not near: they are one quantity. Nor are those that have nobody in common.
    """
    pairs = _unlike(one, other)
    if not pairs or any(a.both(b).empty for a, b in pairs.values()):
        return None
    rest = _rest(one, other, pairs)
    if len(pairs) == 1:
        ((name, (a, b)),) = pairs.items()
        return _judged((name,), a.apart(b).share, a.either(b).share, rest, one, limits)
    for inner, outer in ((0, 1), (1, 0)):
        if all(sides[inner].within(sides[outer]) for sides in pairs.values()):
            whole = math.prod(sides[outer].share for sides in pairs.values())
            part = math.prod(sides[inner].share for sides in pairs.values())
            return _judged(tuple(sorted(pairs)), whole - part, whole, rest, one, limits)
    return None


def _unlike(one: Population, other: Population) -> dict[str, tuple[Region, Region]]:
    """Return the regions that differ. Of what one is split by, its cells that the other is about are put together."""
    found: dict[str, tuple[Region, Region]] = {}
    for name in one.box | other.box:
        a, b = _regions(one, other, name)
        split = (name in one.keys and b.within(a)) or (name in other.keys and a.within(b))
        if a != b and not split:
            found[name] = (a, b)
    return found


def _regions(one: Population, other: Population, name: str) -> tuple[Region, Region]:
    size = (one.box.get(name) or other.box[name]).size
    return one.region(name, size), other.region(name, size)


def _rest(one: Population, other: Population, unlike: Iterable[str]) -> float:
    """Return the share that all passes that both test alike."""
    apart = frozenset(unlike)
    shares = []
    for name in one.box | other.box:
        if name not in apart:
            a, b = _regions(one, other, name)
            shares.append(a.both(b).share)
    return math.prod(shares)


def _judged(
    tested: tuple[str, ...], apart: float, whole: float, rest: float, of: Population, limits: Limits
) -> Nearness | None:
    units = min(apart * rest * of.rows, apart * of.units)
    if apart <= 0 or whole <= 0 or apart / whole > RELATIVE:
        return None
    if units <= limits.units:
        return Nearness(Between.FEW, apart / whole, units, tested)
    return Nearness(Between.THIN, apart / whole, units, tested) if apart < limits.share else None


def gap(new: Population, earlier: Sequence[Population], limits: Limits) -> tuple[int, int, Nearness] | None:
    """Return two earlier populations of which one less the other two, the new one among them, is little.

    Only parts of one expression's values are put together; everything else is tested alike.
    """
    for name in new.box:
        alike = [
            (at, one)
            for at, one in enumerate(earlier[-TOGETHER:], max(0, len(earlier) - TOGETHER))
            if _without(one.box, name) == _without(new.box, name) and one.keys == new.keys
        ]
        found = _left_over(name, new, alike, limits)
        if found is not None:
            return found
    return None


def _without(box: Box, name: str) -> Box:
    return {key: region for key, region in box.items() if key != name}


def _left_over(
    name: str, new: Population, alike: Sequence[tuple[int, Population]], limits: Limits
) -> tuple[int, int, Nearness] | None:
    size = new.box[name].size
    rest = math.prod(region.share for key, region in new.box.items() if key != name)
    places = {new.region(name, size): -1}
    for at, one in alike:
        places.setdefault(one.region(name, size), at)  # the same values once more are no further part
    members = [(at, region) for region, at in places.items()]
    for i, (first, a) in enumerate(members):
        for second, b in members[i + 1 :]:
            if not a.both(b).empty:
                continue
            parts = a.either(b)
            for third, whole in members if first == -1 else members[:1]:  # the new one is among the three
                if third in (first, second) or not parts.within(whole):
                    continue
                judged = _judged((name,), whole.without(parts).share, whole.share, rest, new, limits)
                if judged is not None:
                    left, right = (at for at in (first, second, third) if at != -1)
                    return left, right, judged
    return None


@dataclass(frozen=True, slots=True)
class Again:
    """An earlier draw of a new population's quantity.

    `weight` is what it adds: 1 for the same, 1/n for a sum of n cells. `cell` is the cell of the new one that it is
    about, None for all of them.
    """

    weight: float
    cell: tuple[tuple[str, int], ...] | None = None


def again(new: Population, earlier: Population) -> Again | None:
    """Return how far an earlier draw is one of the same quantity, else None."""
    cells, points = 1, []
    for name in {**new.box, **earlier.box, **new.keys, **earlier.keys}:
        tested = new.box.get(name) or earlier.box.get(name)
        mine, theirs = (None, None) if tested is None else _regions(new, earlier, name)
        if name in new.keys:
            if name in earlier.keys:
                if mine is not None and theirs is not None and mine.both(theirs).empty:
                    return None
                continue
            point = theirs.point if theirs is not None else None
            if point is None or (mine is not None and not (theirs or mine).within(mine)):
                return None
            points.append((name, point))
        elif name in earlier.keys:
            if mine is not None and theirs is not None and not mine.within(theirs):
                return None
            count = earlier.keys[name]
            if count is None:
                return None
            cells *= max(1, min(count, mine.places) if mine is not None else count)
        elif mine != theirs:
            return None
    return Again(1 / cells, tuple(sorted(points)) or None)


def draws(new: Population, earlier: Iterable[tuple[str, Population]], asker: str) -> dict[str, float]:
    """Return how often each asker has drawn a new population's quantity, this draw of `asker` with them.

    Of several cells the one counts that was drawn most. Draws of one series of one asker are one: what they cost adds
    up, and so does what the gateway makes of them.
    """
    counted = {(asker, new.series)} if new.series else set[tuple[str, str]]()
    of_all: dict[str, float] = {asker: 1.0}
    of_cell: dict[tuple[tuple[str, int], ...], dict[str, float]] = {}
    for by, one in earlier:
        found = again(new, one)
        if found is None or (by, one.series) in counted:
            continue
        if one.series:
            counted.add((by, one.series))
        into = of_all if found.cell is None else of_cell.setdefault(found.cell, {})
        into[by] = into.get(by, 0.0) + found.weight
    most = max(of_cell.values(), key=lambda cell: sum(cell.values()), default={})
    return {by: of_all.get(by, 0.0) + most.get(by, 0.0) for by in of_all | most}
