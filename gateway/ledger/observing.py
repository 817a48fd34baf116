"""What early warning keeps of a charge: whom its numbers are about, by its plan. Sealed, and gone after some weeks.

A plan's populations hold what the SQL's literals say, so they are sealed as query texts are; what stands beside them
is in the query's row already.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from gateway.errors import GatewayError
from gateway.ledger.charging import microseconds, moment
from gateway.ledger.events import canonical
from gateway.ledger.model import Account, Order
from gateway.ledger.sealing import Sealer
from gateway.ports import Clock
from gateway.store.database import Store
from gateway.store.prepared import Found, Prepared
from gateway.store.tables import observations

_OBSERVE = Prepared(insert(observations))
_LATER = (
    select(observations)
    .where(observations.c.sequence > bindparam("after"))
    .order_by(observations.c.sequence)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Observation:
    """A charged query as early warning sees it: `populations` as privacy/populations.py writes them.

    `accounts` are those that it debited, with their limits then.
    """

    sequence: int
    query_id: str
    dataset: str
    buyer: str
    at: datetime
    populations: str
    columns: tuple[str, ...]
    accounts: tuple[Account, ...]


def observe(connection: Connection, sealer: Sealer, order: Order, now: datetime) -> None:
    """Keep what early warning compares of an order. Commits nothing."""
    content = {
        "populations": order.populations,
        "columns": json.loads(order.facts).get("columns", []),
        "accounts": [[account.key, account.rho_limit, account.delta_limit] for account in order.accounts],
    }
    row = {
        "query_id": order.query_id,
        "dataset": order.dataset,
        "buyer": order.buyer,
        "observed_at_us": microseconds(now),
        "sealed": sealer.seal(_name(order.query_id), canonical(content)),
    }
    _OBSERVE.write(connection, [row])


def _name(query_id: str) -> str:
    return f"observation:{query_id}"


class Observations:
    """Every method is one transaction."""

    def __init__(self, store: Store, clock: Clock, sealer: Sealer) -> None:
        self._store = store
        self._clock = clock
        self._sealer = sealer

    async def after(self, sequence: int, most: int) -> tuple[list[Observation], int | None]:
        """Return what was observed after a sequence number, oldest first, and the last number read; None: no more.

        What another key sealed is left out.
        """
        wanted = {"after": sequence, "most": most}
        rows = await self._store.read(lambda connection: connection.execute(_LATER, wanted).all())
        opened = [found for row in rows if (found := self._opened(row)) is not None]
        return opened, rows[-1].sequence if rows else None

    def _opened(self, row: Found) -> Observation | None:
        try:
            content = json.loads(self._sealer.open(_name(row.query_id), bytes(row.sealed)))
        except GatewayError:
            return None
        accounts = tuple(Account(key, rho, delta) for key, rho, delta in content["accounts"])
        at, columns = moment(row.observed_at_us), tuple(content["columns"])
        return Observation(
            row.sequence, row.query_id, row.dataset, row.buyer, at, content["populations"], columns, accounts
        )

    async def oldest_of(self, most: int) -> int:
        """Return the sequence number before the newest `most` observations."""
        found = select(func.max(observations.c.sequence))
        newest = await self._store.read(lambda connection: connection.execute(found).scalar() or 0)
        return max(0, newest - most)

    async def purge(self, dataset: str, keep: timedelta) -> int:
        """Delete the observations of a dataset that are older; return how many."""
        until = microseconds(self._clock.now() - keep)
        old = delete(observations).where(observations.c.dataset == dataset, observations.c.observed_at_us < until)
        return await self._store.run(lambda connection: connection.execute(old).rowcount)
