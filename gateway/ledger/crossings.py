"""How many people's data went to recipients in another country in a year, by what policies declare of their sizes.

People are counted once a year and country, whoever there asks however often: an account stands for its people, and
datasets that share it are of the same people. What is compared with a policy's threshold is the sum over the provider's
accounts. Nothing here is made of data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from gateway.errors import GatewayError
from gateway.ledger import leaves
from gateway.ledger.charging import microseconds, moment
from gateway.ledger.model import Order
from gateway.store.database import Store
from gateway.store.tables import crossings
from gateway.store.upsert import upsert

KINDS = frozenset({"crossed"})
"""The leaf that changes a count."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What one account counts for, at one country in one year."""

    provider: str
    country: str
    year: int
    account: str
    units: int
    counted_at: datetime


def settle(connection: Connection, content: Mapping[str, Any], at: datetime) -> None:
    """Do to the table what a leaf of KINDS says."""
    row = {name: content[name] for name in ("provider", "country", "year", "account", "units")}
    upsert(connection, crossings, [row | {"counted_at_us": microseconds(at)}])


def count(connection: Connection, order: Order, now: datetime) -> None:
    """Count the people of an order whose answer crosses a border. Raises GatewayError `cross_border_limit`."""
    crossing = order.basis.crossing
    if crossing is None:
        return
    found = select(crossings.c.account, crossings.c.units).where(
        crossings.c.provider == crossing.provider,
        crossings.c.country == crossing.country,
        crossings.c.year == now.year,
    )
    known = {row.account: row.units for row in connection.execute(found)}
    counted = known.pop(crossing.account, 0)
    units = max(counted, crossing.units)
    if sum(known.values()) + units > crossing.threshold:
        most = f"{crossing.threshold:,} people"
        detail = f"The rule cross_border lets data of {most} go to '{crossing.country}' in a year."
        hint = "The provider has to have more assessed, or ask from where the data are."
        raise GatewayError("cross_border_limit", detail, hint)
    if units == counted:
        return
    content = {
        "provider": crossing.provider,
        "country": crossing.country,
        "year": now.year,
        "account": crossing.account,
        "units": units,
        "query_id": order.query_id,
    }
    leaves.append(connection, "crossed", now, content)
    settle(connection, content, now)


class Crossings:
    """What was counted."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, provider: str | None) -> tuple[Counted, ...]:
        """Return the counts of a provider, or of all of them, the latest years first."""
        wanted = select(crossings).order_by(
            crossings.c.year.desc(), crossings.c.provider, crossings.c.country, crossings.c.account
        )
        if provider is not None:
            wanted = wanted.where(crossings.c.provider == provider)

        def work(connection: Connection) -> tuple[Counted, ...]:
            return tuple(
                Counted(row.provider, row.country, row.year, row.account, row.units, moment(row.counted_at_us))
                for row in connection.execute(wanted)
            )

        return await self._store.read(work)
