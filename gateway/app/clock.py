"""The real clock, randomness and query ids: one door each."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in _BASE32 for second in _BASE32)


@dataclass(frozen=True, slots=True)
class SystemClock:
    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one door


@dataclass(frozen=True, slots=True)
class SystemRandomness:
    def token_bytes(self, count: int) -> bytes:
        """Return bytes of the operating system's generator."""
        return secrets.token_bytes(count)


def new_query_id() -> str:
    """Return a ULID: 48 bits of milliseconds, 80 random bits; sortable by time."""
    at = int(SystemClock().now().timestamp() * 1000)
    value = at << 80 | int.from_bytes(secrets.token_bytes(10), "big")
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])
