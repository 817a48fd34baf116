"""The process that a gateway of a test forks its workers from: a fork itself, of what has loaded their code already.

It is forked before the gateway does anything, so that it has no thread, no data and no random draw of the gateway's, and
waits for the gateway to want it. From then on it runs `gateway.workers.forkserver` as a fresh interpreter does.
"""

import os
import signal
import socket
import sys
import time

from gateway.workers import forking, forkserver
from gateway.workers.starting import ENVIRONMENT


class Child:
    """A process of this one's own, with as much of a Popen as forking asks of one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        os.waitpid(self.pid, 0)


def offer() -> None:
    """Fork a process that waits, and have this one's first fork server be that."""
    wants, wanted = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        wants.close()
        _wait(wanted)
    wanted.close()
    fresh = forking.begun

    def begun(control, modules):
        forking.begun = fresh
        with wants:
            socket.send_fds(wants, ["\n".join(modules).encode()], [control.fileno()])
        return Child(pid)

    forking.begun = begun


def _wait(wanted: socket.socket) -> None:
    """Become a fork server when that is wanted; end when the gateway has ended without."""
    try:
        message, handed, _, _ = socket.recv_fds(wanted, 4096, 1)
        if not handed:
            os._exit(0)
        os.dup2(handed[0], 0)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.setsid()
        os.chdir("/")
        os.environ.clear()
        os.environ.update(ENVIRONMENT)
        time.tzset()
        sys.argv = ["forkserver", *message.decode().split()]
        forkserver.main()
    finally:
        os._exit(1)
