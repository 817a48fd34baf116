"""Where a flow stands, for the client that does what it asks for. No I/O."""

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from gateway.client.asking import Flow, Step, Stopped
from gateway.client.progress import Shown
from gateway.client.wire import Reply

T = TypeVar("T")


class Course(Generic[T]):
    """One flow under way. An interrupt is thrown into it once, so that it can cancel; a second one ends it at once."""

    def __init__(self, flow: Flow[T], shown: Shown | None) -> None:
        self._flow = flow
        self._shown = shown
        self._step: Callable[[], Step] = partial(next, flow)
        self._interrupt: BaseException | None = None
        self._results: list[T] = []

    @property
    def result(self) -> T:
        """What the flow returned, once `wanted` has said that it is over."""
        return self._results[0]

    def wanted(self) -> Step | None:
        """Return what is to be done next; None where the flow has returned.

        Raises what the flow raises; after an interrupt that interrupt, with a note on what became of the question.
        """
        try:
            return self._step()
        except StopIteration as done:
            self._results.append(done.value)
            return None
        except Stopped as stopped:
            assert self._interrupt is not None  # INVARIANT: thrown by `interrupted` alone
            if stopped.told:
                self._interrupt.add_note(stopped.told)
                if self._shown is not None:
                    self._shown.told(stopped.told)
            raise self._interrupt from None

    def came(self, reply: Reply | None) -> None:
        """Take what came of the step that was wanted."""
        self._step = partial(self._flow.send, reply)

    def failed(self, failure: Exception) -> None:
        """Take that the step failed."""
        self._step = partial(self._flow.throw, failure)

    def interrupted(self, caught: BaseException) -> None:
        """Take that the asker wants no answer any more. Raises a second interrupt as it is."""
        if self._interrupt is not None:
            raise caught
        self._interrupt = caught
        self._step = partial(self._flow.throw, Stopped())
