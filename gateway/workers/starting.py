"""How a worker's process comes to be, as its parent sees it, and the environment it gets. Here: a fresh interpreter.

gateway.workers.forking starts the same process by forking one that has imported everything already.
"""

import asyncio
import sys
from pathlib import Path
from socket import socket
from typing import Protocol

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "HOME": "/nonexistent",
    "PYTHONPATH": str(Path(__file__).resolve().parent.parent.parent),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    # One arena a thread would count against the address space limit without being used.
    "MALLOC_ARENA_MAX": "2",
    # pyarrow's allocator would start a thread when it is imported, and a process with threads is not forked.
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""The whole environment of a child: nothing of the parent's, which holds its secrets."""

INTERPRETER = (sys.executable, "-P", "-B", "-m")


class Process(Protocol):
    """A started process. asyncio's own processes are such."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None:
        """The exit status once the process has ended: a signal's number negative; None before."""
        ...

    async def wait(self) -> int:
        """Return the exit status when the process has ended."""
        ...

    def kill(self) -> None:
        """End it at once (SIGKILL). Raises ProcessLookupError when it is gone."""
        ...


class Starting(Protocol):
    """A way to start workers' processes."""

    async def process(self, channel: socket, errors: socket) -> Process:
        """Start gateway.workers.child with `channel` as its standard input and output, `errors` as standard error.

        The caller closes both sockets afterwards. Raises OSError.
        """
        ...


class Fresh:
    """Starts each process with an interpreter of its own: everywhere, in the time that the imports take."""

    async def process(self, channel: socket, errors: socket) -> Process:
        """Start an interpreter, in a session of its own: a typed interrupt is the parent's to handle."""
        return await asyncio.create_subprocess_exec(
            *(*INTERPRETER, "gateway.workers.child"),
            stdin=channel.fileno(),
            stdout=channel.fileno(),
            stderr=errors.fileno(),
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
