"""Draws that are kept for their buyers, and the most exact one of each quantity. Nothing here commits."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from gateway.ledger.model import Held, Release
from gateway.store.tables import releases, series
from gateway.store.upsert import upsert


def keep(connection: Connection, buyer: str, digest: str, content: bytes) -> bytes | None:
    """Keep a release under a name; return what is kept there already: the first stays."""
    mine = select(releases.c.content).where(releases.c.buyer == buyer, releases.c.digest == digest)
    earlier = connection.execute(mine).scalar()
    if earlier is not None:
        return bytes(earlier)
    connection.execute(insert(releases).values(buyer=buyer, digest=digest, content=content))
    return None


def advance(connection: Connection, buyer: str, digest: str, release: Release) -> None:
    """Make a release the most exact of its series, unless another is."""
    mine = select(series.c.worth).where(series.c.buyer == buyer, series.c.series == release.series)
    earlier = connection.execute(mine).scalar()
    if earlier is None or int(earlier) < release.worth:
        row = {"buyer": buyer, "series": release.series, "digest": digest, "worth": str(release.worth)}
        upsert(connection, series, [row])


def most_exact(connection: Connection, buyer: str, wanted: Sequence[str]) -> dict[str, Held]:
    """Return the most exact release that a buyer has of each series."""
    found = (
        select(series, releases.c.content)
        .join(releases, (releases.c.buyer == series.c.buyer) & (releases.c.digest == series.c.digest))
        .where(series.c.buyer == buyer, series.c.series.in_(wanted))
    )
    return {row.series: Held(row.digest, int(row.worth), bytes(row.content)) for row in connection.execute(found)}
