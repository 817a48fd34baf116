"""How many decisions that cost nothing one buyer gets in a minute: each is a leaf of the log, for ever."""

from collections import Counter

from gateway.errors import GatewayError, Quota
from gateway.ledger.meter import MeterLog
from gateway.orders import buyer_id
from gateway.ports import Clock
from gateway.request import Caller

WINDOW_S = 60


class Pace:
    """Counts refusals, free repeats and changed caps by buyer, in this process, minute by minute.

    What is asked while a buyer's minute is spent is turned away before it is read, and writes nothing.
    """

    def __init__(self, most: int, clock: Clock, meter: MeterLog) -> None:
        self._most = most
        self._clock = clock
        self._meter = meter
        self._window = 0
        self._taken: Counter[str] = Counter()

    def _now(self) -> Counter[str]:
        window = int(self._clock.now().timestamp()) // WINDOW_S
        if window != self._window:
            self._window = window
            self._taken.clear()
        return self._taken

    def admit(self, caller: Caller) -> None:
        """Raise GatewayError `too_many_requests` where the buyer's minute is spent."""
        if self._now()[buyer_id(caller)] >= self._most:
            detail = f"{self._most:,} of your questions in this minute were refused or free, and no more are read."
            error = GatewayError("too_many_requests", detail, "Ask again in the next minute; the log says so once.")
            error.quota = self.quota(caller)
            raise error

    def quota(self, caller: Caller) -> Quota:
        """Return what is left of the buyer's minute."""
        left = max(self._most - self._now()[buyer_id(caller)], 0)
        into = int(self._clock.now().timestamp()) % WINDOW_S
        return Quota("free", self._most, WINDOW_S, left, WINDOW_S - into)

    async def count(self, caller: Caller) -> None:
        """Count one decision; the one that spends the buyer's minute is told to the log."""
        taken = self._now()
        taken[buyer_id(caller)] += 1
        if taken[buyer_id(caller)] == self._most:
            await self._meter.flooded(caller.organisation, caller.subject, self._most)
