"""A pool of workers of one role: who gets one next, and a fresh one for each that dies.

Parties (organisations) take turns: however much one of them asks, another waits for one call of his at most.

Never here: what the workers do. The pool holds no request's data once a call is over.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from gateway.errors import Interrupted, Overloaded
from gateway.workers.role import Reply, Role, WorkerError
from gateway.workers.starting import Fresh, Starting
from gateway.workers.worker import Log, Worker

_LONGEST_PAUSE_S = 5.0
_FRESH = Fresh()


def _to_log(line: str) -> None:
    logging.getLogger("gateway.provider").warning("%s", line)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """Who waits for a worker: `party` is whose turn it takes (None: nobody's), `prefer` the tag it would like."""

    future: "asyncio.Future[Worker]"
    prefer: str
    party: str | None


class Pool:
    """At most `size` workers in use at once, `spares` more kept warm to step in for those that are killed.

    Next is the party that holds the fewest workers, then the one that was served longest ago, then who came first;
    one party holds at most `share` at once (else all). All methods belong to one event loop.
    """

    def __init__(
        self,
        role: Role,
        size: int,
        spares: int = 1,
        log: Log = _to_log,
        *,
        starting: Starting = _FRESH,
        share: int | None = None,
    ) -> None:
        # INVARIANT: a pool without workers would keep everyone waiting for ever.
        assert size > 0
        assert spares >= 0
        # INVARIANT: a party that may hold no worker would wait for ever.
        assert share is None or share > 0
        self._role = role
        self._size = size
        self._share = size if share is None else share
        self._wanted = size + spares
        self._log = log
        self._starting = starting
        self._idle: deque[Worker] = deque()
        self._waiting: list[_Waiting] = []
        self._members: set[Worker] = set()
        self._leased: dict[Worker, str | None] = {}
        self._turns = 0
        self._served: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def busy(self) -> int:
        """How many workers are leased now."""
        return len(self._leased)

    @property
    def waiting(self) -> int:
        """How many callers wait for a worker now."""
        return sum(not one.future.done() for one in self._waiting)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of the pool, for the provider's figures and for tests."""
        return tuple(sorted(worker.pid for worker in self._members if worker.alive))

    async def start(self) -> None:
        """Start all workers and return when each is warm. Raises WorkerError when one cannot start."""
        starts = [asyncio.create_task(Worker.start(self._role, self._log, self._starting)) for _ in range(self._wanted)]
        try:
            done = await asyncio.gather(*starts, return_exceptions=True)
        except BaseException:
            await self._abandon(starts)
            raise
        for outcome in done:
            if isinstance(outcome, Worker):
                self._join(outcome)
        failures = [outcome for outcome in done if isinstance(outcome, BaseException)]
        if failures:
            await self.close()
            raise failures[0]

    @staticmethod
    async def _abandon(starts: list[asyncio.Task[Worker]]) -> None:
        for outcome in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(outcome, Worker):
                await outcome.end()

    async def call(
        self,
        method: str,
        argument: object,
        deadline_s: float,
        wait_s: float | None = None,
        party: str | None = None,
    ) -> Reply:
        """Return the answer of any free worker; the deadline runs from when one is free.

        Waits at most `wait_s` (else `deadline_s`) for it. Raises Overloaded when none gets free,
        the handler's own GatewayError, WorkerTimeout, WorkerDied or WorkerFailed, Interrupted when the pool is closed.
        """
        worker = await self.acquire(deadline_s if wait_s is None else wait_s, party=party)
        try:
            return await worker.call(method, argument, deadline_s)
        finally:
            worker.release()

    async def acquire(self, wait_s: float, prefer: str = "", party: str | None = None) -> Worker:
        """Return a worker to hold over several calls, until its `release()`.

        A free one tagged `prefer` is taken before others; `party` is on whose behalf it is held.
        Raises Overloaded or Interrupted.
        """
        if self._closed:
            raise Interrupted
        future: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(future, prefer, party))
        self._hand_out()
        if future.done():
            return future.result()
        try:
            async with asyncio.timeout(wait_s):
                return await future
        except TimeoutError:
            self._give_up(future)
            raise Overloaded(f"No {self._role.name} worker got free in time.") from None
        except BaseException:
            self._give_up(future)
            raise

    def _give_up(self, future: "asyncio.Future[Worker]") -> None:
        """Forget a caller who waits no longer, also one who was handed a worker at the same moment."""
        if future.done() and not future.cancelled() and future.exception() is None:
            future.result().release()
        else:
            future.cancel()
            self._hand_out()

    def _hand_out(self) -> None:
        self._waiting = [one for one in self._waiting if not one.future.done()]
        while self._idle and self.busy < self._size and (following := self._next()) is not None:
            self._waiting.remove(following)
            worker = self._pick(following.prefer)
            worker.on_release(self._take_back)
            self._leased[worker] = following.party
            if following.party is not None:
                self._turns += 1
                self._served[following.party] = self._turns
            following.future.set_result(worker)
        # the turns of who neither waits nor holds a worker are forgotten
        parties = {one.party for one in self._waiting} | set(self._leased.values())
        self._served = {party: turn for party, turn in self._served.items() if party in parties}

    def _next(self) -> _Waiting | None:
        held = Counter(self._leased.values())

        def turn(one: _Waiting) -> tuple[int, int]:
            return (0, 0) if one.party is None else (held[one.party], self._served.get(one.party, 0))

        able = [one for one in self._waiting if one.party is None or held[one.party] < self._share]
        return min(able, key=turn, default=None)  # of equals the first that came

    def _pick(self, prefer: str) -> Worker:
        """Take of the idle workers that have `prefer` open the one that was at work last: its caches are warm.

        None has it open: the one idle longest, for what that has open is missed least. Nothing is preferred: the last.
        """
        if not prefer:
            return self._idle.pop()
        for worker in reversed(self._idle):
            if worker.tag == prefer:
                self._idle.remove(worker)
                return worker
        return self._idle.popleft()

    def _take_back(self, worker: Worker) -> None:
        self._leased.pop(worker, None)
        if worker.alive and not self._closed:
            self._idle.append(worker)
        self._hand_out()

    def _join(self, worker: Worker) -> None:
        self._members.add(worker)
        self._idle.append(worker)
        self._background(self._watch(worker))
        self._hand_out()

    async def _watch(self, worker: Worker) -> None:
        """Replace a worker as soon as its process ends, for whatever reason."""
        await worker.gone()
        if worker in self._idle:
            self._idle.remove(worker)
        if not self._closed:
            self._background(self._replace())
        await worker.end()
        self._members.discard(worker)

    async def _replace(self) -> None:
        pause_s = 0.1
        while not self._closed:
            try:
                worker = await Worker.start(self._role, self._log, self._starting)
            except WorkerError as error:
                self._log(f"{self._role.name}: a worker does not start: {error}")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self._join(worker)
                return

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Refuse who waits, kill every worker and reap it. Idempotent."""
        self._closed = True
        for one in self._waiting:
            if not one.future.done():
                one.future.set_exception(Interrupted())
        self._waiting.clear()
        self._idle.clear()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        members, self._members = self._members, set()
        await asyncio.gather(*(worker.stop() for worker in members))
