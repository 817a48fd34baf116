"""Starts a gateway's process: as an operator types it, or forked from one that has loaded its code and done nothing.

A fork is served by the same `gateway serve` in a process of its own; it only spares the seconds of the imports, which a
hundred tests would else spend. Python's own fork server does it, one for each process of pytest. The process that a
gateway forks its workers from is forked as well, before the gateway does anything; a second one is started as ever.
"""

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from unittest import mock

import typer.main

from gateway.workers.starting import ENVIRONMENT

READ_EARLY = ("JE_ARROW_MALLOC_CONF", "MALLOC_ARENA_MAX", "OPENBLAS_NUM_THREADS")
"""What libraries read as they are loaded: else some start threads, and a process with threads is not forked."""


@functools.cache
def context() -> ForkServerContext:
    """Return what forks a process that has loaded the code of a gateway."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["support.loaded"])
    found = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    with mock.patch.dict(os.environ, {name: ENVIRONMENT[name] for name in READ_EARLY} | {"PYTHONPATH": found}):
        forkserver.ensure_running()
    return made


Standard = Mapping[int, Connection]
"""By number, what a process has as its standard input, output and error: any descriptor, as a Connection of it."""

_one_at_a_time = threading.Lock()


def _run(arguments: Sequence[str], environment: Mapping[str, str], folder: str, standard: Standard) -> None:
    from gateway import __main__ as entry
    from support import loaded
    from support.forked_workers import offer

    typer.main.get_command = lambda _: loaded.COMMAND
    sys.modules["__main__"] = entry  # as where it is typed: a library may look whose program it is in
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, given in standard.items():
        os.dup2(given.fileno(), number)
        given.close()
    if arguments[0] == "serve":
        offer()
    sys.argv = ["gateway", *arguments]
    entry.main()


def forked(arguments: Sequence[str], environment: Mapping[str, str], folder: str, standard: Standard) -> BaseProcess:
    """Start a command in a fork; return its process."""
    return begun(_run, arguments, dict(environment), folder, standard)


def begun(target: Callable[..., None], *arguments: object) -> BaseProcess:
    """Start a function in a fork; return its process."""
    process = context().Process(target=target, args=arguments)
    with _one_at_a_time:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")  # pytest's own is not loaded again
        try:
            process.start()
        finally:
            sys.modules["__main__"] = main
    return process


class Forked:
    """A forked process, with as much of a Popen as gateways ask of one."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        folder: Path | str | None = None,
        given: Path | str = os.devnull,
    ) -> None:
        said, says = context().Pipe(duplex=False)
        with (
            says,
            Connection(os.open(given, os.O_RDONLY)) as reads,
            Connection(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)) as errors,
        ):
            standard = {0: reads, 1: says, 2: errors}
            self._process = forked(arguments, environment, str(folder or os.getcwd()), standard)
        self.stdout = os.fdopen(os.dup(said.fileno()), encoding="utf-8")
        said.close()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise TimeoutError(f"a gateway has not ended in {timeout} s")
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def ended(
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | str | None = None,
    given: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a command in a fork to its end, in a working folder and with what it is given to read.

    Returns what became of it, as `subprocess.run` does. Raises TimeoutError.
    """
    with tempfile.TemporaryDirectory() as kept:
        errors, reads = Path(kept) / "errors", Path(kept) / "given"
        reads.write_text(given)
        process = Forked(arguments, os.environ if environment is None else environment, errors, folder, reads)
        with process.stdout as said, ThreadPoolExecutor(1) as reading:
            output = reading.submit(said.read)
            try:
                code = process.wait(120)
            finally:
                process.send_signal(signal.SIGKILL)
        return subprocess.CompletedProcess(arguments, code, output.result(), errors.read_text())


def typed(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[str]:
    """Start the same as an operator types it."""
    command = [sys.executable, "-m", "gateway", *arguments]
    with log.open("a") as errors:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
