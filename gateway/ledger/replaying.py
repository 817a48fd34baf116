"""A restored store catches up with its own log: the leaves that it lacks are appended, and every balance made again."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, update

from gateway.errors import GatewayError
from gateway.ledger import leaves as told
from gateway.ledger import retelling
from gateway.ledger.agreement import DECISIONS
from gateway.ledger.charging import EARLY, EXCUSED, EXPIRED, FAILED, RUNNING, give_up, let_go
from gateway.ledger.events import BUYER_VISIBLE, event_of_leaf
from gateway.ledger.folding import Folded, fold
from gateway.ledger.limits import limit_rows
from gateway.ports import Clock
from gateway.store import epochs, log
from gateway.store.database import Store
from gateway.store.tables import account_tables, accounts, caps, queries, spendings, topups


class Replaying:
    """What lifts the fence of a restored store. Every method is one transaction."""

    def __init__(self, store: Store, clock: Clock, source: str) -> None:
        self._store = store
        self._clock = clock
        self._source = source

    async def fenced(self) -> str | None:
        """Return why the store is fenced, or None."""
        return await self._store.read(epochs.fenced)

    async def replay(self, leaves: Sequence[bytes]) -> int:
        """Append the leaves that the store lacks, with their meter events, and make every balance again.

        Returns how many were appended. The events have the ids that they had, so that billing knows them.

        `leaves` is the whole log as it was verified against a checkpoint that somebody else kept: its beginning has to
        be the store's own. Draws and answers of the replayed charges are gone: asked again, they are drawn and
        charged again. Raises GatewayError `log_corrupt`.
        """

        def work(connection: Connection) -> int:
            size = log.size(connection)
            known = [log.read_leaf(connection, index) for index in range(size)]
            if known != list(leaves[:size]):
                hint = "Take the log of this gateway, from its witness or an export."
                raise GatewayError("log_corrupt", "The log does not begin as the store's own does.", hint)
            for index, leaf in enumerate(leaves[size:], start=size):
                log.append(connection, leaf)
                content = json.loads(leaf)
                self._meter(connection, index, content)
                _settle(connection, index, content)
            _write(connection, fold(leaves))
            self._reopened(connection, {"replayed": len(leaves) - size})
            return len(leaves) - size

        return await self._store.run(work)

    def _meter(self, connection: Connection, index: int, content: dict[str, Any]) -> None:
        if content["kind"] in DECISIONS:
            line = event_of_leaf(self._source, index, content)
            told.meter(connection, BUYER_VISIBLE, content["dataset"], content["query_id"], line)

    async def write_off(self, persons: tuple[str, str], reason: str) -> None:
        """Open a fenced store without its missing leaves: two persons answer for it that nothing was charged since.

        What was running at the backup is given up: whether its answer left is not known, and one charge is one draw.
        Raises GatewayError `two_persons` where they are one, or nobody; `bad_request` where nothing is fenced.
        """
        named = ["".join(person.split()).casefold() for person in persons]
        if named[0] == named[1] or not all(named):
            raise GatewayError("two_persons", "One person cannot answer for this alone.", "Name two.")

        def work(connection: Connection) -> None:
            self._reopened(connection, {"persons": list(persons), "reason": reason})
            running = select(queries.c.query_id).where(queries.c.state == RUNNING)
            for query_id in list(connection.execute(running).scalars()):
                give_up(connection, query_id, EXCUSED, "the store was restored while it ran", self._clock.now())

        await self._store.run(work)

    def _reopened(self, connection: Connection, how: dict[str, object]) -> None:
        why = epochs.fenced(connection)
        if why is None:
            hint = "Restore a backup into a fresh store first: `gateway store restore`."
            raise GatewayError("bad_request", "The store is not fenced: there is nothing to catch up with.", hint)
        content = {"epoch": epochs.epoch(connection), "why": why, **how}
        told.append(connection, told.REOPENED, self._clock.now(), content)
        epochs.lift(connection)


def _settle(connection: Connection, index: int, content: dict[str, Any]) -> None:
    """Give a query that the backup has the end that its leaf tells of: it is not drawn again under one charge."""
    match content["kind"]:
        case "answered":  # with bytes that are gone, as if they had been kept long enough
            ended = {"state": EXPIRED, "answer_log_index": index}
        case "failed":
            marked = [state for state in (EXCUSED, *EARLY) if content.get(state)]
            ended = {"state": marked[0] if marked else FAILED, "answer_log_index": index}
        case kind if kind in retelling.KINDS:
            retelling.retell(connection, content)
            return
        case "excused":
            named = queries.c.query_id.in_(content["queries"])
            connection.execute(update(queries).where(named).values(state=EXCUSED))
            return
        case _:
            return
    ended["fence"] = queries.c.fence + 1
    connection.execute(update(queries).where(queries.c.query_id == content["query_id"]).values(**ended))
    let_go(connection, content["query_id"])


def _write(connection: Connection, folded: Folded) -> None:
    """Replace what the store says of accounts by what its log says."""
    for table in (accounts, spendings, topups, caps, account_tables):
        connection.execute(delete(table))
    rows: dict[Table, list[dict[str, Any]]] = {
        accounts: [
            {"key": key, "rho_spent": str(spent.rho), "delta_spent": str(spent.delta), "uses": spent.uses}
            for key, spent in folded.accounts.items()
        ],
        spendings: [
            {"account": account, "currency": currency, "period": period, "amount": f"{amount:f}"}
            for (account, currency, period), amount in folded.money.items()
        ],
        **limit_rows(folded),
    }
    for table, values in rows.items():
        if values:
            connection.execute(insert(table), values)
