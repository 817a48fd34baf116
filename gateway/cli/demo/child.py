"""The real gateway as a child process: started on a free port, watched until it listens, ended by its own id."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import IO

from gateway.cli.demo.stage import Stage
from gateway.errors import GatewayError

READY = "listening on "
START_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0


def command(stage: Stage, port: int) -> list[str]:
    """Return the command line that serves the stage."""
    folders = ["--policies", str(stage.policies), "--state", str(stage.state)]
    return [sys.executable, "-m", "gateway", "serve", *folders, "--port", str(port)]


@contextmanager
def running(stage: Stage, port: int = 0) -> Iterator[str]:
    """Yield the address of a gateway that serves the stage, and end that process afterwards.

    Raises GatewayError `engine_unavailable` with the tail of its log where it does not come up.
    """
    with stage.log.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            command(stage, port), stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            yield _address(process, stage.log)
        finally:
            _end(process)


def _address(process: subprocess.Popen[str], log: Path) -> str:
    """Wait for the line that names the address."""
    lines: Queue[str | None] = Queue()
    # INVARIANT: the process was started with a pipe.
    assert process.stdout is not None
    threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=START_LIMIT_S)
        except Empty:
            line = None
        if line is None:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise GatewayError("engine_unavailable", f"the gateway did not start\n{tail}", f"its log is {log}")
        if READY in line:
            return line.split(READY, 1)[1].strip()


def _forward(stream: IO[str], lines: "Queue[str | None]") -> None:
    """Read the child's output to its end, so that it never blocks on a full pipe."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    """End the child: first asked, then made to."""
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
