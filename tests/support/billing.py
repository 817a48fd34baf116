"""Charges for billing tests: orders with all the facts that real ones have, over several buyers, datasets and plans."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal as D
from urllib.parse import quote as escaped

from gateway.ledger.model import Account, Allowance
from gateway.metering.prices import money, split
from support.stores import Clock, ledger_of, meter_of, order

OCTOBER = datetime(2026, 10, 3, 8, 0, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
INCOME = {"acme": D("0.85"), "exchange": D("0.10"), "labeller-coop": D("0.05")}


def priced(number=1, amount="1.50", *, organisation="org", dataset="shop", currency="CNY", plan="standard", **known):
    """Return an order as the pipeline makes it, for this amount."""
    cost = D(amount)
    facts = {
        "organisation": organisation,
        "buyer": "ana",
        "dataset": dataset,
        "grant": "g",
        "policy_version": "sha256:policy",
        "data_version": "2026-11-01.1",
        "price_plan": plan,
        "price_plan_version": f"sha256:{plan}",
        "fingerprint": "f",
        "decision": "allowed",
        "reason": None,
        "accounting": "zcdp",
        "epsilon": "0.100000000",
        "units": {"queries": "1", "epsilon": "0.1", "class": "general", "class_factor": "1", "million_rows": "0.5"},
        "cells": [3],
        "tables": ["purchases"],
        "columns": ["purchases.quantity"],
        "income_split": {payee: f"{part:f}" for payee, part in split(cost, INCOME, currency).items()},
    }
    buyer = f"{escaped(organisation, safe='')}/ana"
    grant = f"grant/{dataset}/{organisation}/g"
    made = order(
        number,
        buyer=buyer,
        organisation=organisation,
        dataset=dataset,
        accounts=(Account(f"data/{dataset}", 10**15, 10**15), Account(grant, None, None)),
        allowance=Allowance(grant, None, None),
        amount=cost,
        currency=currency,
        facts=json.dumps(facts),
    )
    return replace(made, **known)


async def trade(store, clock, count, seed=7, at=OCTOBER):
    """Charge so many orders of random amounts, buyers and datasets; every fifth one is answered."""
    draw = random.Random(seed)
    ledger, made = ledger_of(store, clock), []
    for number in range(count):
        clock.at = at.replace(day=draw.randint(1, 28), hour=draw.randint(0, 23))
        currency = draw.choice(("CNY", "JPY"))
        wanted = priced(
            f"{seed}-{number}",
            f"{money(draw.randint(0, 5000), currency):f}",
            organisation=draw.choice(("org", "=lab+1", "widgets")),
            dataset=draw.choice(("shop", "flights")),
            currency=currency,
            plan=draw.choice(("standard", "bulk")),
        )
        charge = await ledger.charge(wanted)
        if number % 5 == 0:
            await ledger.record(charge, f"answer {number}".encode(), {})
        made.append(wanted)
    return made


async def lines_of(store, clock=None):
    """Return every buyer-visible event as it is delivered."""
    meter = meter_of(store, clock or Clock())
    return [line for _, line in await meter.events(None, 10**6, billing=True, provided=frozenset())]
