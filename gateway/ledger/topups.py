"""Top-ups: one person of the provider proposes to raise an account's limit, another approves. Both are in the log."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, insert, select, update

from gateway.errors import GatewayError
from gateway.ledger import leaves
from gateway.ledger.accounts import APPROVED
from gateway.ledger.charging import microseconds, moment
from gateway.ledger.events import DELTA_DECIMALS, RHO_DECIMALS, decimal_text
from gateway.ports import Clock
from gateway.store.database import Store
from gateway.store.tables import topups

PROPOSED, REJECTED = "proposed", "rejected"


@dataclass(frozen=True, slots=True)
class TopUp:
    """A proposal to add (rho, delta) in ledger units to one account's limit; `proposed_by` names a person."""

    topup_id: str
    account: str
    rho: int
    delta: int
    reason: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    state: str = PROPOSED


class TopUps:
    """What providers add to budgets. Every method is one transaction."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def propose(self, topup_id: str, account: str, rho: int, delta: int, reason: str, person: str) -> TopUp:
        """Write down a proposal; nothing changes until another person approves it."""

        def work(connection: Connection) -> TopUp:
            now = self._clock.now()
            made = TopUp(topup_id, account, rho, delta, reason, person, now)
            connection.execute(
                insert(topups).values(
                    topup_id=topup_id,
                    account=account,
                    rho=str(rho),
                    delta=str(delta),
                    reason=reason,
                    proposed_by=person,
                    proposed_at_us=microseconds(now),
                    state=PROPOSED,
                )
            )
            _tell(connection, made, now)
            return made

        return await self._store.run(work)

    async def decide(self, topup_id: str, person: str, *, approve: bool) -> TopUp:
        """Approve or reject a proposal: another person than its proposer, and once.

        Raises GatewayError `not_found`, `two_persons` or `bad_request`.
        """

        def work(connection: Connection) -> TopUp:
            row = connection.execute(select(topups).where(topups.c.topup_id == topup_id)).one_or_none()
            if row is None:
                raise GatewayError("not_found", "There is no such top-up.", "GET /v1/topups lists them.")
            if row.state != PROPOSED:
                raise GatewayError("bad_request", f"The top-up is {row.state} already.", "Propose another one.")
            if approve and row.proposed_by == person:
                hint = "Ask another person of the provider to approve it."
                raise GatewayError("two_persons", "Who proposes a top-up does not approve it.", hint)
            values = {"state": APPROVED if approve else REJECTED, "decided_by": person}
            connection.execute(update(topups).where(topups.c.topup_id == topup_id).values(**values))
            made = _topup(connection.execute(select(topups).where(topups.c.topup_id == topup_id)).one())
            _tell(connection, made, self._clock.now())
            return made

        return await self._store.run(work)

    async def find(self, topup_id: str) -> TopUp | None:
        """Return one top-up."""

        def work(connection: Connection) -> TopUp | None:
            row = connection.execute(select(topups).where(topups.c.topup_id == topup_id)).one_or_none()
            return None if row is None else _topup(row)

        return await self._store.read(work)

    async def of_account(self, name: str) -> tuple[TopUp, ...]:
        """Return every top-up of a data account and of the quotas inside it, oldest first."""

        def work(connection: Connection) -> tuple[TopUp, ...]:
            rows = connection.execute(select(topups).order_by(topups.c.proposed_at_us, topups.c.topup_id))
            return tuple(made for made in map(_topup, rows) if within(made.account, name))

        return await self._store.read(work)


_INNER = {"data": 0, "organisation": 1, "buyer": 2, "grant": 2}
"""Names that follow the data's account in a key of each level; they are escaped, so that no slash or @ is in them."""

_PERIOD = re.compile(r"(@[0-9]{4}(-[0-9]{2})?)?", re.ASCII)


def within(key: str, name: str) -> bool:
    """Tell whether an account's key is the data account `name` itself or a quota inside it.

    Key by key, not by its beginning: the account `acme` holds nothing of `acme/customers.id`, which is another
    provider's by default.
    """
    level, _slash, rest = key.partition("/")
    if level not in _INNER or not rest.startswith(name):
        return False
    inner, at, period = rest.removeprefix(name).partition("@")
    parts = inner.split("/")
    whole = len(parts) == 1 + _INNER[level] and parts[0] == "" and all(parts[1:])
    return whole and _PERIOD.fullmatch(at + period) is not None


def _topup(row: Row[tuple[object, ...]]) -> TopUp:
    known = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row's columns
    return TopUp(
        str(known["topup_id"]),
        str(known["account"]),
        int(str(known["rho"])),
        int(str(known["delta"])),
        str(known["reason"]),
        str(known["proposed_by"]),
        moment(int(str(known["proposed_at_us"]))),
        None if known["decided_by"] is None else str(known["decided_by"]),
        str(known["state"]),
    )


def _tell(connection: Connection, made: TopUp, now: datetime) -> None:
    content = {
        "topup_id": made.topup_id,
        "state": made.state,
        "account": made.account,
        "rho": decimal_text(made.rho, RHO_DECIMALS),
        "delta": decimal_text(made.delta, DELTA_DECIMALS),
        "reason": made.reason,
        "proposed_by": made.proposed_by,
        "decided_by": made.decided_by,
    }
    leaves.append(connection, "topped-up", now, content)
