"""Who reads alerts: a supervisor all of them, a provider those of its own datasets, nobody else."""

from collections.abc import Callable, Mapping

from gateway.app.standing import Held
from gateway.errors import GatewayError
from gateway.ledger.alerts import Alerts
from gateway.orders import buyer_id
from gateway.policy.decide import provides
from gateway.request import Caller


class WarningService:
    """Satisfies gateway.web.service.Warnings."""

    def __init__(self, alerts: Alerts, datasets: Callable[[], Mapping[str, Held]]) -> None:
        self._alerts = alerts
        self._datasets = datasets

    async def alerts(self, caller: Caller, dataset: str | None, after: str | None, limit: int) -> dict[str, object]:
        """Return alerts that a caller may read, of one dataset or of all, and the cursor behind them.

        Raises `forbidden`, and `not_found` for a dataset that is not the caller's to watch.
        """
        mine = self._watched(caller)
        if dataset is not None:
            if mine is not None and dataset not in mine:
                raise _nothing()
            mine = frozenset({dataset})
        found, cursor = await self._alerts.shown(mine, after, limit)
        return {"alerts": [alert.document() for alert in found], "cursor": cursor}

    async def seen(self, caller: Caller, alert_id: str) -> dict[str, object]:
        """Note that a caller has seen an alert; who saw it first stays. Raises `not_found`, `forbidden`."""
        found = await self._alerts.seen(alert_id, buyer_id(caller), self._watched(caller))
        if found is None:
            raise _nothing()
        return found.document()

    def _watched(self, caller: Caller) -> frozenset[str] | None:
        """Return the datasets whose alerts a caller may read; None: all, and the gateway's own."""
        if "supervisor" in caller.roles:
            return None
        held = self._datasets().items()
        mine = frozenset(name for name, one in held if provides(one.file.document.provider.organisation, caller))
        if not mine:
            hint = "Ask with a supervisor's token, or as the provider of a dataset."
            raise GatewayError("forbidden", "Alerts are for providers and supervisors.", hint)
        return mine


def _nothing() -> GatewayError:
    return GatewayError("not_found", "There is no such alert for you.", "GET /v1/alerts lists yours.")
