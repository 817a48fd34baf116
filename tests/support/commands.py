"""`gateway` for a shell of a test, without a Python's start for each command: what is typed is run by a fork."""

import contextlib
import itertools
import json
import os
import signal
import socket
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from support import asked
from support.starting import forked

_numbers = itertools.count()


@contextlib.contextmanager
def offered(folder: Path):
    """Write a `gateway` into a folder that runs in forks; whatever still runs at the end is killed."""
    name = f"gateway-of-{os.getpid()}-{next(_numbers)}"
    text = Path(asked.__file__).read_text()
    assert text.count(asked.NAME) == 1
    command = folder / "gateway"
    command.write_text(f"#!{sys.executable} -IS\n" + text.replace(asked.NAME, name))
    command.chmod(0o755)
    running = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind("\0" + name)
        door.listen()
        threading.Thread(target=_serve, args=(door, running), daemon=True).start()
        try:
            yield
        finally:
            door.shutdown(socket.SHUT_RDWR)
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    if process.exitcode is None:
                        os.kill(process.pid, signal.SIGKILL)


def _serve(door, running):
    with contextlib.suppress(OSError):  # the end of it
        while True:
            asking, _ = door.accept()
            threading.Thread(target=_run, args=(asking, running), daemon=True).start()


def _run(asking, running):
    with asking, asking.makefile("rb") as words:
        length, standard, _, _ = socket.recv_fds(asking, 4, 3)
        arguments, environment, folder = json.loads(words.read(int.from_bytes(length, "big")))
        given = {number: Connection(descriptor) for number, descriptor in enumerate(standard)}
        process = forked(arguments, environment, folder, given)
        running.append(process)
        for one in given.values():
            one.close()
        asking.sendall(f"{process.pid}\n".encode())
        process.join()
        with contextlib.suppress(BrokenPipeError):
            asking.sendall(f"{process.exitcode}\n".encode())
