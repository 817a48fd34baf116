"""What a buyer keeps in view: its own past queries and the spending caps that it sets for itself."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, delete, select

from gateway.errors import GatewayError
from gateway.ledger import leaves
from gateway.ledger.accounts import own_caps
from gateway.ledger.charging import moment
from gateway.ledger.model import Cap, Per, purse
from gateway.ports import Clock
from gateway.store.database import Store
from gateway.store.tables import caps, queries, spendings
from gateway.store.upsert import upsert


@dataclass(frozen=True, slots=True)
class PastQuery:
    """One of a buyer's queries: rho and delta in ledger units."""

    query_id: str
    dataset: str
    state: str
    fingerprint: str
    charged_at: datetime
    rho: int
    delta: int
    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class Spending:
    """What a buyer has spent in a currency in the current day, month and in all, beside its own caps."""

    currency: str
    spent: dict[Per, Decimal]
    caps: dict[Per, Decimal]


class Buyers:
    """Every method is one transaction and is asked for the caller itself."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def queries(self, buyer: str, before: str | None, limit: int) -> tuple[PastQuery, ...]:
        """Return a buyer's queries, newest first, from the one before `before` on (a query id: ids sort by time)."""
        found = select(queries).where(queries.c.buyer == buyer).order_by(queries.c.query_id.desc()).limit(limit)
        if before is not None:
            found = found.where(queries.c.query_id < before)

        def work(connection: Connection) -> tuple[PastQuery, ...]:
            return tuple(
                PastQuery(
                    row.query_id,
                    row.dataset,
                    row.state,
                    row.fingerprint,
                    moment(row.charged_at_us),
                    int(row.rho),
                    int(row.delta),
                    row.amount,
                    row.currency,
                )
                for row in connection.execute(found)
            )

        return await self._store.read(work)

    async def spending(self, buyer: str) -> tuple[Spending, ...]:
        """Return a buyer's spending by currency, with its caps."""

        def work(connection: Connection) -> tuple[Spending, ...]:
            now = self._clock.now()
            periods = {per.name_at(now): per for per in Per}
            mine = select(spendings).where(spendings.c.account == purse(buyer), spendings.c.period.in_(list(periods)))
            spent: dict[str, dict[Per, Decimal]] = {}
            for row in connection.execute(mine):
                spent.setdefault(row.currency, {})[periods[row.period]] = Decimal(row.amount)
            limits: dict[str, dict[Per, Decimal]] = {}
            for cap in own_caps(connection, buyer):
                limits.setdefault(cap.currency, {})[cap.per] = cap.amount
            return tuple(
                Spending(
                    currency,
                    {per: spent.get(currency, {}).get(per, Decimal(0)) for per in Per},
                    limits.get(currency, {}),
                )
                for currency in sorted(spent.keys() | limits.keys())
            )

        return await self._store.read(work)

    async def cap(self, buyer: str, cap: Cap, *, lift: bool = False) -> None:
        """Set a buyer's own cap, or lift it. It binds from the next charge on."""
        if cap.amount < 0:
            raise GatewayError("bad_request", "A cap is not negative.", "Write 0 to spend nothing.")
        mine = caps.c.buyer == buyer, caps.c.currency == cap.currency, caps.c.per == cap.per.value

        def work(connection: Connection) -> None:
            row = {"buyer": buyer, "currency": cap.currency, "per": cap.per.value, "amount": f"{cap.amount:f}"}
            if lift:
                connection.execute(delete(caps).where(*mine))
            else:
                upsert(connection, caps, [row])
            content = row | {"amount": None if lift else row["amount"]}
            leaves.append(connection, "capped", self._clock.now(), content)

        await self._store.run(work)
