"""What a store alone knows of an exchange: a dataset without a file, its versions, a key, grants, people abroad."""

import json
from dataclasses import replace
from datetime import timedelta

from gateway.app.clock import SystemClock
from gateway.app.effective import draft_of
from gateway.app.policies import read_folder
from gateway.evidence.offline.grants import digest
from gateway.ledger.granting import Grants, Signed
from gateway.ledger.model import Account, Basis, Crossing
from gateway.ledger.registering import Registry
from gateway.ledger.signing_keys import SigningKeys
from support.gateways import POLICY
from support.grants import Signer
from support.stores import Clock, ledger_of, order

EVE, MEI, RUI, SUN = "green/eve", "green/mei", "house/rae", "regulator/sun"
RIGHTS = {"income": [], "review": None}
GARDEN = (
    POLICY.replace("dataset: shop", "dataset: garden")
    .replace("organisation: acme", "organisation: green")
    .replace("epsilon: 50,", "epsilon: 5,")
    .replace(
        "valid_until: 2099-12-31}", "valid_until: 2099-12-31,\n             cross_border: {home: CN, threshold: 500}}"
    )
)
TERMS = {
    "gateway": "gateway", "provider": "green", "dataset": "garden", "organisation": "gadgets", "subject": None,
    "mode": "authorised", "purposes": ["research"], "jurisdictions": [], "valid_from": None, "valid_until": None,
    "ends_at": None, "uses": 5, "rate": None, "at_once": 16, "budget": {"epsilon": "1"}, "spend": None,
    "price_plan": None, "recipient_jurisdiction": "SG",
}  # fmt: skip


class StoreLife:
    """Writes into a store what an exchange would, as of today or of another day."""

    def __init__(self, store, folder, at=None, *, required=False):
        self.store, self.folder = store, folder
        self.clock = Clock(SystemClock().now() if at is None else at)
        self.today = self.clock.now().date()
        self.registry = Registry(store, self.clock, required=required)
        self.grants, self.keys = Grants(store, self.clock), SigningKeys(store, self.clock)
        self.signer = Signer()

    def file(self, text=GARDEN):
        """Return a policy as read from a folder of its own, which no gateway reads."""
        drafts = self.folder / "drafts"
        drafts.mkdir(exist_ok=True)
        (drafts / "one.yaml").write_text(text)
        (file,) = read_folder(drafts).files.values()
        return file

    async def published(self, text=GARDEN, days=60, kept=None):
        """Publish a policy that is reviewed for some days more, kept in the text of `kept`; return its version."""
        file = self.file(text)
        file = replace(file, text=kept or file.text)
        await self.registry.draft(draft_of(file), EVE)
        if (await self.registry.submit(file.name, file.version, EVE)).state == "submitted":
            until = self.today + timedelta(days=days)
            await self.registry.review(file.name, file.version, RUI, "the consent forms were seen", until)
        await self.registry.publish(file.name, file.version, MEI, RIGHTS)
        return file.version

    async def keyed(self, *, confirmed=True):
        await self.keys.register("green", self.signer.key_id, self.signer.public.hex(), EVE)
        if confirmed:
            await self.keys.confirm("green", self.signer.key_id, MEI)

    async def granted(self, grant_id, days=None, **changed):
        """Have a grant signed that ends in some days; one whose `signature` is given has that."""
        ends = None if days is None else self.clock.now().replace(microsecond=0) + timedelta(days=days)
        said = None if ends is None else ends.strftime("%Y-%m-%dT%H:%M:%SZ")
        signature = changed.pop("signature", None)
        terms = TERMS | {"grant": grant_id, "key": self.signer.key_id, "ends_at": said} | changed
        signed = signature or self.signer.sign(terms)
        await self.grants.request(grant_id, "green", terms["dataset"], "gadgets", "{}", "a study", "gadgets/gil")
        await self.grants.grant(
            grant_id, Signed(json.dumps(terms), signed, self.signer.key_id, digest(terms), ends), EVE
        )

    async def crossed(self, units, country="SG", account="garden"):
        crossing = Crossing("green", account, country, units, 500)
        ledger = ledger_of(self.store, self.clock)
        charged = order(units, basis=Basis(crossing=crossing), accounts=(Account("data/a", 10**9, 10**9),))
        await ledger.charge(charged)
