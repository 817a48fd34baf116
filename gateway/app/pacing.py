"""How much that costs nothing one buyer gets in a minute: decisions, each a leaf of the log, and statements."""

from collections import Counter

from gateway.errors import GatewayError, Quota
from gateway.ledger.meter import MeterLog
from gateway.orders import buyer_id
from gateway.ports import Clock
from gateway.request import Caller

WINDOW_S = 60


class _Minutes:
    """Counts by buyer, in this process, minute by minute."""

    def __init__(self, name: str, most: int, clock: Clock) -> None:
        self._name = name
        self._most = most
        self._clock = clock
        self._window = 0
        self._taken: Counter[str] = Counter()

    def _now(self) -> Counter[str]:
        return self._at(int(self._clock.now().timestamp()))

    def _at(self, now: int) -> Counter[str]:
        window = now // WINDOW_S
        if window != self._window:
            self._window = window
            self._taken.clear()
        return self._taken

    def quota(self, caller: Caller) -> Quota:
        """Return what is left of the buyer's minute."""
        now = int(self._clock.now().timestamp())
        left = max(self._most - self._at(now).get(buyer_id(caller), 0), 0)
        return Quota(self._name, self._most, WINDOW_S, left, WINDOW_S - now % WINDOW_S)

    def _refused(self, caller: Caller, detail: str, hint: str) -> GatewayError:
        error = GatewayError("too_many_requests", detail, hint)
        error.quota = self.quota(caller)
        return error


class StatementPace(_Minutes):
    """Counts statements of Trino's door: each is read in a worker, and most look something up in another."""

    def __init__(self, most: int, clock: Clock) -> None:
        super().__init__("statements", most, clock)

    def take(self, caller: Caller) -> None:
        """Count a statement. Raises GatewayError `too_many_requests` where the buyer's minute is spent."""
        taken = self._now()
        if taken[buyer_id(caller)] >= self._most:
            detail = f"You sent {self._most:,} statements in this minute, and no more are read."
            raise self._refused(caller, detail, "Send more in the next minute.")
        taken[buyer_id(caller)] += 1


class StrangerPace(_Minutes):
    """Tells which refusals of those who are no members are told to the log: there is no end of strangers.

    One of each a minute, of so many of one organisation, and of so many in all.
    """

    def __init__(self, most: int, of_one: int, clock: Clock) -> None:
        super().__init__("strangers", most, clock)
        self._of_one = of_one
        self._organisations: Counter[str] = Counter()

    def told(self, caller: Caller) -> bool:
        """Count a refusal; tell whether the log is to have it."""
        taken, buyer = self._now(), buyer_id(caller)
        if not taken:
            self._organisations.clear()  # another minute
        of = self._organisations[caller.organisation]
        if buyer in taken or len(taken) >= self._most or of >= self._of_one:
            return False
        taken[buyer] += 1
        self._organisations[caller.organisation] += 1
        return True


class Pace(_Minutes):
    """Counts refusals, free repeats and changed caps.

    What is asked while a buyer's minute is spent is turned away before it is read, and writes nothing.
    """

    def __init__(self, most: int, clock: Clock, meter: MeterLog) -> None:
        super().__init__("free", most, clock)
        self._meter = meter

    def admit(self, caller: Caller) -> None:
        """Raise GatewayError `too_many_requests` where the buyer's minute is spent."""
        if self._now()[buyer_id(caller)] >= self._most:
            detail = f"{self._most:,} of your questions in this minute were refused or free, and no more are read."
            raise self._refused(caller, detail, "Ask again in the next minute; the log says so once.")

    async def count(self, caller: Caller) -> None:
        """Count one decision; the one that spends the buyer's minute is told to the log."""
        taken = self._now()
        taken[buyer_id(caller)] += 1
        if taken[buyer_id(caller)] == self._most:
            await self._meter.flooded(caller.organisation, caller.subject, self._most)

    async def take(self, caller: Caller, decisions: int = 1) -> None:
        """Admit and count at once what is about to be done: of those who ask together the first are counted first.

        Raises GatewayError `too_many_requests`, also where the minute has fewer decisions left than are asked for.
        """
        self.admit(caller)
        left = self.quota(caller).left
        if decisions > left:
            detail = (
                f"{decisions:,} decisions are asked for at once, and {left:,} of this minute's {self._most:,} are left."
            )
            raise self._refused(caller, detail, "Ask for fewer at a time, or in the next minute.")
        for _ in range(decisions):
            await self.count(caller)
