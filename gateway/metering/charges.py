"""Meter events as billing reads them: each charge once, however often its event was delivered. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from gateway.errors import GatewayError
from gateway.ledger.events import TYPE
from gateway.metering.prices import FREE_CURRENCY


@dataclass(frozen=True, slots=True)
class Charged:
    """One charge, from its meter event: `units` is what its price counted, `income` each payee's part of the amount."""

    id: str
    query_id: str
    at: datetime
    organisation: str
    buyer: str
    dataset: str
    grant: str
    plan: str | None
    plan_version: str | None
    amount: Decimal
    currency: str
    epsilon: Decimal
    units: Mapping[str, str]
    income: Mapping[str, Decimal]
    tables: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def priced(self) -> bool:
        """Whether a price plan stood behind it; what has none is on no invoice."""
        return self.currency != FREE_CURRENCY


def events(lines: Iterable[str]) -> tuple[Mapping[str, Any], ...]:
    """Return the events of JSON lines in order, each id once. The order of delivery does not matter.

    Raises GatewayError `meter_conflict` where two events of one id differ: one of them is not ours.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for line in lines:
        event = json.loads(line)
        earlier = found.setdefault(event["id"], event)
        if earlier != event:
            hint = "Compare both with the log: `gateway audit reconcile` names the one that it does not hold."
            raise GatewayError("meter_conflict", f"Two different meter events have the id {event['id']}.", hint)
    return tuple(sorted(found.values(), key=lambda event: (event["time"], event["id"])))


def charges(lines: Iterable[str]) -> tuple[Charged, ...]:
    """Return the charges among events of any kind, each once, oldest first. Raises GatewayError `meter_conflict`."""
    return tuple(charged(event) for event in events(lines) if event["type"] == f"{TYPE}charged")


def charged(event: Mapping[str, Any]) -> Charged:
    """Return a charge from its event."""
    data = event["data"]
    return Charged(
        id=event["id"],
        query_id=event["subject"],
        at=datetime.fromisoformat(event["time"]),
        organisation=data["organisation"],
        buyer=data["buyer"],
        dataset=data["dataset"],
        grant=data["grant"],
        plan=data["price_plan"],
        plan_version=data["price_plan_version"],
        amount=Decimal(data["amount"]),
        currency=data["currency"],
        epsilon=Decimal(data["epsilon"]),
        units=data["units"],
        income={payee: Decimal(part) for payee, part in data["income_split"].items()},
        tables=tuple(data["tables"]),
        columns=tuple(data["columns"]),
    )
