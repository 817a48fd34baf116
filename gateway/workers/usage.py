"""What a process has used so far, as the kernel tells its parent: nothing of it is asked of the process itself."""

import os
from dataclasses import dataclass

_LONGEST = 4096
"""Bytes: what is read here is a few hundred."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time and bytes from disk since the process began, and the memory that it holds."""

    cpu_ms: float
    read_bytes: int
    memory_bytes: int


def usage(pid: int) -> Usage | None:
    """Return what a process has used; None where it is gone, or the system has no /proc."""
    try:
        fields = _told(pid, "stat").rpartition(b")")[2].split()  # what is before is a name, of any letters
        pages = _told(pid, "statm").split()[1]
        read = next(line for line in _told(pid, "io").splitlines() if line.startswith(b"read_bytes:"))
    except (OSError, StopIteration):
        return None
    ticks = int(fields[11]) + int(fields[12])  # utime and stime, fields 14 and 15 of proc(5)
    return Usage(
        1000 * ticks / os.sysconf("SC_CLK_TCK"),
        int(read.partition(b":")[2]),
        int(pages) * os.sysconf("SC_PAGE_SIZE"),
    )


def _told(pid: int, name: str) -> bytes:
    """Return a short file of a process, without a reader's buffers: it is read before every statement."""
    descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
    try:
        return os.read(descriptor, _LONGEST)
    finally:
        os.close(descriptor)
