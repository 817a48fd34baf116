"""Who stands behind the keys that grants are signed with: two persons of one provider. A supervisor may end a key."""

from gateway.app.pacing import Pace
from gateway.app.rights import only
from gateway.errors import GatewayError
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.grants import key_id, public_of
from gateway.ledger.events import timestamp
from gateway.ledger.signing_keys import SigningKey, SigningKeys
from gateway.orders import buyer_id
from gateway.request import Caller


class KeyService:
    """Satisfies gateway.web.service.Keys."""

    def __init__(self, keys: SigningKeys, pace: Pace) -> None:
        self._keys = keys
        self._pace = pace

    async def register(self, caller: Caller, public_key: str) -> dict[str, object]:
        """Write down a key of the caller's organisation; it signs nothing before another person confirms it.

        Raises GatewayError `bad_request`, `too_many_requests`: each key is a leaf of the log for good.
        """
        _provider(caller)
        self._pace.admit(caller)
        try:
            named = key_id(public_of(public_key))
        except NotVerified as failure:
            hint = "Send the 64 hex digits that `gateway grant key make` prints."
            raise GatewayError("bad_request", f"`public_key` cannot be used: {failure}.", hint) from None
        await self._pace.take(caller)
        made = await self._keys.register(caller.organisation, named, public_key, buyer_id(caller))
        return shown(made)

    async def confirm(self, caller: Caller, named: str) -> dict[str, object]:
        """Confirm a key, as another person of its organisation."""
        _provider(caller)
        return shown(await self._keys.confirm(caller.organisation, named, buyer_id(caller)))

    async def revoke(self, caller: Caller, named: str, organisation: str | None) -> dict[str, object]:
        """Have a key sign no new grants: of the caller's organisation, or for a supervisor of any."""
        owner = organisation or caller.organisation
        if not ("provider" in caller.roles and owner == caller.organisation) and "supervisor" not in caller.roles:
            hint = "Ask with the token of one of its provider's persons, or a supervisor's."
            raise GatewayError("forbidden", "A key is revoked by its organisation or a supervisor.", hint)
        return shown(await self._keys.revoke(owner, named, buyer_id(caller)))

    async def keys(self, caller: Caller) -> list[dict[str, object]]:
        """Return the keys of the caller's organisation, or to a supervisor all."""
        if "supervisor" not in caller.roles:
            _provider(caller)
        found = await self._keys.of(None if "supervisor" in caller.roles else caller.organisation)
        return [shown(one) for one in found]


def _provider(caller: Caller) -> None:
    only(caller, "provider", "Keys that sign grants are for providers.")


def shown(key: SigningKey) -> dict[str, object]:
    """Return a key as a document."""
    return {
        "organisation": key.organisation,
        "key_id": key.key_id,
        "public_key": key.public_key,
        "state": key.state,
        "registered_by": key.registered_by,
        "registered_at": timestamp(key.registered_at),
        "confirmed_by": key.confirmed_by,
        "revoked_by": key.revoked_by,
    }
