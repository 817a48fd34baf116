"""What early warning makes of charges and refusals, one after another: findings. No I/O; a replay finds the same.

Everything is decided by plans, declared sizes and who asked when; nothing here has seen an answer.
"""

import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.catalog.model import AlertLimits
from gateway.ledger.alerts import Finding, Kind, Severity
from gateway.ledger.observing import Observation
from gateway.privacy.populations import Population, read
from gateway.privacy.suspicion import EARLIER, Between, Limits, Nearness, draws, gap, near

DAYS_KNOWN = 5
"""Days on which a buyer has asked before its habits are known."""

UNUSUAL = 0.01
"""An hour with its neighbours is unusual where less than this share of a buyer's queries were asked in them."""

SHOWN = 20
"""Queries that an alert names, at most."""

_NAMED = re.compile(r'"((?:[^"]|"")+)"')


@dataclass(frozen=True, slots=True)
class _Asked:
    """One population of one query."""

    query_id: str
    buyer: str
    at: datetime
    population: Population


@dataclass(frozen=True, slots=True)
class _Slice:
    """A query that differs from an earlier one by a thin slice, and whose they are."""

    at: datetime
    queries: tuple[str, ...]
    buyers: tuple[str, ...]


@dataclass(slots=True)
class _Habits:
    """What a buyer has done so far."""

    queries: int = 0
    days: set[str] = field(default_factory=set)
    hours: Counter[int] = field(default_factory=Counter)
    columns: set[str] = field(default_factory=set)

    def known(self, after: int) -> bool:
        return self.queries >= after and len(self.days) >= DAYS_KNOWN


class Suspecting:
    """What is known of the charges and refusals of one dataset."""

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset
        self._asked: dict[tuple[str, str], deque[_Asked]] = defaultdict(lambda: deque(maxlen=EARLIER))
        self._slices: dict[tuple[str, str], deque[_Slice]] = defaultdict(lambda: deque(maxlen=EARLIER))
        self._habits: dict[str, _Habits] = defaultdict(_Habits)
        self._refused: dict[str, deque[datetime]] = defaultdict(deque)

    def charged(self, seen: Observation, limits: AlertLimits) -> list[Finding]:
        """Return what a charge gives reason to warn of, beside all before it."""
        found = [*self._unusual(seen, limits)]
        for population in read(seen.populations):
            key = (population.shape, population.quantity)
            one, earlier = _Asked(seen.query_id, seen.buyer, seen.at, population), self._asked[key]
            found += self._differs(key, one, earlier, limits)
            found += self._again(one, earlier, limits)
            earlier.append(one)
        return list({one.alert_id: one for one in found}.values())

    # -- differencing ---------------------------------------------------------------------------------------------

    def _differs(
        self, key: tuple[str, str], one: _Asked, earlier: Iterable[_Asked], limits: AlertLimits
    ) -> Iterator[Finding]:
        small = Limits(limits.few_units, float(limits.thin))
        sliced: list[_Asked] = []
        kept = list(earlier)
        for other in reversed(kept):
            found = near(one.population, other.population, small)
            if found is not None and found.between is Between.FEW:
                yield self._differencing((other, one), found)
                return
            if found is not None and other.at > one.at - timedelta(hours=limits.hours):
                sliced.append(other)
        left = gap(one.population, [other.population for other in kept], small)
        if left is not None and left[2].between is Between.FEW:
            yield self._differencing((kept[left[0]], kept[left[1]], one), left[2])
            return
        if left is not None:
            sliced += [kept[left[0]], kept[left[1]]]
        if sliced:
            yield from self._sliced(key, one, sliced, limits)

    def _differencing(self, asked: tuple[_Asked, ...], found: Nearness) -> Finding:
        buyers = _buyers(asked)
        together = "of several buyers together " if len(buyers) > 1 else ""
        words = (
            f"The populations of {len(asked)} queries {together}differ by about {found.units:.3g} units, "
            f"by declared sizes. They test {_columns(found.tested)} differently."
        )
        figures = {
            "queries": sorted({one.query_id for one in asked}),
            "units": round(found.units, 6),
            "share": round(found.share, 9),
            "columns": _columns(found.tested),
        }
        return self._finding(Kind.DIFFERENCING, Severity.ALARM, asked[-1].at, buyers, words, figures)

    def _sliced(
        self, key: tuple[str, str], one: _Asked, others: list[_Asked], limits: AlertLimits
    ) -> Iterator[Finding]:
        slices = self._slices[key]
        if not any(one.query_id == known.queries[0] for known in slices):
            partner = others[0]
            slices.append(_Slice(one.at, (one.query_id, partner.query_id), _buyers((one, partner))))
        recent = [known for known in slices if known.at > one.at - timedelta(hours=limits.hours)]
        if len(recent) < limits.slices:
            return
        buyers = tuple(sorted({buyer for known in recent for buyer in known.buyers}))
        queries = sorted({query for known in recent for query in known.queries})
        words = (
            f"{len(recent)} queries within {limits.hours} hours each differ from an earlier one by a thin slice of "
            f"a column's declared values, less than {limits.thin:f} of them."
        )
        figures = {"queries": queries[-SHOWN:], "slices": len(recent)}
        yield self._finding(Kind.DIFFERENCING, Severity.WARNING, one.at, buyers, words, figures, "slices")

    # -- averaging ------------------------------------------------------------------------------------------------

    def _again(self, one: _Asked, earlier: Iterable[_Asked], limits: AlertLimits) -> Iterator[Finding]:
        since = one.at - timedelta(hours=limits.hours)
        recent = [(other.buyer, other.population) for other in earlier if other.at > since]
        drawn = draws(one.population, recent, one.buyer)
        # a first draw is everybody's due
        times = 1 + sum(max(0.0, count - 1) for count in drawn.values())
        if times + 1e-9 < limits.draws:
            return
        buyers = tuple(sorted(buyer for buyer, count in drawn.items() if count > 1))
        words = (
            f"One quantity was drawn anew about {times:.3g} times within {limits.hours} hours, by other words, other "
            "groups, or conditions that keep the population as it is: averaged, its noise is less than was paid for."
        )
        figures = {"draws": round(times, 3), "query": one.query_id, "quantity": one.population.quantity}
        yield self._finding(Kind.AVERAGING, Severity.WARNING, one.at, buyers, words, figures)

    # -- habits ---------------------------------------------------------------------------------------------------

    def _unusual(self, seen: Observation, limits: AlertLimits) -> Iterator[Finding]:
        habits, hour, buyer = self._habits[seen.buyer], seen.at.hour, (seen.buyer,)
        if habits.known(limits.known_after):
            near_by = sum(habits.hours[(hour + off) % 24] for off in (-1, 0, 1))
            if near_by < UNUSUAL * habits.queries:
                words = f"A buyer asks at {hour:02}:00 UTC, when it hardly ever did in {habits.queries:,} queries."
                figures = {"query": seen.query_id, "hour": hour, "known": habits.queries}
                yield self._finding(Kind.HOURS, Severity.NOTICE, seen.at, buyer, words, figures)
            new = sorted(set(seen.columns) - habits.columns)
            if new:
                words = f"A buyer asks of {', '.join(new)}, of which it asked in none of {habits.queries:,} queries."
                figures = {"query": seen.query_id, "columns": new, "known": habits.queries}
                yield self._finding(Kind.COLUMNS, Severity.NOTICE, seen.at, buyer, words, figures)
        habits.queries += 1
        habits.days.add(seen.at.date().isoformat())
        habits.hours[hour] += 1
        habits.columns.update(seen.columns)

    def refused(self, buyer: str, at: datetime, limits: AlertLimits) -> list[Finding]:
        """Return what a refusal gives reason to warn of, beside those before it."""
        recent = self._refused[buyer]
        recent.append(at)
        while recent[0] <= at - timedelta(minutes=limits.refusal_minutes):
            recent.popleft()
        if len(recent) < limits.refusals:
            return []
        words = f"A buyer was refused {len(recent):,} times within {limits.refusal_minutes} minutes."
        figures = {"refusals": len(recent), "minutes": limits.refusal_minutes}
        return [self._finding(Kind.REFUSALS, Severity.WARNING, at, (buyer,), words, figures)]

    def _finding(
        self,
        kind: Kind,
        severity: Severity,
        at: datetime,
        buyers: tuple[str, ...],
        words: str,
        figures: Mapping[str, object],
        how: str = "",
    ) -> Finding:
        """Return a finding: of one kind, about the same buyers, there is one a day."""
        name = f"{at.date().isoformat()} {how} {' '.join(buyers)}"
        return Finding(kind, self._dataset, name, severity, words, buyers, figures)


def _buyers(asked: Iterable[_Asked]) -> tuple[str, ...]:
    return tuple(sorted({one.buyer for one in asked}))


def _columns(tested: Iterable[str]) -> str:
    """Return the base columns of expressions: literals that stand in them are not told."""
    names = {name for text in tested for found in _NAMED.findall(text) for name in re.findall(r"\w+\.\w+", found)}
    return ", ".join(sorted(names)) or "an expression"
