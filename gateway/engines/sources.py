"""What servers of providers have in common: where the environment says they are, and pauses while one is away."""

import asyncio
from collections.abc import Callable

from gateway.errors import GatewayError

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0
"""A server that cannot be reached is tried again after pauses that double between these two."""

Addresses = Callable[[str], str | None]
"""What the environment says under a name: where a source is, with its password."""


def unavailable(hint: str = "Ask again in a moment.") -> GatewayError:
    return GatewayError("engine_unavailable", "The data cannot be opened now.", hint)


class Pauses:
    """When a server that was away may be tried again."""

    def __init__(self) -> None:
        self._pause_s = 0.0
        self._again_at = 0.0

    def check(self) -> None:
        """Raise `engine_unavailable` while a server is left alone."""
        if asyncio.get_running_loop().time() < self._again_at:
            raise unavailable()

    def away(self) -> None:
        self._pause_s = min(max(2 * self._pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self._again_at = asyncio.get_running_loop().time() + self._pause_s

    def there(self) -> None:
        self._pause_s = 0.0
