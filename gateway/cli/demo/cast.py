"""Who plays in the demo: two buyers of two organisations, a billing clerk, and the tokens they hold."""

from dataclasses import dataclass
from pathlib import Path

from gateway.app.clock import SystemClock, SystemRandomness
from gateway.cli.http import Client
from gateway.request import Caller

TTL_S = 3600


@dataclass(frozen=True, slots=True)
class Cast:
    """The callers of the demo at one address."""

    buyer: Client
    second_buyer: Client
    billing: Client


def issue(state: Path, subject: str, organisation: str, role: str, ttl_s: int = TTL_S) -> str:
    """Return a token of the embedded development key for one member of the cast."""
    from gateway.identity.development import DevelopmentKey  # noqa: PLC0415 - loads what signs

    key = DevelopmentKey.open(state, SystemRandomness())
    asking = ("market-research", "SG") if role == "buyer" else (None, None)
    return key.issue(Caller(subject, organisation, frozenset({role}), *asking), ttl_s, SystemClock().now())


def assemble(url: str, state: Path) -> Cast:
    """Return the cast with fresh tokens."""
    return Cast(
        buyer=Client(url, issue(state, "ana", "widget-analytics", "buyer")),
        second_buyer=Client(url, issue(state, "ben", "harbour-institute", "buyer")),
        billing=Client(url, issue(state, "bill", "exchange", "billing")),
    )
