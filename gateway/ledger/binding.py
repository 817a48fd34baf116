"""Which account a private table is charged to, for good: no new name, view, unit or version wins budget back."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from gateway.errors import GatewayError
from gateway.ledger import leaves
from gateway.ports import Clock
from gateway.store.database import Store
from gateway.store.tables import account_tables
from gateway.store.upsert import upsert


class Bindings:
    """What the store remembers of tables and accounts."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def bind(self, source: str, tables: Sequence[str], account: str) -> None:
        """Remember the account of private base tables (`source` names the engine and its data).

        Raises GatewayError `policy_invalid` where one of them has been charged to another account.
        """
        names = [table.casefold() for table in tables]
        found = select(account_tables).where(account_tables.c.source == source, account_tables.c.table_name.in_(names))

        def known(connection: Connection) -> dict[str, str]:
            rows = {row.table_name: row.account for row in connection.execute(found)}
            other = next((name for name in names if rows.get(name, account) != account), None)
            if other is not None:
                detail = f"The private table '{other}' is charged to the account '{rows[other]}' from before."
                hint = f"Write `privacy.account: {rows[other]}`: a new name does not restore a budget."
                raise GatewayError("policy_invalid", detail, hint)
            return rows

        def work(connection: Connection) -> None:
            new = [name for name in names if name not in known(connection)]
            rows = [{"source": source, "table_name": name, "account": account} for name in new]
            upsert(connection, account_tables, rows)
            leaves.append(connection, "bound", self._clock.now(), {"source": source, "tables": new, "account": account})

        if len(await self._store.read(known)) < len(set(names)):
            await self._store.run(work)
