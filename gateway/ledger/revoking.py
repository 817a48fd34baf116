"""Tokens that are taken back before they expire, one by its jti or all of a subject's up to a moment.

What else the store holds against whoever shows a token is read with it: one statement, for every request.
"""

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Connection, String, bindparam, delete, literal, select, union_all

from gateway.ledger import leaves
from gateway.ledger.charging import microseconds
from gateway.ledger.standing import Standing, State
from gateway.ports import Clock
from gateway.store.database import Store
from gateway.store.prepared import Prepared
from gateway.store.tables import members, revoked_subjects, revoked_tokens
from gateway.store.upsert import upsert

_TAKEN_BACK = (literal(""), literal(""), literal(Standing.REVOKED.value))
# built once: building a statement takes longer than running it
_STANDING = Prepared(
    union_all(
        select(*_TAKEN_BACK).where(
            revoked_tokens.c.issuer == bindparam("issuer_"), revoked_tokens.c.jti == bindparam("jti_", type_=String)
        ),
        select(*_TAKEN_BACK).where(
            revoked_subjects.c.buyer == bindparam("buyer_"),
            revoked_subjects.c.issued_until_us >= bindparam("issued_us", type_=BigInteger),
        ),
        select(members.c.name, members.c.issuer, members.c.state).where(
            members.c.name.in_([bindparam("buyer_"), bindparam("organisation_")])
        ),
    )
)
"""A row for each reason why a token is taken back, one without a jti (NULL) equals none; and both members' rows."""


class Revocations:
    """Every process of the store refuses what is revoked from the next request on."""

    def __init__(self, store: Store, clock: Clock, keep: timedelta) -> None:
        """`keep` is how long a revoked jti is remembered: no token lives longer."""
        self._store = store
        self._clock = clock
        self._keep = keep

    async def revoke_token(self, issuer: str, jti: str, by: str) -> None:
        """Take one token back."""

        def work(connection: Connection) -> None:
            now = self._clock.now()
            connection.execute(delete(revoked_tokens).where(revoked_tokens.c.until_us < microseconds(now)))
            row = {"issuer": issuer, "jti": jti, "until_us": microseconds(now + self._keep)}
            upsert(connection, revoked_tokens, [row])
            leaves.append(connection, "revoked", now, {"issuer": issuer, "jti": jti, "by": by})

        await self._store.run(work)

    async def revoke_subject(self, buyer: str, by: str) -> None:
        """Take back every token of a subject that was issued until now."""

        def work(connection: Connection) -> None:
            now = self._clock.now()
            upsert(connection, revoked_subjects, [{"buyer": buyer, "issued_until_us": microseconds(now)}])
            leaves.append(connection, "revoked", now, {"buyer": buyer, "by": by})

        await self._store.run(work)

    async def standing(self, issuer: str, jti: str | None, buyer: str, issued_at: datetime) -> Standing:
        """Return how a token and the buyer who shows it stand."""
        organisation = buyer.partition("/")[0]
        asked = {
            "issuer_": issuer,
            "jti_": jti,
            "buyer_": buyer,
            "issued_us": microseconds(issued_at),
            "organisation_": organisation,
        }

        def work(connection: Connection) -> Standing:
            rows = _STANDING.rows(connection, asked)
            if not rows:
                return Standing.UNVERIFIED
            found = {(name, of): state for name, of, state in rows}
            for worst in (Standing.REVOKED, Standing.SUSPENDED):
                if worst in found.values():
                    return worst
            both = (found.get((organisation, "")), found.get((buyer, issuer)))
            return Standing.VERIFIED if both == (State.VERIFIED, State.VERIFIED) else Standing.UNVERIFIED

        return await self._store.glance(work)
