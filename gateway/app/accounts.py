"""What callers see and change of accounts: past queries, spending, tokens, top-ups, sealed texts."""

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from gateway.app.pacing import Pace
from gateway.app.parts import Books
from gateway.app.rights import only
from gateway.catalog.model import Dataset
from gateway.errors import GatewayError
from gateway.identity.tokens import Tokens
from gateway.ledger.buyers import PastQuery
from gateway.ledger.charging import told
from gateway.ledger.events import DELTA_DECIMALS, RHO_DECIMALS, decimal_text, timestamp
from gateway.ledger.model import Cap, Per, buyer_name
from gateway.ledger.topups import TopUp, within
from gateway.orders import buyer_id
from gateway.policy.decide import provides
from gateway.privacy import accounting
from gateway.privacy.units import DELTA_UNIT
from gateway.request import Caller


class AccountService:
    """Satisfies gateway.web.service.Accounts."""

    def __init__(
        self,
        books: Books,
        tokens: Tokens,
        datasets: Callable[[], Mapping[str, Dataset]],
        providers: Callable[[str], frozenset[str]],
        new_id: Callable[[], str],
        pace: Pace,
    ) -> None:
        """Take what it works on: `providers` names whose datasets, open or not, are charged to an account."""
        self._books = books
        self._providers = providers
        self._pace = pace
        self._tokens = tokens
        self._datasets = datasets
        self._new_id = new_id

    async def queries(self, caller: Caller, before: str | None, limit: int) -> list[dict[str, object]]:
        """Return the caller's own past queries, newest first."""
        found = await self._books.buyers.queries(buyer_id(caller), before, limit)
        return [_past(query) for query in found]

    async def spending(self, caller: Caller) -> list[dict[str, object]]:
        """Return what the caller has spent by currency, beside its own caps."""
        return [
            {
                "currency": one.currency,
                "spent": {per.value: f"{amount:f}" for per, amount in one.spent.items()},
                "caps": {per.value: f"{amount:f}" for per, amount in one.caps.items()},
            }
            for one in await self._books.buyers.spending(buyer_id(caller))
        ]

    async def cap(self, caller: Caller, currency: str, per: str, amount: Decimal | None) -> None:
        """Set the caller's own cap, or lift it with None."""
        only(caller, "buyer", "Spending caps are for buyers.")
        await self._pace.take(caller)
        cap = Cap(Decimal(0) if amount is None else amount, currency, Per(per))
        await self._books.buyers.cap(buyer_id(caller), cap, lift=amount is None)

    async def revoke(self, caller: Caller, *, organisation: str | None, subject: str | None, jti: str | None) -> None:
        """Take tokens back: the caller's own, or for a supervisor anybody's, by jti or by subject."""
        if (jti is not None and (organisation or subject)) or (organisation is not None and subject is None):
            hint = "Send `jti` alone, `subject` with its `organisation`, or nothing for your own tokens."
            raise GatewayError("bad_request", "It is not said whose tokens are meant.", hint)
        own = (organisation or caller.organisation, subject or caller.subject) == (caller.organisation, caller.subject)
        mine = jti is None or jti == caller.token_id
        if not (own and mine):
            only(caller, "supervisor", "Other people's tokens are taken back by a supervisor.")
        by = buyer_id(caller)
        if jti is not None:
            await self._books.revocations.revoke_token(self._tokens.issuer, jti, by)
        else:
            target = buyer_name(organisation or caller.organisation, subject or caller.subject)
            await self._books.revocations.revoke_subject(target, by)

    async def topups(self, caller: Caller) -> list[dict[str, object]]:
        """Return the top-ups of the datasets that the caller provides, or all of them to a supervisor."""
        watching = "supervisor" in caller.roles
        accounts = dict.fromkeys(
            d.privacy.account for d in self._datasets().values() if watching or provides(d.provider, caller)
        )
        if not accounts and not watching:
            raise _forbidden("Top-ups are for providers and supervisors.")
        return [_topup(made) for name in accounts for made in await self._books.topups.of_account(name)]

    async def propose(
        self, caller: Caller, dataset: str, budget: tuple[Decimal, Decimal | None], account: str | None, reason: str
    ) -> dict[str, object]:
        """Propose to raise a limit of a dataset that the caller provides: of all its data, or of one account."""
        found = self._provided(caller, dataset)
        privacy = found.privacy
        self._check_shared(privacy.account, caller)
        if privacy.refill is not None:
            hint = "Wait for the next period, or change the policy's budget."
            raise GatewayError("bad_request", "Budgets of this dataset are refilled and take no top-ups.", hint)
        key = account or f"data/{privacy.account}"
        if not within(key, privacy.account):
            hint = "Name one of GET /v1/topups or leave `account` out for the dataset's own."
            raise GatewayError("bad_request", "The account is none of this dataset.", hint)
        epsilon, delta_asked = budget
        # epsilon is converted at the budget's own delta; delta is added as it is asked for
        rho, _ = accounting.limits(epsilon, privacy.budget.delta, privacy.accounting)
        delta = math.floor(Fraction(delta_asked or 0) / DELTA_UNIT)
        made = await self._books.topups.propose(self._new_id(), key, rho, delta, reason, buyer_id(caller))
        return _topup(made)

    async def decide(self, caller: Caller, topup_id: str, *, approve: bool) -> dict[str, object]:
        """Approve or reject a top-up, as another person of the same provider."""
        found = await self._books.topups.find(topup_id)
        mine = [d for d in self._datasets().values() if provides(d.provider, caller)]
        if found is None or not any(within(found.account, d.privacy.account) for d in mine):
            raise GatewayError("not_found", "There is no such top-up of yours.", "GET /v1/topups lists them.")
        for name in {d.privacy.account for d in mine if within(found.account, d.privacy.account)}:
            self._check_shared(name, caller)
        return _topup(await self._books.topups.decide(topup_id, buyer_id(caller), approve=approve))

    async def text(self, caller: Caller, query_id: str) -> str:
        """Return the SQL of a query on a dataset that the caller provides, while the policy keeps it."""
        row = await self._books.ledger.query(query_id)
        known = self._datasets().get(row.dataset) if row is not None else None
        text = await self._books.kept.text(query_id) if known is not None and provides(known.provider, caller) else None
        if text is None:
            hint = "Texts are kept as long as `retention.query_texts` of the policy says, for the provider alone."
            raise GatewayError("not_found", "There is no such text for you.", hint)
        return text

    async def purge(self) -> tuple[int, int]:
        """Delete what the policies keep no longer; return how many texts and answers."""
        return await self._books.kept.purge(
            {name: timedelta(days=d.keep_answers_days) for name, d in self._datasets().items()}
        )

    def _check_shared(self, account: str, caller: Caller) -> None:
        """Refuse to raise what other providers' people pay as well: their loss is not one provider's to decide."""
        if self._providers(account) - {caller.organisation}:
            hint = "Give your dataset an account of its own, or ask for a larger budget in every policy of it."
            raise GatewayError("forbidden", "Another provider's data are charged to this account too.", hint)

    def _provided(self, caller: Caller, name: str) -> Dataset:
        found = self._datasets().get(name)
        if found is None or not provides(found.provider, caller):
            raise _forbidden("Top-ups are for the dataset's provider.")
        return found


def _forbidden(detail: str) -> GatewayError:
    return GatewayError("forbidden", detail, "Ask with a token of that role.")


def _past(query: PastQuery) -> dict[str, object]:
    return {
        "query_id": query.query_id,
        "dataset": query.dataset,
        "state": told(query.state),
        "fingerprint": query.fingerprint,
        "charged_at": timestamp(query.charged_at),
        "privacy": {"rho": decimal_text(query.rho, RHO_DECIMALS), "delta": decimal_text(query.delta, DELTA_DECIMALS)},
        "price": {"amount": query.amount, "currency": query.currency},
    }


def _topup(made: TopUp) -> dict[str, object]:
    return {
        "topup_id": made.topup_id,
        "account": made.account,
        "rho": decimal_text(made.rho, RHO_DECIMALS),
        "delta": decimal_text(made.delta, DELTA_DECIMALS),
        "reason": made.reason,
        "state": made.state,
        "proposed_by": made.proposed_by,
        "proposed_at": timestamp(made.proposed_at),
        "decided_by": made.decided_by,
    }
