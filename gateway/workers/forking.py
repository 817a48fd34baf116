"""Workers forked from a process that has imported their code: ready in milliseconds. The gateway's side of it.

Linux only, see `can_fork`. What the other side does is gateway.workers.forkserver's business.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from gateway.workers.starting import ENVIRONMENT, INTERPRETER, Process

_KILLED = -9


def can_fork() -> bool:
    """Return whether this system has what forking takes: Linux, and descriptors of processes (since 5.3)."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def begun(control: socket.socket, modules: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start the process to fork from, in a session of its own, with `control` as its standard input."""
    return subprocess.Popen(  # noqa: S603 - our own module
        (*INTERPRETER, "gateway.workers.forkserver", *modules),
        stdin=control.fileno(),
        stdout=subprocess.DEVNULL,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )


class Forking:
    """Starts workers as forks of one process, which is started at once and anew when it has ended.

    It belongs to whoever made it, as a context, and to one event loop at a time.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = tuple(modules)
        self._asked: deque[asyncio.Future[Process]] = deque()
        self._running: dict[int, _Forked] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin()

    def _begin(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = begun(theirs, self._modules)
        self._control.settimeout(0)

    async def process(self, channel: socket.socket, errors: socket.socket) -> Process:
        """Have a worker forked. Raises OSError when the process to fork from ends instead."""
        if self._control.fileno() < 0:
            self._begin()
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            loop.add_reader(self._control, self._hear)
            self._loop = loop
        started: asyncio.Future[Process] = loop.create_future()
        socket.send_fds(self._control, [b"fork"], [channel.fileno(), errors.fileno()])
        self._asked.append(started)
        return await started

    def _hear(self) -> None:
        try:
            message, handed, _, _ = socket.recv_fds(self._control, 64, 1)
        except BlockingIOError:
            return
        except OSError:
            message, handed = b"", []
        match message.decode().split():
            case ["started", pid]:
                self._hand_over(_Forked(int(pid), handed[0]))
            case ["failed"]:
                self._tell(OSError("the system has no process to spare"))
            case ["ended", pid, status]:
                self._running.pop(int(pid)).has_ended(int(status))
            case _:
                self.close()

    def _tell(self, failure: OSError) -> None:
        asked = self._asked.popleft()
        if not asked.done():
            asked.set_exception(failure)

    def _hand_over(self, process: "_Forked") -> None:
        self._running[process.pid] = process
        asked = self._asked.popleft()
        if asked.done():
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # nobody waits for it any more
        else:
            asked.set_result(process)

    def close(self) -> None:
        """End the process, and with it whatever was forked from it. Idempotent."""
        if self._control.fileno() < 0:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._control)
        self._loop = None
        self._control.close()
        self._server.kill()
        self._server.wait()
        for process in self._running.values():  # the kernel ends them with their parent; this only makes sure
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.has_ended(_KILLED)
        self._running.clear()
        while self._asked:
            self._tell(OSError("the process that workers are forked from ended"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Forked:
    """A forked worker. It is signalled through its descriptor, so that no other process with its number is."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._descriptor = descriptor
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        assert sys.platform == "linux"
        if self.returncode is not None:
            raise ProcessLookupError(self.pid)
        signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def has_ended(self, status: int) -> None:
        self.returncode = status
        os.close(self._descriptor)
        self._ended.set()
