"""How many decisions that cost nothing one buyer gets in a minute: each is a leaf of the log, for ever."""

from collections import Counter

from gateway.errors import GatewayError
from gateway.ports import Clock

WINDOW_S = 60


class Pace:
    """Counts refusals, free repeats and changed caps by buyer, in this process, minute by minute.

    What is asked while a buyer's minute is spent is turned away before it is read, and writes nothing.
    """

    def __init__(self, most: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._window = 0
        self._taken: Counter[str] = Counter()

    @property
    def most(self) -> int:
        return self._most

    def _now(self) -> Counter[str]:
        window = int(self._clock.now().timestamp()) // WINDOW_S
        if window != self._window:
            self._window = window
            self._taken.clear()
        return self._taken

    def admit(self, buyer: str) -> None:
        """Raise GatewayError `too_many_requests` where the buyer's minute is spent."""
        if self._now()[buyer] >= self._most:
            detail = f"{self._most:,} of your questions in this minute were refused or free, and no more are read."
            raise GatewayError("too_many_requests", detail, "Ask again in the next minute; the log says so once.")

    def count(self, buyer: str) -> bool:
        """Count one decision; tell whether it was the one that spends the minute."""
        taken = self._now()
        taken[buyer] += 1
        return taken[buyer] == self._most
