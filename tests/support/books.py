"""A month of trade of every kind in a store, and what reconciliation finds after edits that nobody else sees."""

import json
from decimal import Decimal as D

import pytest
from sqlalchemy import select

from gateway.app.clock import SystemRandomness
from gateway.ledger import leaves as log_leaves
from gateway.ledger.binding import Bindings
from gateway.ledger.buyers import Buyers
from gateway.ledger.freezing import Freezes, Scope, Target
from gateway.ledger.members import Application, Members, Shown
from gateway.ledger.model import Cap, Per, Spent
from gateway.ledger.reconcile import reconcile
from gateway.ledger.registering import Draft, Registry
from gateway.ledger.topups import TopUps
from gateway.metering.issuing import Invoices
from gateway.store.tables import events
from support.billing import NOVEMBER, OCTOBER, priced, trade
from support.stores import Clock, ledger_of, meter_of


async def kept(store):
    """Keep the books of a month of trade of every kind, invoiced, one invoice corrected."""
    clock = Clock(OCTOBER)
    await trade(store, clock, 12)
    ledger, meter = ledger_of(store, clock), meter_of(store, clock)
    clock.at = OCTOBER
    charge = await ledger.charge(priced("m", "2.00"))
    await meter.measured(charge, [Spent(1, {"rows": 3})])
    await meter.measured(charge, [Spent(2, {"rows": 3})])
    await ledger.record(charge, b"answer", {})
    await ledger.replay(priced("r", "0", currency="XXX", plan=None, rho=0, delta=0), b"again")
    await ledger.charge(priced("free", "0", currency="XXX", plan=None))
    ended = priced("c", "0", currency="XXX", plan=None)
    await ledger.charge(ended)
    await ledger.cancel(ended.buyer, ended.query_id)
    await ledger.fail(await ledger.charge(priced("f", "1.00")), "cause")
    await meter.refuse("R1", json.dumps({"dataset": "shop", "reason": "raw_rows", "amount": "0"}))
    topups = TopUps(store, clock)
    await topups.propose("T1", "data/shop", 40, 3, "more", "acme/eve")
    await topups.decide("T1", "acme/bob", approve=True)
    await topups.propose("T2", "data/shop", 40, 3, "and more", "acme/eve")
    await Buyers(store, clock).cap("org/ana", Cap(D(900000000), "CNY", Per.MONTH))
    await Bindings(store, clock).bind("duckdb:/data/shop", ["customers"], "shop")
    await store.run(lambda c: log_leaves.append(c, "published", OCTOBER, {"dataset": "shop"}))
    held = Freezes(store, clock)
    await held.freeze(Target(Scope.ORGANISATION, "elsewhere"), "an alert", "reg/sun")
    await held.freeze(Target(Scope.DATASET, "old"), "an error", "acme/eve")
    await held.unfreeze(Target(Scope.DATASET, "old"), "looked at", "acme/eve")
    await joined(Members(store, clock))
    await lives(Registry(store, clock, required=True))
    clock.at = NOVEMBER
    made = Invoices(store, clock, SystemRandomness(), "UTC")
    issued = await made.issue("2026-10")
    credited = next(i.bill for i in issued if i.bill.total)
    await made.credit(credited.number, {line.number: None for line in credited.lines if line.amount}, "all of it")


async def lives(versions):
    """Take versions of a policy through every state."""
    for version in ("v1", "v2"):
        await versions.draft(Draft("garden", version, "green", "m1", f"the text of {version}"), "green/pat")
    await versions.submit("garden", "v1", "green/pat")
    await versions.review("garden", "v1", "assurance/rui", "seen", NOVEMBER.date())
    await versions.publish("garden", "v1", "green/oli", {"income": [], "review": None})
    await versions.withdraw("garden", "v1", "green/pat", "an error", barred=False)
    await versions.roll_back("garden", "v1", "green/pat", {"income": [], "review": None})


async def joined(joining):
    """Verify an organisation and a person of it, who is suspended and half verified anew."""
    for subject, issuer in ((None, ""), ("ana", "iss")):
        shown = (Shown("register", "GB 1"),)
        member, _new = await joining.apply(
            f"M-{subject}", Application("far", subject, issuer, "n", "c", shown), "far/ana"
        )
        for reviewer in ("r1", "r2"):
            await joining.verify(member.member_id, reviewer, f"{reviewer}/rae")
    await joining.suspend("M-ana", "reg", "reg/sun", "a complaint")
    await joining.verify("M-ana", "r1", "r1/rae")


class Undone(Exception):
    """Carries what was found out of a transaction whose edits are undone by it."""


async def differences(store, *edits):
    """Reconcile after edits, each of exactly one row, that nobody else ever sees."""

    def work(connection):
        for edit in edits:
            if callable(edit):
                edit(connection)
            else:
                assert connection.execute(edit).rowcount == 1
        raise Undone(reconcile(connection).differences)

    with pytest.raises(Undone) as caught:
        await store.run(work)
    return caught.value.args[0]


async def named(store, *edits):
    return {(d.kind, d.subject) for d in await differences(store, *edits)}


async def one(store, statement):
    return await store.read(lambda connection: connection.execute(statement).first())


async def event_of(store, query_id, type_="charged"):
    wanted = select(events).where(
        events.c.line.contains(f'"subject":"{query_id}"'), events.c.line.contains(f"query.{type_}")
    )
    return await one(store, wanted)
