"""What a process has used so far, as the kernel tells its parent: nothing of it is asked of the process itself."""

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time and bytes from disk since the process began, and the memory that it holds."""

    cpu_ms: float
    read_bytes: int
    memory_bytes: int


def usage(pid: int) -> Usage | None:
    """Return what a process has used; None where it is gone, or the system has no /proc."""
    here = _PROC / str(pid)
    try:
        fields = (here / "stat").read_text().rpartition(")")[2].split()  # what is before is a name, of any letters
        pages = (here / "statm").read_text().split()[1]
        read = next(line for line in (here / "io").read_text().splitlines() if line.startswith("read_bytes:"))
    except (OSError, StopIteration):
        return None
    ticks = int(fields[11]) + int(fields[12])  # utime and stime, fields 14 and 15 of proc(5)
    return Usage(
        1000 * ticks / os.sysconf("SC_CLK_TCK"),
        int(read.partition(":")[2]),
        int(pages) * os.sysconf("SC_PAGE_SIZE"),
    )
