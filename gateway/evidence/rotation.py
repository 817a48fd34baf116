"""The life of a log's key: bound to the store when it is first served, and replaced by one that it vouches for."""

from datetime import datetime

from sqlalchemy import Connection

from gateway.errors import GatewayError
from gateway.evidence import facts
from gateway.evidence.facts import LogFacts
from gateway.evidence.keys import KeyRing
from gateway.evidence.offline.keychain import statement
from gateway.evidence.offline.notes import SHA256_ED25519, is_key_name
from gateway.evidence.signing import public_bytes
from gateway.ledger import leaves
from gateway.store.database import Store


async def settle(store: Store, ring: KeyRing, origin: str) -> None:
    """Bind a store to the name and key of its log, or check both; finish a rotation that was cut off.

    Raises GatewayError `settings_invalid` where the store's log has another name or another key.
    """
    if not is_key_name(origin):
        hint = "Set GATEWAY_SOURCE to a name without spaces and plus signs, such as gateway.example.org/log."
        raise GatewayError("settings_invalid", f"'{origin}' cannot be the name of a log.", hint)

    def work(connection: Connection) -> LogFacts:
        known = facts.read(connection)
        if known is None:
            known = LogFacts(origin, ring.keys().public.hex())
            facts.write(connection, known)
        elif known.public_key != ring.keys().public.hex():
            # a store that was restored and caught up from the leaves may not know the latest of its keys
            told = facts.found(connection, known.origin)
            if told is not None and told != known:
                known = told
                facts.write(connection, known)
        return known

    known = await store.run(work)
    if known.origin != origin:
        detail = f"The store's log is named '{known.origin}', not '{origin}'."
        raise GatewayError("settings_invalid", detail, "Set GATEWAY_SOURCE to the log's own name.")
    upcoming = ring.upcoming()
    if upcoming is not None and public_bytes(upcoming).hex() == known.public_key:
        ring.turn()
    if ring.keys().public.hex() != known.public_key:
        hint = "Give every gateway of this store the keys folder of the first one."
        raise GatewayError("settings_invalid", "The store's log is signed with another key than log.key.", hint)


async def rotate(store: Store, ring: KeyRing, origin: str, now: datetime) -> tuple[str, int]:
    """Replace the log's key; return the new one (hex) and the leaf that says so, signed by the old one.

    From then on checkpoints carry both signatures, until `KeyRing.retire`. Raises `settings_invalid`.
    """
    await settle(store, ring, origin)
    old, new = ring.keys().current, ring.upcoming(make=True)
    assert new is not None  # INVARIANT: it was made
    replaced, public = public_bytes(old), public_bytes(new)
    signature = old.sign(statement(origin, SHA256_ED25519, replaced, public))

    def work(connection: Connection) -> int:
        known = facts.read(connection)
        if known is None or known.public_key != replaced.hex():
            raise GatewayError("settings_invalid", "Another rotation of the key is under way.", "Try again.")
        content = {
            "algorithm": SHA256_ED25519,
            "origin": origin,
            "public_key": public.hex(),
            "replaces": replaced.hex(),
            "signature": signature.hex(),
        }
        index, _hash = leaves.append(connection, "key", now, content)
        facts.write(connection, LogFacts(origin, public.hex(), (*known.changes, index)))
        return index

    index = await store.run(work)
    ring.turn()
    return public.hex(), index
