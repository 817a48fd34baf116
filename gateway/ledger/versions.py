"""Data versions: declared by the provider, never detected, and seen by every process of the store."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, select

from gateway.ledger import leaves
from gateway.ledger.events import canonical
from gateway.ports import Clock
from gateway.store.database import Store
from gateway.store.tables import facts, versions
from gateway.store.upsert import upsert

# built once: building a statement takes longer than running it
_CURRENT = select(versions).where(versions.c.dataset == bindparam("of")).order_by(versions.c.number.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class DataVersion:
    """What a provider declared: `number` counts its declarations, `stamp` marks the file of `version`."""

    number: int
    version: str
    stamp: str


class Versions:
    """What the provider of each dataset declared."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def current(self, dataset: str) -> DataVersion | None:
        """Return what the provider declared last."""

        def work(connection: Connection) -> DataVersion | None:
            row = connection.execute(_CURRENT, {"of": dataset}).first()
            return None if row is None else DataVersion(row.number, row.version, row.stamp)

        return await self._store.glance(work)

    async def declare(self, dataset: str, stamp: str, note: str, version: str | None = None) -> DataVersion:
        """Declare anew: `version` where the data are the same, else a new one named by the day and the number."""

        def work(connection: Connection) -> DataVersion:
            last = select(func.max(versions.c.number)).where(versions.c.dataset == dataset)
            number = (connection.execute(last).scalar() or 0) + 1
            name = version or f"{self._clock.now().date().isoformat()}.{number}"
            row = {"dataset": dataset, "number": number, "version": name, "stamp": stamp, "note": note}
            connection.execute(insert(versions).values(**row))
            return DataVersion(number, name, stamp)

        return await self._store.run(work)

    async def publish(self, dataset: str, policy_version: str, data_version: str) -> None:
        """Write a leaf where a dataset is published under another policy or at other data than the log said last."""
        content = {"dataset": dataset, "policy_version": policy_version, "data_version": data_version}
        name, value = f"published:{dataset}", canonical(content)
        known = select(facts.c.value).where(facts.c.name == name)

        def work(connection: Connection) -> None:
            if connection.execute(known).scalar() != value:
                upsert(connection, facts, [{"name": name, "value": value}])
                leaves.append(connection, "published", self._clock.now(), content)

        await self._store.run(work)
