"""The mark of a data file: what tells, without opening it, that it is the one that was declared."""

import os
from pathlib import Path


def mark(status: os.stat_result) -> str:
    """Return a file's inode, modification time and size."""
    return f"{status.st_ino}:{status.st_mtime_ns}:{status.st_size}"


def is_marked(path: str, stamp: str) -> bool:
    """Return whether a file has this mark now. A folder's stamp is another kind of text, and no file's mark."""
    try:
        return mark(Path(path).stat()) == stamp
    except OSError:
        return False


def is_overwritten(path: str, stamp: str) -> bool:
    """Return whether the file of this mark has another one now; what was renamed into its place is another file."""
    try:
        status = Path(path).stat()
    except OSError:
        return False
    return stamp.startswith(f"{status.st_ino}:") and mark(status) != stamp
