"""The secrets that all replicas of one store share: found different, a gateway does not start.

A replica with a pick key of its own would choose other groups for the same question, one with a text key of its own
could not open what the others sealed. The store keeps a fingerprint of each, never the secret.
"""

import hashlib

from sqlalchemy import Connection, select

from gateway.app.clock import SystemRandomness
from gateway.errors import GatewayError
from gateway.identity.development import open_secret
from gateway.settings import Settings
from gateway.store.database import Store
from gateway.store.tables import facts
from gateway.store.upsert import upsert

SHARED = ("pick.key", "text.key")


async def hold_keys(store: Store, settings: Settings) -> None:
    """Write down which secrets a fresh store is used with. Raises `settings_invalid` where they are others."""
    prints = {name: _fingerprint(open_secret(settings.state, name, SystemRandomness())) for name in SHARED}

    def work(connection: Connection) -> str | None:
        for name, own in prints.items():
            held = connection.execute(select(facts.c.value).where(facts.c.name == f"secret:{name}")).scalar()
            if held is None:
                upsert(connection, facts, [{"name": f"secret:{name}", "value": own}])
            elif held != own:
                return name
        return None

    other = await store.run(work)
    if other is not None:
        detail = f"The state folder's {other} is not the one that this store has been used with."
        hint = "Replicas share keys: copy the folder `keys` of the first one's state, or use one state folder for all."
        raise GatewayError("settings_invalid", detail, hint)


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(b"controlled-query-gateway secret\n" + secret.encode()).hexdigest()[:32]
