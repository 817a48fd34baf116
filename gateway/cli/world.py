"""The command line's real clock and randomness, for the one command that signs something without a gateway: `token`.

Nothing else of the gateway reads the world here; the server's own doors are opened in app.py.
"""

import secrets
from datetime import UTC, datetime


class SystemClock:
    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the command line's door to the clock


class SystemRandomness:
    def token_bytes(self, count: int) -> bytes:
        """Return `count` bytes of the operating system's randomness."""
        return secrets.token_bytes(count)
