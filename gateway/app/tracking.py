"""The questions that this process works on: who asked, which stage, and how to wait for, follow and end them.

Charged work goes on when its asker leaves. What is told of a running question hangs on the question alone.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from gateway.drawing import REDONE
from gateway.errors import GatewayError, Interrupted, StoreUnavailable
from gateway.ledger.charging import CANCELLED, ended_early
from gateway.orders import buyer_id
from gateway.ports import Lease
from gateway.request import Caller, Request
from gateway.stages import Stage

LOOK_EVERY_S = 0.25
"""How often the store is asked which of the running queries were ended elsewhere."""

LAST_WORDS_S = 5.0
"""How long, after the drain, what was cut short has to say so."""


class Ending(Protocol):
    """The ledger, as far as queries are ended in it."""

    async def cancel(self, buyer: str, query_id: str) -> str | None: ...
    async def ended(self, running: Iterable[str]) -> Mapping[str, str]: ...


class Answering(Protocol):
    """The path of a question; of a `new` one the door has just found nothing in the store."""

    async def __call__(self, request: Request, caller: Caller, *, new: bool) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Held:
    """The engine that works on a question, and whose data it reads."""

    dataset: str
    lease: Lease


@dataclass(slots=True, eq=False)
class Question:
    """One question in this process. `query_id` is empty until the path names it."""

    caller: Caller
    ledger: Ending
    query_id: str = ""
    stage: Stage | None = None
    charged: bool = False
    ended: str | None = None
    """The state that its buyer or a freeze has ended it with."""
    engine: Held | None = None
    """For the eyes of the data's provider alone."""
    task: "asyncio.Task[bytes] | None" = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    # -- what the path tells of it ------------------------------------------------------------------------------

    def named(self, query_id: str) -> None:
        self.query_id = query_id

    def enter(self, stage: Stage) -> None:
        """Note the stage that begins."""
        if stage is not self.stage:
            self.stage = stage
            self._tell()

    def paid(self, query_id: str) -> None:
        """Note that it is charged, under this id: from now on every replica knows it."""
        if not (self.charged and self.query_id == query_id):
            self.query_id, self.charged = query_id, True
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # -- for whoever waits --------------------------------------------------------------------------------------

    @property
    def work(self) -> "asyncio.Task[bytes]":
        """What works on it."""
        assert self.task is not None  # INVARIANT: a tracker hands out no question without its task
        return self.task

    @property
    def over(self) -> bool:
        """Whether nothing is worked on any more."""
        return self.work.done()

    async def answer(self) -> bytes:
        """Return the answer's bytes once they are durable.

        Raises what the path raises, `query_cancelled` or `query_stopped` where it was ended, `shutting_down` where the
        drain cut it short.
        """
        try:
            return await asyncio.shield(self.work)
        except asyncio.CancelledError:
            if not self.work.cancelled():
                raise  # who waits was cancelled, not the work
            raise self._end() from None
        except GatewayError:
            if self.ended is not None:  # the fence shut the worker out before it was told why
                raise self._end() from None
            raise

    def _end(self) -> GatewayError:
        return Interrupted(REDONE) if self.ended is None else ended_early(self.query_id, self.ended)

    async def wait(self, seconds: float) -> bool:
        """Wait for the answer or the error, so long at most; tell whether it is there."""
        await asyncio.wait([self.work], timeout=seconds)
        return self.over

    async def known(self) -> None:
        """Wait until every replica knows the question: it is charged, or over."""
        while not (self.charged or self.over):
            await self._change()

    async def stages(self) -> AsyncIterator[Stage | None]:
        """Yield the stage now and at each change, until it is over."""
        told: object = self  # nothing yet
        while not self.over:
            if self.stage is not told:
                told = self.stage
                yield self.stage
            else:
                await self._change()

    async def _change(self) -> None:
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait([changed, self.work], return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()

    async def cancel(self) -> None:
        """End it for its buyer, here and in the store.

        The work is ended before its row: a charge that was on its way is in the store by the time it is looked for.
        """
        self.stop(CANCELLED)
        await asyncio.wait([self.work])
        await self.ledger.cancel(buyer_id(self.caller), self.query_id)

    def stop(self, state: str) -> None:
        """End the work with a state: what the engine does for it is ended too."""
        self.ended = state
        self.work.cancel()

    def interrupt(self) -> None:
        """End the work because the gateway stops: a charge stands, and has not failed."""
        self.work.cancel()


CURRENT: ContextVar[Question | None] = ContextVar("question", default=None)
"""The question whose task this is: the path tells its stages to whoever listens here."""


class _Room:
    """Room for `most` at once, half of them of one organisation: another's can always come in."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside: Counter[str] = Counter()

    @contextlib.contextmanager
    def held(self, caller: Caller) -> Iterator[None]:
        """Count one while the block runs. Raises `too_many_requests`."""
        self.enter(caller)
        try:
            yield
        finally:
            self.leave(caller)

    def enter(self, caller: Caller) -> None:
        """Count one that begins. Raises `too_many_requests`."""
        if self._inside.total() >= self._most or self._inside[caller.organisation] >= max(1, self._most // 2):
            raise GatewayError("too_many_requests", "Too many queries run at once.", "Ask again in a moment.")
        self._inside[caller.organisation] += 1

    def leave(self, caller: Caller) -> None:
        """Count one that ends."""
        self._inside[caller.organisation] -= 1
        if not self._inside[caller.organisation]:
            del self._inside[caller.organisation]


class Tracker:
    """Satisfies gateway.web.service.Questions. There is room for `most` questions, and for as many who wait for one."""

    def __init__(self, answer: Answering, ledger: Ending, most: int) -> None:
        self._answer = answer
        self._ledger = ledger
        self._questions: set[Question] = set()
        self._asked, self._listening = _Room(most), _Room(most)
        self.draining = False

    def submit(self, request: Request, caller: Caller, *, new: bool = False) -> Question:
        """Begin a question; of a `new` one nothing was known just now. Raises `shutting_down`, `too_many_requests`."""
        self.refuse_draining()
        self._asked.enter(caller)
        question = Question(caller, self._ledger)
        task = asyncio.create_task(self._work(question, request, new=new))
        question.task = task
        self._questions.add(question)
        task.add_done_callback(lambda _: self._done(question))
        return question

    async def _work(self, question: Question, request: Request, *, new: bool) -> bytes:
        CURRENT.set(question)
        return await self._answer(request, question.caller, new=new)

    def _done(self, question: Question) -> None:
        self._questions.discard(question)
        self._asked.leave(question.caller)
        if not question.work.cancelled():
            question.work.exception()  # seen: the asker may be gone

    @contextlib.contextmanager
    def room(self, caller: Caller) -> Iterator[None]:
        """Hold room for work that is not tracked, such as a quote. Raises `shutting_down`, `too_many_requests`."""
        self.refuse_draining()
        with self._asked.held(caller):
            yield

    def listening(self, caller: Caller) -> contextlib.AbstractContextManager[None]:
        """Hold room for one who waits for a question or follows it. Raises `too_many_requests`.

        A connection is all that it costs; of those there are so many, and no organisation is to have them all.
        """
        return self._listening.held(caller)

    def refuse_draining(self) -> None:
        """Raise `shutting_down` where the gateway takes nothing new."""
        if self.draining:
            raise GatewayError("shutting_down", "The gateway is stopping.", "Ask again when it is back.")

    def tracked(self, query_id: str, caller: Caller) -> Question | None:
        """Return a question of this caller that this process works on: not one that waits for another with its key."""
        return next((question for question in self._of(query_id, caller) if question.stage is not None), None)

    def _of(self, query_id: str, caller: Caller) -> list[Question]:
        """Return a query's questions: with one idempotency key, several wait for one."""
        buyer = buyer_id(caller)
        return [q for q in self._questions if q.query_id == query_id and buyer_id(q.caller) == buyer]

    def working(self, dataset: str) -> dict[str, Lease]:
        """Return the engines that work for this process on charged questions of a dataset, by query."""
        held = [(q.query_id, q.engine) for q in self._questions if q.charged]  # who waits for one has its id, no engine
        return {query_id: one.lease for query_id, one in held if one is not None and one.dataset == dataset}

    async def cancel(self, query_id: str, caller: Caller) -> None:
        """End a question of this caller, wherever it runs, if there is one."""
        here = self._of(query_id, caller)
        await asyncio.gather(*(question.cancel() for question in here))
        if not here:
            await self._ledger.cancel(buyer_id(caller), query_id)

    async def watch(self) -> None:
        """End, until cancelled, the work on queries that were ended elsewhere."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            running = {question.query_id for question in self._questions if question.charged}
            if running:
                with contextlib.suppress(StoreUnavailable):
                    ended = await self._ledger.ended(running)
                    for question in tuple(self._questions):
                        if question.query_id in ended:
                            question.stop(ended[question.query_id])

    async def drain(self, seconds: float) -> None:
        """Take nothing new, wait so long for what runs, and cut short what is left."""
        self.draining = True
        if running := [question.work for question in self._questions]:
            await asyncio.wait(running, timeout=seconds)
        for question in tuple(self._questions):
            question.interrupt()
        if left := [question.work for question in self._questions]:
            await asyncio.wait(left, timeout=LAST_WORDS_S)
