"""The process that workers are forked from: it has imported their code, and done nothing with it. Linux only.

Started by gateway.workers.forking as `python -m gateway.workers.forkserver MODULE...`. Never here: a handler, data,
a buyer's text, a thread, or a random draw - what is forked would share it, and two workers would draw the same noise.

Its standard input is a socket of messages. `fork` comes with two sockets, the channel and the standard error of a new
worker; it answers `failed`, or `started PID` with a descriptor of the process and when that ends `ended PID STATUS`.
It ends when the socket closes, and its workers with it.
"""

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from gateway.workers import child


def main() -> None:
    """Import the modules named, then fork until the standard input closes."""
    assert sys.platform == "linux"  # INVARIANT: elsewhere libraries start threads as they please
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    for name in sys.argv[1:]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what is imported stays as it is, and shared: no collection in a worker writes to it
    with selectors.EpollSelector() as waiting:
        waiting.register(control, selectors.EVENT_READ)
        try:
            while _step(control, waiting):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # the gateway was killed
        for key in tuple(waiting.get_map().values()):
            if key.fileobj is not control:
                signal.pidfd_send_signal(key.fd, signal.SIGKILL)
                os.waitpid(key.data, 0)
    os._exit(0)  # libraries have words of their own for the end of an interpreter, which no log should hold


def _step(control: socket.socket, waiting: selectors.EpollSelector) -> bool:
    """Do what is asked and report what has ended; False when the gateway has closed its end."""
    assert sys.platform == "linux"
    for key, _ in waiting.select():
        if key.fileobj is control:
            message, handed, _, _ = socket.recv_fds(control, 16, 2)
            if not message:
                return False
            _start(control, waiting, handed)
        else:
            _, status = os.waitpid(key.data, 0)
            waiting.unregister(key.fd)
            os.close(key.fd)
            control.send(f"ended {key.data} {os.waitstatus_to_exitcode(status)}".encode())
    return True


def _start(control: socket.socket, waiting: selectors.EpollSelector, handed: list[int]) -> None:
    assert sys.platform == "linux"
    try:
        pid = _fork(handed, (waiting.fileno(), *(key.fd for key in waiting.get_map().values())))
    except OSError:  # no more processes or memory now: one worker less, and the others go on
        control.send(b"failed")
        return
    finally:
        for number in handed:
            os.close(number)  # else the gateway would wait for the last words of a worker that is gone
    process = os.pidfd_open(pid)
    waiting.register(process, selectors.EVENT_READ, pid)
    socket.send_fds(control, [f"started {pid}".encode()], [process])


def _fork(handed: list[int], ours: Iterable[int]) -> int:
    # INVARIANT: one thread. A lock that another thread holds would be held in the worker for ever.
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    pid = os.fork()
    if pid == 0:
        _become_worker(handed, ours)
    return pid


def _become_worker(handed: list[int], ours: Iterable[int]) -> NoReturn:
    """Serve calls on the sockets that were handed over, and keep nothing of the process this was forked from."""
    status = 1
    try:
        os.setsid()
        channel, errors = handed
        for number, standard in ((channel, 0), (channel, 1), (errors, 2)):
            os.dup2(number, standard)
        for number in {*handed, *ours}:
            os.close(number)
        child.main()
        status = 0
    except BaseException:  # noqa: BLE001 - a fork must never run on into its parent's code
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
