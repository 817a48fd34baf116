"""Trees of counts over a value's range, for quantiles, MIN and MAX: leaves, levels, and what a released tree says.

Leaf counts come exact from the engine; every level gets noise in one draw, is made consistent, and is read as a
distribution. Source: Hay, Rastogi, Miklau and Suciu, VLDB 2010, section 4; the fanout of 16 after Qardaji, Yang and
Li, VLDB 2013.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlglot import exp

from gateway.catalog.types import INTEGER, TIMESTAMP, TypeKind
from gateway.errors import GatewayError, Position
from gateway.privacy.measurement import SCORES, Quantity, Tree
from gateway.privacy.partials import FixedPoint, fixed_point, only_where
from gateway.sql.plan import AggregateCall, AggregateKind
from gateway.sql.terms import Term, cast, clamp, span_ends, whole
from gateway.sql.writing import shown

FANOUT = 16
MAX_LEAVES = 65_536
MAX_ENGINE_ROWS = 2**20
"""Leaves of all cells together, at most, that the engine may return."""

MAX_NODES = 2**18
"""Nodes of all cells together, at most, that are noised: a draw of one takes some ten microseconds."""

CLEAR = 2.0
"""MIN and MAX lie where the count from their end passes so many deviations of its noise and does not fall back."""

EPOCH_DAY = 719_163
"""The ordinal of 1970-01-01."""

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[Any]
"""Exact integers."""


@dataclass(frozen=True, slots=True)
class TreePart:
    """A histogram of rows: `row` is the leaf of each row's value (NULL: does not count), `queries` what is asked.

    Leaf i holds the values from `lower` + i * `width` on, in `step`s.
    """

    row: exp.Expr
    lower: int
    upper: int
    step: Fraction
    width: int
    fine: int
    queries: tuple[str, ...] = ()

    @property
    def quantity(self) -> Quantity:
        return Quantity.TREE

    @property
    def written(self) -> str:
        """The text of `row`."""
        return shown(self.row)

    def identity(self) -> str:
        """Return what makes two trees of one measurement the same; what is asked of it does not."""
        return f"{Quantity.TREE}|{self.written}|{self.lower}|{self.upper}|{self.step}"


def part_of(term: Term, condition: exp.Expr | None, place: Position | None, cells: int | None) -> TreePart:
    """Return the tree of a number, date or timestamp.

    Raises GatewayError `no_bounds` without a range, `type_mismatch` for other types.
    """
    value = _counted(term, place)
    span = value.hi - value.lo + 1
    leaves = min(MAX_LEAVES, max(FANOUT, MAX_ENGINE_ROWS // (cells or FANOUT)))
    width = max(1, -(-span // leaves))
    shifted: exp.Expr = exp.paren(value.node, copy=False)
    if value.lo:
        shifted = exp.paren(exp.Sub(this=shifted, expression=cast(whole(value.lo), INTEGER)), copy=False)
    if width > 1:
        shifted = exp.IntDiv(this=shifted, expression=exp.Literal.number(width))
    row = only_where(condition, shifted)
    return TreePart(row, value.lo, value.hi, value.step, width, -(-span // width))


def _counted(term: Term, place: Position | None) -> FixedPoint:
    if term.type.numeric:
        return fixed_point(term, place, bounded=True)
    if not term.type.temporal:
        detail = f"{term.type} has no quantiles, least or largest value here."
        hint = "Use a number, a date or a timestamp; BOOL_AND and BOOL_OR for a boolean."
        raise GatewayError("type_mismatch", detail, hint, place or term.place)
    if term.span is None:
        hint = "Clamp it: GREATEST(LEAST(x, DATE '2030-01-01'), DATE '1990-01-01'), or ask the provider for bounds."
        raise GatewayError("no_bounds", "Nothing bounds this date.", hint, place or term.place)
    seconds = term.type == TIMESTAMP
    first, last = (cast(exp.Literal.string(text), term.type) for text in span_ends(term))
    epoch = cast(exp.Literal.string("1970-01-01"), term.type)
    unit = exp.Literal.string("SECOND" if seconds else "DAY")
    held = exp.paren(clamp(term.node, first, last), copy=False)
    node = exp.Anonymous(this="DATE_DIFF", expressions=[unit, epoch, held])
    days = [day.toordinal() - EPOCH_DAY for day in term.span]
    lo, hi = (days[0] * 86_400, days[1] * 86_400 + 86_399) if seconds else (days[0], days[1])
    return FixedPoint(node, Fraction(1), lo, hi, term.nullable, known=True)


def query_of(call: AggregateCall) -> str:
    """Return what is asked of a tree as text: min, max, or the kind of quantile and its exact fraction."""
    if call.kind in (AggregateKind.MIN, AggregateKind.MAX):
        return call.kind.value.lower()
    fraction = call.parameter if call.parameter is not None else Fraction(1, 2)
    assert call.argument is not None  # INVARIANT: a quantile is of something
    # there is no day between two days
    smooth = call.kind is AggregateKind.QUANTILE_CONT and call.argument.type.kind is not TypeKind.DATE
    return f"{'cont' if smooth else 'disc'}:{fraction}"


def levels_of(leaves: int, fanout: int = FANOUT) -> tuple[int, ...]:
    """Return the number of nodes on each level that is noised, from the top (at most `fanout`) to the leaves."""
    sizes = [leaves]
    while sizes[0] > fanout:
        sizes.insert(0, -(-sizes[0] // fanout))
    return tuple(sizes)


def planned_leaves(part: TreePart, cells: int | None, rows: float, rank_deviation: float) -> int:
    """Return how many leaves are worth their noise: about as many as the ranks that can be told apart.

    `rows` and `rank_deviation` are one cell's, from declared figures. Never more than the engine counts.
    """
    wanted = rows / max(rank_deviation, 1e-9)
    leaves = part.fine
    while leaves > FANOUT:
        coarser = -(-leaves // FANOUT)
        too_many = sum(levels_of(leaves)) * (cells or FANOUT) > MAX_NODES
        if 2 * coarser < wanted and not too_many:
            break
        leaves = coarser
    return leaves


def levels(counts: Counts, tree: Tree) -> list[Counts]:
    """Return the counts of every level, from the top: `counts` are exact, (cells, fine leaves)."""
    joined = counts
    while joined.shape[1] > tree.leaves:
        joined = _joined(joined, tree.fanout)
    found: list[Counts] = [joined]
    for _ in levels_of(tree.leaves, tree.fanout)[1:]:
        found.insert(0, _joined(found[0], tree.fanout))
    return found


def _joined(counts: npt.NDArray[Any], fanout: int) -> npt.NDArray[Any]:
    cells, leaves = counts.shape
    padded = np.zeros((cells, -(-leaves // fanout) * fanout), counts.dtype)
    padded[:, :leaves] = counts
    summed: npt.NDArray[Any] = padded.reshape(cells, padded.shape[1] // fanout, fanout).sum(axis=2)
    return summed


def consistent(noisy: list[Numbers], fanout: int) -> tuple[Numbers, list[float]]:
    """Return the least-squares leaf counts of noisy levels, and each level's variance in units of the noise's own.

    Bottom-up, a node is weighed with the sum of its children; top-down, children share what is left over. The
    variances are those of nodes before the second pass: what is read of prefixes follows from them.
    """
    estimates, variances = [noisy[-1]], [1.0]
    for level in reversed(noisy[:-1]):
        below = _joined(estimates[0], fanout)
        spread = fanout * variances[0]
        own = spread / (1 + spread)
        estimates.insert(0, own * level + (1 - own) * below)
        variances.insert(0, own)
    settled = estimates[0]
    for level in estimates[1:]:
        children = np.full(settled.shape[1], fanout)
        children[-1] -= settled.shape[1] * fanout - level.shape[1]  # the last node may have fewer
        left = (settled - _joined(level, fanout)) / children
        settled = level + np.repeat(left, children, axis=1)
    return settled, variances


def prefix_deviations(tree: Tree, variances: list[float], fraction: float) -> Numbers:
    """Return the noise's deviation (in its own) of [count up to and with leaf i] - fraction * [count of all].

    A prefix is whole nodes of the top level and a part of the next, spread evenly inside but for the noise of the level
    below: there the children are settled by their parent, so their prefixes are a bridge between the node's ends.
    """
    sizes = levels_of(tree.leaves, tree.fanout)
    ends = np.arange(1, tree.leaves + 1, dtype=np.float64)
    span = float(tree.fanout ** (len(sizes) - 1))
    whole, part = np.floor(ends / span), (ends / span) % 1
    cut = whole < sizes[0]
    squared = whole * (1 - fraction) ** 2 + (sizes[0] - whole - cut) * fraction**2 + cut * (part - fraction) ** 2
    squared = squared * variances[0]
    for variance in variances[1:]:
        inside = part * tree.fanout
        whole, part = np.floor(inside), inside % 1
        squared = squared + variance * (whole + part**2 - inside**2 / tree.fanout)
    deviations: Numbers = np.sqrt(np.maximum(squared, 1e-12))
    return deviations


def read(tree: Tree, leaves: Numbers, variances: list[float], deviation: float) -> list[list[tuple[float, ...] | None]]:
    """Return, for each query and each cell, the value at every one of SCORES; None where the cell holds nothing.

    `leaves` are consistent counts (cells, leaves), `deviation` that of the noise of one node.
    """
    summed = np.round(np.cumsum(leaves, axis=1), 6)
    # a distribution never falls: the mean of the least that lies above all before and the most below all after, but
    # never beyond the count of all, which such maxima over long empty ends would push up
    rising = np.maximum.accumulate(summed, axis=1)
    falling = np.minimum.accumulate(summed[:, ::-1], axis=1)[:, ::-1]
    cdf = np.clip((rising + falling) / 2, 0, np.maximum(summed[:, -1:], 0))
    cdf[:, -1] = np.maximum(summed[:, -1], 0)
    answers: list[list[tuple[float, ...] | None]] = []
    for query in tree.queries:
        kind, _, text = query.partition(":")
        fraction = float(Fraction(text)) if text else {"min": 0.0, "max": 1.0}[kind]
        spread = prefix_deviations(tree, variances, fraction) * deviation
        if kind in ("min", "max"):
            answers.append([_extreme(tree, row, kind, spread) for row in summed])
        else:
            answers.append([_curve(tree, row, kind, fraction, spread) for row in cdf])
    return answers


def _curve(tree: Tree, cdf: Numbers, kind: str, fraction: float, spread: Numbers) -> tuple[float, ...] | None:
    scores = np.array(SCORES)
    if spread.max() < 0.1:  # rows are whole, and noise this small does not hide which
        cdf = np.round(cdf)
    count = float(cdf[-1])
    if count < 0.5:
        return None
    rank = fraction * (count - 1) if kind == "cont" else max(math.ceil(round(fraction * count, 6)) - 1, 0)
    at = min(int(np.searchsorted(cdf, rank, side="right")), len(cdf) - 1)
    ranks = np.clip(rank + scores * spread[at], 0, max(count - 1, 0))
    values = _at(tree, cdf, ranks, smooth=kind == "cont")
    return _ones(tree, values)


def _at(tree: Tree, cdf: Numbers, ranks: Numbers, *, smooth: bool) -> Numbers:
    """Return the values (in steps) at ranks from 0 on; between two neighbours where `smooth`, as PERCENTILE_CONT."""
    width = _leaf_width(tree)
    if width > 1:
        before = np.concatenate(([0.0], cdf))
        leaf = np.minimum(np.searchsorted(cdf, ranks + 0.5, side="right"), len(cdf) - 1)
        inside = (ranks + 0.5 - before[leaf]) / np.maximum(cdf[leaf] - before[leaf], 1e-9)
        found: Numbers = tree.lower + width * (leaf + np.clip(inside, 0, 1))
        return found
    # the value of rank k is the first with more than k counted up to it: half a row is well above what noise is left
    low = np.minimum(np.searchsorted(cdf, np.floor(ranks) + 0.5, side="right"), len(cdf) - 1)
    if not smooth:
        return (tree.lower + low).astype(np.float64)
    high = np.minimum(np.searchsorted(cdf, np.ceil(ranks) + 0.5, side="right"), len(cdf) - 1)
    mixed: Numbers = tree.lower + low + (high - low) * (ranks - np.floor(ranks))
    return mixed


def _extreme(tree: Tree, summed: Numbers, kind: str, spread: Numbers) -> tuple[float, ...] | None:
    """Return the first leaf (from either end) from which on more is counted than noise alone would show."""
    if summed[-1] < 0.5:
        return None
    width = _leaf_width(tree)
    if kind == "max":  # the same, seen from the other end
        summed = (summed[-1] - np.concatenate(([0.0], summed[:-1])))[::-1]
        spread = np.concatenate((spread[-1:], spread[:-1]))[::-1]
    counted = np.minimum.accumulate(summed[::-1])[::-1]
    values = []
    for score in SCORES:
        places = np.flatnonzero(counted > np.maximum(0.5, (CLEAR + score) * spread))
        values.append(tree.lower + width * (int(places[0]) if len(places) else len(summed) - 1))
    found = np.array(values, dtype=np.float64)
    if kind == "max":
        found = (tree.lower + width * tree.leaves - 1 - (found - tree.lower))[::-1]
    return _ones(tree, found)


def resolution(tree: Tree) -> Fraction | None:
    """Return how far apart values are that a quantile can be told between, None where every step is."""
    width = _leaf_width(tree)
    return width * Fraction(tree.step) if width > 1 else None


def _leaf_width(tree: Tree) -> int:
    size, width = tree.fine, tree.width
    while size > tree.leaves:
        size, width = -(-size // tree.fanout), width * tree.fanout
    return width


def _ones(tree: Tree, steps: Numbers) -> tuple[float, ...]:
    """Return steps as ones, ascending and within the range."""
    step = Fraction(tree.step)
    held = np.maximum.accumulate(np.clip(steps, tree.lower, tree.upper))
    return tuple(float(value) * step.numerator / step.denominator for value in held)
