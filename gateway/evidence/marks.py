"""The high-water mark: what the log's key has signed last, kept beside the store, so that an older store is noticed."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError
from gateway.evidence import files

FILE_NAME = "log.mark"


@dataclass(frozen=True, slots=True)
class Mark:
    """A head that was signed: the log's size, its root (hex), and the epoch of the store then."""

    size: int
    root: str
    epoch: int

    def beyond(self, other: "Mark") -> bool:
        """Tell whether this head is the further one."""
        return (self.epoch, self.size) > (other.epoch, other.size)


def check(mark: Mark | None, size: int, root_at: Callable[[int], bytes], epoch: int) -> None:
    """Refuse a store that is not what the mark has seen, or that grew from it.

    A store of a later epoch was restored by its operator's decision, which is a leaf of its log: it goes on from its
    own head. Raises GatewayError `store_rolled_back`.
    """
    if mark is None or epoch > mark.epoch:
        return
    hint = "Put back the newest store; docs/evidence.md says how a backup is restored without regaining budget."
    if epoch < mark.epoch or size < mark.size:
        detail = f"The log has {size:,} leaves in epoch {epoch}; {mark.size:,} in epoch {mark.epoch} were signed."
        raise GatewayError("store_rolled_back", detail, hint)
    if root_at(mark.size).hex() != mark.root:
        detail = f"The first {mark.size:,} leaves of the log are others than those that were signed."
        raise GatewayError("store_rolled_back", detail, hint)


class MarkFile:
    """The mark of a state folder. Safe beside other threads; another process may only set it further back by a race."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        self._kept: Mark | None = None

    def read(self) -> Mark | None:
        """Return the mark, or None where nothing was signed yet. Raises `store_rolled_back` for a file that is none."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return Mark(int(content["size"]), str(content["root"]), int(content["epoch"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            detail = f"The file {FILE_NAME} cannot be read, so that an older store would not be noticed."
            hint = "Put back the file. Remove it only where the store is known to be the newest."
            raise GatewayError("store_rolled_back", detail, hint) from None

    def keep(self, mark: Mark) -> None:
        """Make a mark durable, unless a further one is there: before the checkpoint leaves."""
        with self._lock:
            if self._kept is not None and not mark.beyond(self._kept):
                return
            found = self.read()
            if found is None or mark.beyond(found):
                files.write(self._path, json.dumps({"size": mark.size, "root": mark.root, "epoch": mark.epoch}) + "\n")
                found = mark
            self._kept = found
