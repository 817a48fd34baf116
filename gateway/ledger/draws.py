"""Draws that are kept for their buyers, and the most exact one of each quantity. Nothing here commits."""

from collections.abc import Sequence

from sqlalchemy import BindParameter, Connection, bindparam, insert, select

from gateway.ledger.model import Held, Release
from gateway.store.prepared import Prepared
from gateway.store.tables import releases, series
from gateway.store.upsert import upsert

# built once: building a statement takes longer than running it
_OF: BindParameter[str] = bindparam("of")
_NAME: BindParameter[str] = bindparam("name")
_KEPT = Prepared(select(releases.c.content).where(releases.c.buyer == _OF, releases.c.digest == _NAME))
_KEEP = Prepared(insert(releases))
_WORTH = Prepared(select(series.c.worth).where(series.c.buyer == _OF, series.c.series == _NAME))
_HELD = Prepared(
    select(series, releases.c.content)
    .join(releases, (releases.c.buyer == series.c.buyer) & (releases.c.digest == series.c.digest))
    .where(series.c.buyer == _OF, series.c.series.in_(bindparam("names", expanding=True)))
)


def keep(connection: Connection, buyer: str, digest: str, content: bytes) -> bytes | None:
    """Keep a release under a name; return what is kept there already: the first stays."""
    earlier = _KEPT.value(connection, {"of": buyer, "name": digest})
    if earlier is not None:
        return bytes(earlier)
    _KEEP.write(connection, [{"buyer": buyer, "digest": digest, "content": content}])
    return None


def advance(connection: Connection, buyer: str, digest: str, release: Release) -> None:
    """Make a release the most exact of its series, unless another is."""
    earlier = _WORTH.value(connection, {"of": buyer, "name": release.series})
    if earlier is None or int(earlier) < release.worth:
        row = {"buyer": buyer, "series": release.series, "digest": digest, "worth": str(release.worth)}
        upsert(connection, series, [row])


def most_exact(connection: Connection, buyer: str, wanted: Sequence[str]) -> dict[str, Held]:
    """Return the most exact release that a buyer has of each series."""
    found = _HELD.rows(connection, {"of": buyer, "names": list(wanted)})
    return {row.series: Held(row.digest, int(row.worth), bytes(row.content)) for row in found}
