"""The keys that providers sign grants with: one person of an organisation registers one, another confirms it.

A key that is revoked signs no new grant; what it signed before stands until it is revoked itself (decisions/0021).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from gateway.errors import GatewayError
from gateway.ledger import leaves
from gateway.ledger.charging import microseconds, moment
from gateway.ports import Clock
from gateway.store.database import Store
from gateway.store.tables import signing_keys

REGISTERED, CONFIRMED, REVOKED = "registered", "confirmed", "revoked"

KINDS = frozenset({"key-registered", "key-confirmed", "key-revoked"})
"""The leaves that make the table of keys."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of an organisation: its public part in hex, who stands behind it, and whether it may sign."""

    organisation: str
    key_id: str
    public_key: str
    state: str
    registered_by: str
    registered_at: datetime
    confirmed_by: str | None
    revoked_by: str | None


def settle(connection: Connection, content: Mapping[str, Any], at: datetime) -> None:
    """Do to the table what a leaf of KINDS says."""
    now, by = microseconds(at), content["by"]
    match content["kind"]:
        case "key-registered":
            row = {name: content[name] for name in ("organisation", "key_id", "public_key")}
            made = row | {"state": REGISTERED, "registered_by": by, "registered_at_us": now}
            connection.execute(insert(signing_keys).values(**made))
            return
        case "key-confirmed":
            changed = {"state": CONFIRMED, "confirmed_by": by, "confirmed_at_us": now}
        case _:
            changed = {"state": REVOKED, "revoked_by": by, "revoked_at_us": now}
    connection.execute(update(signing_keys).where(*_here(content["organisation"], content["key_id"])).values(**changed))


def _here(organisation: str, key_id: str) -> tuple[Any, ...]:
    return signing_keys.c.organisation == organisation, signing_keys.c.key_id == key_id


def find(connection: Connection, organisation: str, key_id: str) -> SigningKey | None:
    """Return a key of an organisation."""
    row = connection.execute(select(signing_keys).where(*_here(organisation, key_id))).one_or_none()
    return None if row is None else _key(row)


def _key(row: Row[Any]) -> SigningKey:
    return SigningKey(
        row.organisation,
        row.key_id,
        row.public_key,
        row.state,
        row.registered_by,
        moment(row.registered_at_us),
        row.confirmed_by,
        row.revoked_by,
    )


def refuse_unconfirmed(connection: Connection, organisation: str, key_id: str) -> SigningKey:
    """Return a key that may sign new grants. Raises GatewayError `grant_not_signed`."""
    found = find(connection, organisation, key_id)
    if found is None or found.state != CONFIRMED:
        hint = "Have another person confirm it: gateway grant key confirm."
        raise GatewayError("grant_not_signed", "The key is none that your organisation has confirmed.", hint)
    return found


class SigningKeys:
    """Every method is one transaction."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def register(self, organisation: str, key_id: str, public_key: str, person: str) -> SigningKey:
        """Write down a key, which signs nothing yet. Raises `bad_request` where it is known already."""

        def work(connection: Connection) -> SigningKey:
            if find(connection, organisation, key_id) is not None:
                hint = "gateway grant key list shows it; a key that was revoked stays so."
                raise GatewayError("bad_request", "The key is registered already.", hint)
            content = {"organisation": organisation, "key_id": key_id, "public_key": public_key, "by": person}
            return self._told(connection, "key-registered", content)

        return await self._store.run(work)

    async def confirm(self, organisation: str, key_id: str, person: str) -> SigningKey:
        """Confirm a key as another person. Raises `not_found`, `two_persons` or `bad_request`."""

        def work(connection: Connection) -> SigningKey:
            found = _known(connection, organisation, key_id)
            if found.registered_by == person:
                hint = "Have another person of your organisation confirm it."
                raise GatewayError("two_persons", "Who registered a key cannot confirm it.", hint)
            if found.state != REGISTERED:
                raise GatewayError("bad_request", f"The key is {found.state} already.", "gateway grant key list")
            content = {"organisation": organisation, "key_id": key_id, "by": person}
            return self._told(connection, "key-confirmed", content)

        return await self._store.run(work)

    async def revoke(self, organisation: str, key_id: str, person: str) -> SigningKey:
        """Have a key sign no new grants. Raises `not_found` or `bad_request`."""

        def work(connection: Connection) -> SigningKey:
            if _known(connection, organisation, key_id).state == REVOKED:
                raise GatewayError("bad_request", "The key is revoked already.", "gateway grant key list")
            content = {"organisation": organisation, "key_id": key_id, "by": person}
            return self._told(connection, "key-revoked", content)

        return await self._store.run(work)

    async def of(self, organisation: str | None) -> tuple[SigningKey, ...]:
        """Return the keys of an organisation, or of all of them, in the order in which they were registered."""
        wanted = select(signing_keys).order_by(signing_keys.c.registered_at_us, signing_keys.c.key_id)
        if organisation is not None:
            wanted = wanted.where(signing_keys.c.organisation == organisation)
        return await self._store.read(lambda connection: tuple(map(_key, connection.execute(wanted))))

    async def find(self, organisation: str, key_id: str) -> SigningKey | None:
        """Return a key of an organisation."""
        return await self._store.read(lambda connection: find(connection, organisation, key_id))

    def _told(self, connection: Connection, kind: str, content: dict[str, Any]) -> SigningKey:
        now = self._clock.now()
        leaves.append(connection, kind, now, content)
        settle(connection, {"kind": kind, **content}, now)
        return _known(connection, content["organisation"], content["key_id"])


def _known(connection: Connection, organisation: str, key_id: str) -> SigningKey:
    found = find(connection, organisation, key_id)
    if found is None:
        raise GatewayError("not_found", "There is no such key of your organisation.", "GET /v1/keys lists them.")
    return found
