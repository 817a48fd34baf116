"""Who is there on a day of the exchange, and how a step of it is taken: first by everybody else, then by who may."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal

from gateway.app.clock import SystemClock, SystemRandomness
from gateway.metering.issuing import Invoices
from gateway.metering.periods import month_of
from gateway.settings import Settings
from gateway.store.database import open_store
from support.exchange_state import NOTHING, changes, held
from support.gateways import Gateway
from support.grants import Signer
from support.members import REVIEWERS, apply, found, join
from support.policy_life import DRAFT
from support.starting import ended
from support.stores import Clock

GRANT = "grants:\n  - {to: {organisation: widgets}, purposes: [research], price_plan: standard}\n"
assert GRANT in DRAFT
SHOP = DRAFT.replace(GRANT, "grants: []\n").replace(
    "per_epsilon: 20.00", "per_epsilon: 20.00, income_split: {acme: 0.85, exchange: 0.1, labellers: 0.05}"
)
BARN = (
    SHOP.replace("dataset: shop", "dataset: barn")
    .replace("shop.duckdb", "barn.duckdb")
    .replace("organisation: acme", "organisation: green")
    .replace("{acme: 0.85, exchange: 0.1, labellers: 0.05}", "{green: 0.9, exchange: 0.1}")
)
POLICIES = {"shop": SHOP, "barn": BARN}
CAST = {
    "eve": ("acme", "provider"),
    "mei": ("acme", "provider"),
    "pat": ("green", "provider"),
    "quin": ("green", "provider"),
    "ana": ("widgets", "buyer"),
    "gil": ("gadgets", "buyer"),
    "bo": ("exchange", "billing"),
    "sun": ("regulator", "supervisor"),
    "jo": ("bench", "arbiter"),
}
"""Who joins, besides the two reviewers who are founded, and the third buyer, whose joining is told."""

PROVIDERS, BUYERS, REVIEWING = ("eve", "mei", "pat", "quin"), ("ana", "gil", "liu"), ("rae", "roy")
WATCHING = ("bo", "sun", "jo")
REFUSED = ("forbidden", "not_found", "unknown_dataset", "two_persons", "not_a_member")


class Day:
    """A gateway where members are required, and what its members keep of the day."""

    def __init__(self, folder):
        self.gateway = Gateway(folder, SHOP, GATEWAY_MEMBERS="required", GATEWAY_FREE_PER_MINUTE="5000")
        self.gateway.make_data()
        (self.gateway.policies / "barn.yaml").write_text(BARN)
        self.gateway.make_data(seed=5, path=self.gateway.policies / "barn.duckdb")
        self.gateway.start()
        self.tokens, self.signers, self.refused = {}, {"acme": Signer(1), "green": Signer(2)}, 0

    def opened(self):
        """Found the two reviewers, and have everybody of the cast join."""
        for subject, organisation in REVIEWERS:
            code, said = found(self.gateway, subject, organisation)
            assert code == 0, said
            self.tokens[subject] = self.gateway.token(subject, organisation, ("reviewer",), None)
        for subject, (organisation, role) in CAST.items():
            self.tokens[subject] = self.token(subject, organisation, role)
            join(self.gateway, self.tokens[subject])

    def token(self, subject, organisation, role):
        return self.gateway.token(subject, organisation, (role,), "research" if role == "buyer" else None)

    def applied(self, subject, organisation):
        """Have a buyer's organisation and its person apply; return their ids. Neither is let in yet."""
        self.tokens[subject] = self.token(subject, organisation, "buyer")
        return [apply(self.gateway, self.tokens[subject], kind)[1]["member_id"] for kind in ("organisation", "person")]

    def step(self, who, method, path, body=None, *, may=(), raw=False):
        """Take a step as `who`, after everybody else was refused the same and nothing changed; return what it gave.

        `may`: who else may take it, and is not tried.
        """
        before = held(self.gateway)
        for other in self.tokens:
            if other not in (who, *may):
                status, reply = self.gateway.call(method, path, body, token=self.tokens[other])
                assert status in (403, 404), (other, method, path, reply)
                assert json.loads(reply)["code"] in REFUSED, (other, method, path, reply)
                self.refused += 1
        changed = changes(before, held(self.gateway))
        assert changed == NOTHING, (method, path, changed)
        status, reply = self.gateway.call(method, path, body, token=self.tokens[who])
        assert status == 200, (who, method, path, reply)
        return reply if raw else json.loads(reply)

    def told(self, who, path):
        """Return what somebody reads."""
        status, reply = self.gateway.call("GET", path, token=self.tokens[who])
        assert status == 200, reply
        return json.loads(reply)

    def asks(self, who, sql, **options):
        return self.gateway.ask(sql, token=self.tokens[who], dataset="shop", **options)

    def verified(self, member_id):
        """Have a member verified by both reviewers, as steps: the first one is refused the second time."""
        assert self.step("rae", "POST", f"/v1/members/{member_id}/verify", may=("roy",))["state"] == "applied"
        return self.step("roy", "POST", f"/v1/members/{member_id}/verify")

    def month_ends(self):
        """Issue the month's invoices, as `gateway bill issue` does an hour after its end; return it and the next."""
        zone = Settings().billing_zone
        first = month_of(SystemClock().now(), zone)
        later = Clock(first.end + timedelta(hours=1))

        async def issued():
            store = await open_store(self.gateway.state)
            try:
                await Invoices(store, later, SystemRandomness(), zone).issue(first.name)
            finally:
                await store.close()

        asyncio.run(issued())
        return first.name, month_of(later.now(), zone).name

    def command(self, *words, token=None):
        """Run a command of the gateway; return what it said."""
        reach = [] if token is None else ["--token", self.tokens[token], "--url", self.gateway.url]
        done = ended([*map(str, words), *reach], folder=self.gateway.folder)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout


def total(documents):
    return sum((Decimal(one["total"]) for one in documents), Decimal(0))
