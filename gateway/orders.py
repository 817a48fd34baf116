"""Step 7: what a planned query would be charged, in privacy and in money. Data-independent and pure."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import quote as escaped

from gateway.catalog.model import Budget, Dataset, Grant
from gateway.catalog.terms import ends_of
from gateway.ledger.model import Account, Allowance, Basis, Cap, Crossing, Order, Per, account_part, buyer_name
from gateway.metering.prices import FREE, Price, price, split
from gateway.planning import Planned
from gateway.privacy import accounting
from gateway.privacy.measurement import Measurement
from gateway.privacy.populations import drawn
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
    """Return the name of a buyer in accounts and tables."""
    return buyer_name(caller.organisation, caller.subject)


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
    if not due:
        return Cost(rho, delta, FREE, due)
    spent = Decimal(f"{epsilon_of_budget(rho, dataset.privacy.accounting):.9f}")
    asked = price(
        dataset.plan_of(grant),
        epsilon=spent if stored or not measurements else planned.epsilon,
        data_class=planned.data_class,
        declared_rows=planned.declared_rows,
    )
    return Cost(rho, delta, asked, due)


def levels(planned: Planned) -> tuple[Planned, ...]:
    """Return the plan of a quote at each level of its forecast: what would be priced and charged, were it asked."""
    found = planned.forecast.levels if planned.forecast is not None else ()
    return tuple(
        replace(planned, program=replace(planned.program, steps=level.measurements), epsilon=level.epsilon)
        for level in found
    )


def data_account(dataset: Dataset, at: datetime) -> Account:
    """Return the data's own account, which every charge debits, in the period of a moment."""
    account = _account(dataset, f"data/{dataset.privacy.account}", dataset.privacy.budget)
    period = _period(dataset, at)
    return account if period is None else replace(account, key=f"{account.key}@{period}")


def _period(dataset: Dataset, at: datetime) -> str | None:
    """Return the period that a refilled dataset's accounts carry: 2026-11, or 2026."""
    refill = dataset.privacy.refill
    return None if refill is None else at.date().isoformat()[: {"month": 7, "year": 4}[refill]]


def accounts(dataset: Dataset, caller: Caller, grant: Grant, at: datetime) -> tuple[Account, ...]:
    """Return every account that a charge debits: the data's own first, then the quotas inside it.

    The data's account is that of its base tables and unit; no name of a dataset or policy stands in a key. A policy
    that refills its budgets has accounts of their own in each period.
    """
    privacy = dataset.privacy
    name, organisation, buyer = privacy.account, escaped(caller.organisation, safe=""), buyer_id(caller)
    inner = grant_key(dataset, caller, grant)
    plan = dataset.plan_of(grant)
    cap = None
    if plan is not None and grant.spend is not None:
        cap = Cap(grant.spend[0], plan.currency, Per(grant.spend[1]))
    found = (
        _account(dataset, f"data/{name}", privacy.budget),
        _account(dataset, f"organisation/{name}/{organisation}", privacy.per_organisation),
        _account(dataset, f"buyer/{name}/{buyer}", privacy.per_buyer),
        replace(_account(dataset, inner, grant.budget), uses_limit=grant.uses, cap=cap),
    )
    period = _period(dataset, at)
    if period is None:
        return found
    refilled = tuple(replace(a, key=f"{a.key}@{period}", uses_limit=None, cap=None) for a in found)
    return (*refilled, Account(inner, None, None, grant.uses, cap))  # uses and money do not come back


def _account(dataset: Dataset, key: str, budget: Budget | None) -> Account:
    if budget is None:
        return Account(key, None, None)
    return Account(key, *accounting.limits(budget.epsilon, budget.delta, dataset.privacy.accounting))


def grant_key(dataset: Dataset, caller: Caller, grant: Grant) -> str:
    """Return the name of a grant's account. One of the store has its own for good: a later grant is another account."""
    organisation = escaped(caller.organisation, safe="")
    own = escaped(grant.name, safe="") if grant.id is None else account_part(grant.id)
    return f"grant/{dataset.privacy.account}/{organisation}/{own}"


def crossing(planned: Planned, dataset: Dataset, caller: Caller, grant: Grant) -> Crossing | None:
    """Return what an answer takes to another country, where the policy counts that; public rows are of nobody."""
    rule, place = dataset.compliance.cross_border, grant.recipient_jurisdiction or caller.jurisdiction
    if rule is None or not planned.program.measurements:
        return None
    assert place is not None  # INVARIANT: the rule `recipient` admits nobody whose place is not said
    country = place.strip().upper()
    if country == rule.home.strip().upper():
        return None
    return Crossing(dataset.provider, dataset.privacy.account, country, rule.units, rule.threshold)


def order(
    query_id: str,
    planned: Planned,
    dataset: Dataset,
    caller: Caller,
    request: Request,
    grant: Grant,
    due: Cost,
    at: datetime,
) -> Order:
    """Return the order that the ledger charges, with the facts that its meter event and log leaf carry."""
    allowance = Allowance(grant_key(dataset, caller, grant), grant.rate_count, grant.rate_seconds, grant.at_once)
    return Order(
        query_id=query_id,
        buyer=buyer_id(caller),
        organisation=caller.organisation,
        dataset=dataset.name,
        idempotency_key=key_of(query_id, request),
        body_digest=request.body_digest,
        question=question(planned, caller),
        fingerprint=planned.fingerprint,
        draws=due.draws,
        accounts=accounts(dataset, caller, grant, at),
        allowance=allowance,
        rho=due.rho,
        delta=due.delta,
        amount=due.price.amount,
        currency=due.price.currency,
        facts=facts(planned, dataset, caller, request, grant, due),
        sql=request.sql,
        keep_text=timedelta(days=dataset.keep_texts_days) if dataset.keep_texts_days else None,
        policy_version=dataset.policy_version,
        reviewed_until=dataset.compliance.valid_until,
        basis=basis(grant, crossing(planned, dataset, caller, grant)),
        populations=drawn(planned.populations, drawn_anew(planned, frozenset(due.draws))),
    )


def basis(grant: Grant, crossed: Crossing | None = None) -> Basis:
    """Return what an order under a grant rests on."""
    return Basis(grant.id, grant.terms, ends_of(grant), crossed)


def drawn_anew(planned: Planned, due: Collection[str]) -> dict[tuple[str, str], str]:
    """Return the series of the primitives that a query draws, by their places: what is stored tells nothing new."""
    return {(m.name, p.name): p.series for m in planned.program.measurements for p in m.primitives if p.digest in due}


def key_of(query_id: str, request: Request) -> str:
    """Return the idempotency key of a request; one without has its query's own."""
    return request.idempotency_key or f"query:{query_id}"


def question(planned: Planned, caller: Caller) -> str:
    return hashlib.sha256(f"{buyer_id(caller)}\n{planned.question}".encode()).hexdigest()


def granted(grant: Grant | None) -> dict[str, str | None]:
    """Return how a grant is named in what is logged: its name, and of one of the store what its provider signed."""
    if grant is None:
        return {"grant": None}
    named: dict[str, str | None] = {"grant": grant.name}
    return named if grant.terms is None else named | {"grant_terms": grant.terms}


def facts(planned: Planned, dataset: Dataset, caller: Caller, request: Request, grant: Grant, due: Cost) -> str:
    """Return what billing reads of a charge, as canonical JSON: no literal of the SQL, nothing of the data."""
    plan = dataset.plan_of(grant)
    income = dict(plan.income_split) if plan is not None else {}
    shares = split(due.price.amount, income or {dataset.provider: Decimal(1)}, due.price.currency)
    content: dict[str, object] = {
        "organisation": caller.organisation,
        "buyer": caller.subject,
        "dataset": dataset.name,
        "purpose": request.purpose if request.purpose is not None else caller.purpose,
        "jurisdiction": caller.jurisdiction,
        **granted(grant),
        "policy_version": dataset.policy_version,
        "data_version": dataset.data_version,
        "price_plan": plan.name if plan is not None else None,
        "price_plan_version": plan.version if plan is not None else None,
        "fingerprint": planned.fingerprint,
        "decision": "allowed",
        "reason": None,
        "accounting": dataset.privacy.accounting.value,
        "epsilon": f"{epsilon_of_budget(due.rho, dataset.privacy.accounting):.9f}",
        "units": due.price.units,
        "cells": [measurement.cells for measurement in planned.program.measurements],
        "tables": list(planned.tables),
        "columns": sorted({f"{access.table}.{access.column}" for access in planned.accesses}),
        "income_split": {payee: f"{share:f}" for payee, share in shares.items()},
    }
    if request.mode == "sandbox":
        content["sandbox"] = True
    if request.composed:
        content["model"] = True
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
