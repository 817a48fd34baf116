"""Who may freeze what: a supervisor anything, a provider its own datasets and what runs on them."""

from collections.abc import Callable, Mapping

from gateway.app.standing import Held
from gateway.errors import GatewayError
from gateway.ledger.events import timestamp
from gateway.ledger.freezing import Freeze, Freezes, Scope, Target
from gateway.ledger.ledger import Ledger
from gateway.orders import buyer_id
from gateway.policy.decide import provides
from gateway.request import Caller


class SupervisionService:
    """Satisfies gateway.web.service.Supervision."""

    def __init__(self, freezes: Freezes, ledger: Ledger, datasets: Callable[[], Mapping[str, Held]]) -> None:
        self._freezes = freezes
        self._ledger = ledger
        self._datasets = datasets

    async def freeze(self, caller: Caller, scope: str, name: str, reason: str) -> dict[str, object]:
        """Freeze at once, on every process of the store; return what is frozen and how many queries were ended."""
        target = await self._allowed(caller, Target(Scope(scope), name))
        ended = await self._freezes.freeze(target, reason, buyer_id(caller), over=_over(caller))
        return {"scope": scope, "name": name, "frozen": True, "ended": len(ended)}

    async def unfreeze(self, caller: Caller, scope: str, name: str, reason: str) -> dict[str, object]:
        """Lift a freeze. Raises `not_found` where there is none."""
        target = await self._allowed(caller, Target(Scope(scope), name))
        if not await self._freezes.unfreeze(target, reason, buyer_id(caller), over=_over(caller)):
            raise GatewayError("not_found", "There is no such freeze.", "GET /v1/freezes lists them.")
        return {"scope": scope, "name": name, "frozen": False}

    async def freezes(self, caller: Caller) -> list[dict[str, object]]:
        """Return what is frozen: to a supervisor all of it, to a provider its own datasets."""
        watching = "supervisor" in caller.roles
        if not watching and not self._provided(caller):
            raise _forbidden()
        held = await self._freezes.held()
        return [_shown(one) for one in held if watching or one.target in self._own(caller)]

    async def _allowed(self, caller: Caller, target: Target) -> Target:
        if "supervisor" in caller.roles or target in self._own(caller):
            return target
        if target.scope is Scope.QUERY:
            row = await self._ledger.query(target.name)
            if row is not None and row.dataset in self._provided(caller):
                return target
        raise _forbidden()

    def _provided(self, caller: Caller) -> set[str]:
        held = self._datasets().items()
        return {name for name, one in held if provides(one.file.document.provider.organisation, caller)}

    def _own(self, caller: Caller) -> set[Target]:
        return {Target(Scope.DATASET, name) for name in self._provided(caller)}


def _over(caller: Caller) -> str | None:
    """Return whose freezes a caller may lift and replace: a supervisor anybody's, a provider its own organisation's."""
    return None if "supervisor" in caller.roles else buyer_id(caller).partition("/")[0]


def _shown(freeze: Freeze) -> dict[str, object]:
    return {
        "scope": freeze.target.scope.value,
        "name": freeze.target.name,
        "reason": freeze.reason,
        "by": freeze.by,
        "at": timestamp(freeze.at),
    }


def _forbidden() -> GatewayError:
    hint = "Ask with a supervisor's token, or as the provider of the dataset."
    return GatewayError("forbidden", "A supervisor freezes anything, a provider its own datasets.", hint)
