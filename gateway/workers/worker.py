"""One worker process as its parent sees it: start, call, kill. Which worker does what is the pool's business.

Never here: unpickling, or trust in anything a child says beyond the shape of its answer.
"""

import asyncio
import contextlib
import json
import pickle
import select
import signal
from collections.abc import Awaitable, Callable
from socket import socket, socketpair
from typing import Any

from gateway.errors import CODES, GatewayError, Interrupted, Position
from gateway.workers import frames
from gateway.workers.role import Reply, Role, WorkerDied, WorkerError, WorkerFailed, WorkerTimeout
from gateway.workers.starting import Process, Starting

Log = Callable[[str], None]
"""Takes one line for the provider's log."""

_LINE_CHARACTERS = 2_000
_LAST_S = 1.0
_BUFFER_BYTES = 1024 * 1024

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Worker:
    """A child process that serves one call at a time. Made by `Worker.start`.

    `tag` is for whoever leases workers: what this one has open.
    """

    def __init__(self, role: Role, process: Process, channel: _Streams, errors: _Streams, log: Log) -> None:
        self.role = role
        self.tag = ""
        self._process = process
        self._answers, self._calls_out = channel
        self._errors, self._errors_out = errors
        self._log = log
        self._calls = 0
        self._busy = False
        self._killed = False
        self._stopped = False
        self._hand_back: Callable[[Worker], None] | None = None
        self._drain = asyncio.create_task(self._drain_stderr())

    @classmethod
    async def start(cls, role: Role, log: Log, starting: Starting) -> "Worker":
        """Start a child and return it when its handler is made. Raises WorkerError."""
        ours, theirs = socketpair()
        said, saying = socketpair()
        with contextlib.ExitStack() as undo:
            undo.callback(ours.close)
            undo.callback(said.close)
            with theirs, saying:  # the child's alone from here on, else what a dead one wrote would have no end
                channel = await asyncio.open_connection(sock=ours, limit=_BUFFER_BYTES)
                undo.callback(channel[1].transport.abort)
                errors = await asyncio.open_connection(sock=said)
                undo.callback(errors[1].transport.abort)
                process = await cls._started(role, starting, theirs, saying)
            undo.pop_all()
        worker = cls(role, process, channel, errors, log)
        try:
            await worker._exchange(frames.encode(b"{}", pickle.dumps(role)), role.start_s)
        except BaseException:
            await worker.end()
            raise
        return worker

    @staticmethod
    async def _started(role: Role, starting: Starting, channel: socket, errors: socket) -> Process:
        try:
            async with asyncio.timeout(role.start_s):
                return await starting.process(channel, errors)
        except TimeoutError:
            raise WorkerTimeout(f"{role.name}: no process after {role.start_s:g} s") from None
        except OSError as error:
            raise WorkerDied(f"{role.name}: no process, {error}") from None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._killed and self._process.returncode is None

    @property
    def present(self) -> bool:
        """Whether the process is there at this moment; `alive` is what the loop has heard of it."""
        end = select.poll()
        end.register(self._calls_out.get_extra_info("socket").fileno(), select.POLLHUP)
        return self.alive and not end.poll(0)

    async def call(self, method: str, argument: object, deadline_s: float) -> Reply:
        """Return the handler's answer to one call.

        Raises WorkerTimeout (killed at the deadline), WorkerDied, WorkerFailed, the handler's GatewayError, or
        Interrupted where its own pool was closed.
        A call that is cancelled kills the worker: nothing can stop a statement halfway but the kernel.
        """
        self._calls += 1
        head = json.dumps({"call": self._calls, "method": method}).encode()
        return await self._exchange(frames.encode(head, pickle.dumps(argument)), deadline_s)

    async def _exchange(self, frame: bytes, deadline_s: float) -> Reply:
        # INVARIANT: one call at a time; two would read each other's answers.
        assert not self._busy
        if not self.alive:
            raise WorkerDied(f"{self.role.name}: the worker is gone")
        self._busy = True
        try:
            async with asyncio.timeout(deadline_s):
                self._calls_out.write(frame)
                await self._calls_out.drain()
                header, payload = await self._read()
            answer = self._answer(header, payload)
        except TimeoutError:
            self.kill()
            raise WorkerTimeout(f"{self.role.name}: killed after {deadline_s:g} s") from None
        except (asyncio.IncompleteReadError, OSError):
            status = await self._ended()
            if self._stopped and status == -signal.SIGKILL:
                raise Interrupted from None
            raise WorkerDied(f"{self.role.name}: the worker ended with status {status}") from None
        except frames.BadFrame as error:
            self.kill()
            raise WorkerDied(f"{self.role.name}: killed, {error}") from None
        except BaseException:
            self.kill()
            raise
        finally:
            self._busy = False
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _read(self) -> tuple[bytes, bytes]:
        prefix = await self._answers.readexactly(frames.PREFIX.size)
        header_bytes, payload_bytes = frames.lengths(prefix, self.role.max_reply_bytes)
        return await self._answers.readexactly(header_bytes), await self._answers.readexactly(payload_bytes)

    def _answer(self, text: bytes, payload: bytes) -> Reply | GatewayError | WorkerError:
        """Return what a frame says. Raises BadFrame, also for the answer to another call."""
        match frames.strict_json(text):
            case {"call": self._calls, "ok": dict(header), **rest} if not rest:
                return Reply(header, payload)
            case {"call": self._calls, "error": dict(error), **rest} if not rest:
                return _gateway_error(error)
            case {"call": self._calls, "failed": str(said), **rest} if not rest:
                return WorkerFailed(f"{self.role.name}: {said}")
        raise frames.BadFrame("the frame does not answer the call")

    async def _ended(self) -> int:
        """Return the status of a process that has closed its pipe; one that lives on all the same is killed.

        It is not killed before: signalling a process that has died takes its status from whoever waits for it.
        """
        try:
            async with asyncio.timeout(_LAST_S):
                return await self._process.wait()
        except TimeoutError:
            self.kill()
            return await self._process.wait()
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process at once (SIGKILL). Its resources are reaped by the pool."""
        if self._killed:
            return
        self._killed = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def on_release(self, hand_back: "Callable[[Worker], None]") -> None:
        """Name who gets the worker back at the next release."""
        self._hand_back = hand_back

    def release(self) -> None:
        """Give a leased worker back to its pool. A second release does nothing."""
        hand_back, self._hand_back = self._hand_back, None
        if hand_back is not None:
            hand_back(self)

    async def gone(self) -> None:
        """Return when the process has ended, by itself or killed."""
        await self._process.wait()
        self._killed = True

    async def stop(self) -> None:
        """End a worker whose pool is closed: a call that it serves is interrupted, and did not fail."""
        self._stopped = self.alive
        await self.end()

    async def end(self) -> None:
        """Kill the process, reap it and close its sockets."""
        self.kill()
        await self._process.wait()
        await self._quiet(self._drain)
        if not self._busy:  # else the call that still waits reads to the end
            await self._quiet(self._answers.read())
        for stream in (self._calls_out, self._errors_out):
            stream.transport.abort()
        await asyncio.sleep(0)  # the loop closes them at its next turn

    @staticmethod
    async def _quiet(step: Awaitable[Any]) -> None:
        with contextlib.suppress(OSError):
            await step

    async def _drain_stderr(self) -> None:
        rest = ""
        while chunk := await self._errors.read(4096):
            *lines, rest = (rest + chunk.decode(errors="replace")).split("\n")
            for line in lines:
                self._say(line)
            rest = rest[:_LINE_CHARACTERS]
        self._say(rest)

    def _say(self, line: str) -> None:
        if line.strip():
            self._log(f"{self.role.name}[{self.pid}]: {line[:_LINE_CHARACTERS]}")


def _gateway_error(error: dict[str, Any]) -> GatewayError:
    """Return the error that a child sent. Raises BadFrame unless it is one of ours."""
    match error:
        case {
            "code": str(code), "detail": str(detail), "hint": str(hint), "position": position,
            "fingerprint": str() | None as fingerprint, **rest,
        } if code in CODES and not rest:  # fmt: skip
            pass
        case _:
            raise frames.BadFrame("the error is not one of the gateway's")
    match position:
        case None:
            refusal = GatewayError(code, detail, hint)
        case [int(line), int(column)]:
            refusal = GatewayError(code, detail, hint, Position(line, column))
        case _:
            raise frames.BadFrame("the error's position is not a position")
    refusal.fingerprint = fingerprint
    return refusal
