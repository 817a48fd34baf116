"""The exchange's state after a restore: a store of an earlier backup that is told its log again stands as it stood."""

import json
from datetime import timedelta
from decimal import Decimal as D

import pytest
from support.grants import Signer
from support.stores import Clock, ledger_of, order
from support.thinning import one_in

from gateway.evidence.offline.grants import digest
from gateway.ledger import retelling
from gateway.ledger.cases import Cases, Dispute, Finding, decide
from gateway.ledger.freezing import Freezes, Scope, Target
from gateway.ledger.granting import Grants, Signed
from gateway.ledger.members import Application, Members, Shown
from gateway.ledger.model import Account, Allowance, Basis, Crossing, account_part
from gateway.ledger.reconcile import reconcile
from gateway.ledger.registering import Draft, Registry
from gateway.ledger.replaying import Replaying
from gateway.ledger.signing_keys import SigningKeys
from gateway.store import dump, log

SIGNERS = {name: Signer(seed) for seed, name in enumerate(("kept", "revoked", "waiting"), 1)}
RIGHTS = {"income": [], "review": None}
FACTS = json.dumps(
    {
        "organisation": "org",
        "buyer": "ana",
        "dataset": "shop",
        "grant": "g",
        "price_plan": "p",
        "price_plan_version": "1",
    }
)


class Day:
    """A day of an exchange in steps, each of every part: a backup may fall between any two."""

    def __init__(self, store, clock):
        self.store, self.clock, self.ledger = store, clock, ledger_of(store, clock)
        self.members, self.keys, self.grants = Members(store, clock), SigningKeys(store, clock), Grants(store, clock)
        self.versions, self.cases = Registry(store, clock, required=False), Cases(store, clock)
        self.freezes = Freezes(store, clock)
        self.steps = (self.asked, self.confirmed, self.granted, self.used, self.ended)

    async def asked(self):
        for subject, issuer in ((None, ""), ("ana", "iss")):
            shown = (Shown("register", "GB 1"),)
            await self.members.apply(f"M-{subject}", Application("org", subject, issuer, "n", "c", shown), "org/ana")
        for signer in SIGNERS.values():
            await self.keys.register("acme", signer.key_id, signer.public.hex(), "acme/eve")
        for number in ("G1", "G2", "G3", "G4"):
            await self.grants.request(number, "acme", "shop", "org", '{"uses": 3}', "a study", "org/ana")
        for version in ("v1", "v2"):
            await self.versions.draft(Draft("barn", version, "acme", "m1", f"text {version}"), "acme/eve")
            await self.versions.submit("barn", version, "acme/eve")

    async def confirmed(self):
        for member in ("M-None", "M-ana"):
            for reviewer in ("r1", "r2"):
                await self.members.verify(member, reviewer, f"{reviewer}/rae")
        for name in ("kept", "revoked"):
            await self.keys.confirm("acme", SIGNERS[name].key_id, "acme/mei")
        await self.grants.refuse("G3", "too wide", "acme/eve")
        await self.versions.review("barn", "v1", "far/rui", "seen", (self.clock.now() + timedelta(days=9)).date())

    async def granted(self):
        for number, name, ends in (("G1", "kept", None), ("G2", "revoked", self.clock.now() + timedelta(days=3))):
            terms = {"grant": number, "key": SIGNERS[name].key_id}
            signed = Signed(json.dumps(terms), SIGNERS[name].sign(terms), SIGNERS[name].key_id, digest(terms), ends)
            await self.grants.grant(number, signed, "acme/eve")
        await self.versions.publish("barn", "v1", "acme/mei", RIGHTS)
        await self.versions.publish("barn", "v2", "acme/mei", RIGHTS)
        await self.versions.roll_back("barn", "v1", "acme/eve", RIGHTS)

    async def used(self):
        for number in ("G1", "G2"):
            crossed = Crossing("acme", "a", "SG", 30 + int(number[1]), 1000)
            found = await self.grants.find(number)
            key = f"grant/a/org/{account_part(number)}"
            wanted = order(
                int(number[1]),
                basis=Basis(number, found.digest, found.ends_at, crossed),
                accounts=(Account("data/a", 1000, 1000), Account(key, None, None, 3)),
                allowance=Allowance(key, None, None),
                facts=FACTS,
            )
            await self.ledger.charge(wanted)
        await self.cases.open("C1", Dispute("Q1", "org/ana", "org", "shop", "acme"), "of no use", "org/ana")
        await self.cases.open("C2", Dispute("Q2", "org/ana", "org", "shop", "acme"), "of no use", "acme/eve")
        await self.versions.roll_back("barn", "v1", "acme/mei", RIGHTS)

    async def ended(self):
        await self.grants.revoke("G2", "misused", "reg/sun")
        await self.keys.revoke("acme", SIGNERS["revoked"].key_id, "acme/mei")
        await self.members.suspend("M-ana", "reg", "reg/sun", "a complaint")
        await self.members.verify("M-ana", "r1", "r1/rae")
        await self.freezes.freeze(Target(Scope.DATASET, "shop"), "an alert", "reg/sun")
        finding = Finding("it is of use", "court/jo", self.clock.now(), D("1.00"))
        await self.store.run(lambda connection: decide(connection, "C1", "court", finding))
        await self.versions.withdraw("barn", "v1", "reg/sun", "whose are they?", barred=True)


async def stands(store):
    """Return every row of the state that the log tells, and how the queries stand."""

    def work(connection):
        return {table.name: retelling.rows(connection, table) for told in retelling.STATES for table in told.tables}

    return await store.read(work)


@pytest.mark.parametrize("backed_up", one_in(2, range(1, 6)))
async def test_a_restored_exchange_stands_as_its_log_tells(store, fresh, tmp_path, backed_up):
    clock = Clock()
    day = Day(store, clock)
    for number, step in enumerate(day.steps, 1):
        await step()
        clock.pass_(1)
        if number == backed_up:
            await store.read(lambda c: dump.backup(c, tmp_path / "b.zip"))
    whole = await store.read(lambda c: [log.read_leaf(c, i) for i in range(log.size(c))])
    known = await stands(store)
    assert all(known.values()), "every table has a row"
    assert (await store.read(reconcile)).differences == ()
    await fresh.run(lambda c: dump.restore(c, tmp_path / "b.zip"))
    await Replaying(fresh, clock, "gw").replay(whole)
    assert await stands(fresh) == known
    assert await ledger_of(fresh, clock).ended(["Q1", "Q2"]) == (
        {"Q1": "stopped", "Q2": "withdrawn"} if backed_up > 3 else {}
    )
    assert (await fresh.read(reconcile)).differences == ()
