"""What past questions would become under another version: planned twice, over no data, charged and released nowhere.

Questions come from the store, where the policy keeps their texts for its provider, or from whoever asks. A model is
kept, and planned again, as the SQL of its sums: with the scales that the bounds of its own day gave it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.app.pacing import Pace
from gateway.catalog.model import Dataset, Grant
from gateway.errors import GatewayError
from gateway.ledger.events import DELTA_DECIMALS, RHO_DECIMALS, decimal_text
from gateway.ledger.keeping import Kept, PastText
from gateway.models.composing import DIALECT
from gateway.orders import Cost, cost
from gateway.parts import Planner
from gateway.policy.decide import admit
from gateway.policy.model import Refusal
from gateway.ports import Clock
from gateway.programs import PlanJob
from gateway.request import Caller, Posed, Request

DIALECTS = ("duckdb", "postgres", "trino", "spark")
"""In which dialects a text from the store is tried: which it was written in is not kept."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a question under one version: its cost without anything stored, or the code of its refusal."""

    due: Cost | None
    code: str | None = None
    dialect: str | None = None


Granted = Callable[[Dataset, Caller], Awaitable[Sequence[Grant]]]
"""What the store grants somebody on a dataset, whatever version of its policy is served."""


class Rehearsal:
    """Plans questions under two versions of a policy."""

    def __init__(self, planner: Planner, granted: Granted, pace: Pace, kept: Kept, clock: Clock) -> None:
        self._planner = planner
        self._granted = granted
        self._pace = pace
        self._kept = kept
        self._clock = clock

    async def past(self, dataset: str, most: int) -> list[Posed]:
        """Return the latest charged questions on a dataset whose texts are kept, the newest first."""
        return [_question(one) for one in await self._kept.past(dataset, most)]

    async def rehearse(self, caller: Caller, old: Dataset, new: Dataset, asked: Sequence[Posed]) -> dict[str, Any]:
        """Return what becomes of each question, and how many there are of each kind.

        Each counts as a free decision of the caller's minute, before the first is looked at. Raises GatewayError
        `too_many_requests`.
        """
        await self._pace.take(caller, len(asked))
        told = []
        for question in asked:
            before = await self._outcome(old, question)
            after = await self._outcome(new, question, before.dialect)
            told.append({
                "query": question.name,
                "organisation": question.caller.organisation,
                "buyer": question.caller.subject,
                "model": question.model,
                "becomes": _becomes(before, after),
                "before": _shown(before),
                "after": _shown(after),
            })  # fmt: skip
        counts = {word: sum(one["becomes"] == word for one in told) for word in WORDS}
        return {"from": old.policy_version, "to": new.policy_version, "counts": counts, "questions": told}

    async def _outcome(self, dataset: Dataset, question: Posed, dialect: str | None = None) -> Outcome:
        """Return what becomes of a question in its dialect, or in the first in which it is understood."""
        chosen = question.dialect or dialect
        outcomes = [await self._planned(dataset, question, one) for one in ((chosen,) if chosen else DIALECTS[:1])]
        if not chosen and outcomes[0].code is not None and outcomes[0].code in _NOT_READ:
            outcomes += [await self._planned(dataset, question, one) for one in DIALECTS[1:]]
        return next((one for one in outcomes if one.due is not None), outcomes[0])

    async def _planned(self, dataset: Dataset, question: Posed, dialect: str) -> Outcome:
        now, caller = self._clock.now(), question.caller
        granted = await self._granted(dataset, caller)
        mode = "modelling" if question.model else "authorised"
        decision = admit(dataset, caller, caller.purpose, now.date(), mode, granted)
        if isinstance(decision, Refusal):
            return Outcome(None, decision.code)
        request = Request(
            question.sql, dataset.name, caller.purpose, question.epsilon,
            dialect=dialect, mode=mode, composed=question.model,
        )  # fmt: skip
        try:
            planned = await self._planner.plan(PlanJob(dataset, caller, request, now, decision.grant))
        except GatewayError as error:
            return Outcome(None, error.code)
        return Outcome(cost(planned, dataset, decision.grant, frozenset()), dialect=dialect)


_NOT_READ = frozenset({"sql_syntax", "unsupported_sql", "unsupported_function", "type_mismatch"})
"""Refusals that a text in another dialect may have."""

WORDS = ("refused now", "allowed now", "costs otherwise", "the same", "refused as before")
"""What may become of a question."""


def _becomes(before: Outcome, after: Outcome) -> str:
    if after.due is None:
        return "refused now" if before.due is not None else "refused as before"
    if before.due is None:
        return "allowed now"
    return "the same" if _costs(before.due) == _costs(after.due) else "costs otherwise"


def _costs(due: Cost) -> tuple[object, ...]:
    return due.rho, due.delta, due.price.amount, due.price.currency


def _shown(outcome: Outcome) -> dict[str, object]:
    due = outcome.due
    if due is None:
        return {"allowed": False, "code": outcome.code}
    return {
        "allowed": True,
        "rho": decimal_text(due.rho, RHO_DECIMALS),
        "delta": decimal_text(due.delta, DELTA_DECIMALS),
        "amount": f"{due.price.amount:f}",
        "currency": due.price.currency,
    }


def _question(past: PastText) -> Posed:
    said = past.said
    epsilon = Decimal(said["epsilon"]) or None
    who = Caller(said["buyer"], said["organisation"], frozenset({"buyer"}), said["purpose"], said["jurisdiction"])
    model = bool(said.get("model"))
    return Posed(past.query_id, who, past.sql, epsilon, DIALECT if model else None, model)
