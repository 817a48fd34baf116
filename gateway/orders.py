"""Step 7: what a planned query would be charged, in privacy and in money. Data-independent and pure."""

import hashlib
import json
from dataclasses import dataclass, replace
from decimal import Decimal
from urllib.parse import quote as escaped

from gateway.catalog.model import Budget, Dataset, Grant
from gateway.ledger.model import Account, Allowance, Order
from gateway.metering.prices import Price, price, split
from gateway.planning import Planned
from gateway.privacy import accounting
from gateway.privacy.measurement import Measurement
from gateway.privacy.units import epsilon_of_budget
from gateway.request import Caller, Request


@dataclass(frozen=True, slots=True)
class Cost:
    """What the draws that are not stored yet would cost, in ledger units, and their price. No draw: it is free."""

    rho: int
    delta: int
    price: Price
    draws: tuple[str, ...]

    @property
    def free(self) -> bool:
        return not self.draws


def buyer_id(caller: Caller) -> str:
    """Return the name of a buyer in accounts and tables: organisation and subject, escaped so that none can mix."""
    return f"{escaped(caller.organisation, safe='')}/{escaped(caller.subject, safe='')}"


def draws(planned: Planned) -> tuple[str, ...]:
    """Return the names of all draws of a query, each once; of one over public tables alone that of its answer."""
    found = dict.fromkeys(p.digest for m in planned.program.measurements for p in m.primitives)
    return tuple(found) or (public_draw(planned),)


def public_draw(planned: Planned) -> str:
    """Return the name under which an answer from public tables alone counts as paid."""
    return f"public:{planned.question}"


def missing(measurements: tuple[Measurement, ...], stored: frozenset[str]) -> tuple[int, int]:
    """Return (rho, delta) of the primitives whose digest is not among `stored`. What is asked twice is drawn once."""
    due = {p.digest: p.charge for m in measurements for p in m.primitives if p.digest not in stored}
    thresholds: dict[str, int] = {}
    for measurement in measurements:
        chosen = measurement.selection
        if chosen is not None:
            units = next(p for p in measurement.primitives if p.name == chosen.primitive)
            if units.digest not in stored:
                thresholds[units.digest] = chosen.delta
    return sum(due.values()), sum(thresholds.values())


def cost(planned: Planned, dataset: Dataset, grant: Grant, stored: frozenset[str]) -> Cost:
    """Return what a query costs beside what is stored. A query that is stored whole is free."""
    measurements = planned.program.measurements
    rho, delta = missing(measurements, stored)
    due = tuple(digest for digest in draws(planned) if digest not in stored)
    plan = dataset.plan_of(grant)
    spent = Decimal(f"{epsilon_of_budget(rho, dataset.privacy.accounting):.9f}")
    return Cost(
        rho,
        delta,
        price(
            plan if due else None,
            epsilon=spent if stored or not measurements else planned.epsilon,
            data_class=planned.data_class,
            declared_rows=planned.declared_rows,
        ),
        due,
    )


def levels(planned: Planned) -> tuple[Planned, ...]:
    """Return the plan of a quote at each level of its forecast: what would be priced and charged, were it asked."""
    found = planned.forecast.levels if planned.forecast is not None else ()
    return tuple(
        replace(planned, program=replace(planned.program, steps=level.measurements), epsilon=level.epsilon)
        for level in found
    )


def accounts(dataset: Dataset, caller: Caller, grant: Grant) -> tuple[Account, ...]:
    """Return every account that a charge debits: the data's own first, then the quotas inside it."""
    privacy = dataset.privacy
    name, organisation, buyer = privacy.account, escaped(caller.organisation, safe=""), buyer_id(caller)
    levels: list[tuple[str, Budget | None]] = [
        (f"data/{name}", privacy.budget),
        (f"organisation/{name}/{organisation}", privacy.per_organisation),
        (f"buyer/{name}/{buyer}", privacy.per_buyer),
        (f"grant/{name}/{dataset.name}/{grant.name}/{organisation}", grant.budget),
    ]
    return tuple(
        Account(key, *accounting.limits(b.epsilon, b.delta, privacy.accounting)) for key, b in levels if b is not None
    )


def order(
    query_id: str,
    planned: Planned,
    dataset: Dataset,
    caller: Caller,
    request: Request,
    grant: Grant,
    due: Cost,
) -> Order:
    """Return the order that the ledger charges, with the facts that its meter event and log leaf carry."""
    return Order(
        query_id=query_id,
        buyer=buyer_id(caller),
        organisation=caller.organisation,
        dataset=dataset.name,
        idempotency_key=request.idempotency_key or f"query:{query_id}",
        body_digest=request.body_digest,
        question=question(planned, caller),
        draws=due.draws,
        accounts=accounts(dataset, caller, grant),
        allowance=Allowance(f"{dataset.name}/{grant.name}", grant.uses, grant.rate_count, grant.rate_seconds),
        rho=due.rho,
        delta=due.delta,
        amount=due.price.amount,
        currency=due.price.currency,
        facts=facts(planned, dataset, caller, grant, due),
    )


def question(planned: Planned, caller: Caller) -> str:
    return hashlib.sha256(f"{buyer_id(caller)}\n{planned.question}".encode()).hexdigest()


def facts(planned: Planned, dataset: Dataset, caller: Caller, grant: Grant, due: Cost) -> str:
    """Return what billing reads of a charge, as canonical JSON: no literal of the SQL, nothing of the data."""
    plan = dataset.plan_of(grant)
    shares = split(due.price.amount, dict(plan.income_split), due.price.currency) if plan is not None else {}
    content = {
        "organisation": caller.organisation,
        "buyer": caller.subject,
        "dataset": dataset.name,
        "grant": grant.name,
        "policy_version": dataset.policy_version,
        "data_version": dataset.data_version,
        "price_plan": plan.name if plan is not None else None,
        "price_plan_version": plan.version if plan is not None else None,
        "fingerprint": planned.fingerprint,
        "decision": "allowed",
        "reason": None,
        "epsilon": f"{epsilon_of_budget(due.rho, dataset.privacy.accounting):.9f}",
        "units": due.price.units,
        "cells": [measurement.cells for measurement in planned.program.measurements],
        "income_split": {payee: f"{share:f}" for payee, share in shares.items()},
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
