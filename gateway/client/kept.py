"""What a client keeps of a gateway's log: the keys that it trusts, and the largest checkpoint that it was shown."""

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from gateway.client.errors import GatewayError
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.notes import parse


@dataclass(frozen=True, slots=True)
class Seen:
    """Keys as hex digits or words, the first trusted one first; the checkpoint is None before the first receipt."""

    keys: tuple[str, ...] = ()
    checkpoint: str | None = None

    @property
    def size(self) -> int:
        """The leaves of the checkpoint; 0 without one."""
        return 0 if self.checkpoint is None else parse(self.checkpoint).size


class Kept:
    """Remembers what was seen of one gateway's log, in memory and, where `path` is given, in a file.

    Without keys to begin with, the key of the first receipt is trusted. A key that a trusted one led to is trusted too.
    """

    def __init__(self, keys: Sequence[str] = (), path: Path | None = None) -> None:
        self._given = tuple(keys)
        self._path = path
        self._lock = threading.Lock()
        self._seen = Seen()

    def seen(self) -> Seen:
        """Return what is known now. Raises GatewayError where the file holds something else."""
        with self._lock:
            return self._read()

    def learn(self, seen: Seen, keys: Sequence[str], checkpoint: str) -> bool:
        """Keep a checkpoint that was verified against what was `seen`, and the keys that signed it.

        False, and nothing is kept, where something else was kept since then: against that it was not verified.
        """
        with self._lock:
            before = self._read()
            alike = _same(before.checkpoint, checkpoint) and not set(keys).isdisjoint(before.keys)
            if before != seen and not alike:
                return False
            larger = parse(checkpoint).size > before.size
            after = Seen(tuple(dict.fromkeys((*before.keys, *keys))), checkpoint if larger else before.checkpoint)
            if after != before:
                self._seen = after
                self._write(after)
            return True

    def _read(self) -> Seen:
        found = self._seen
        if self._path is not None and self._path.exists():
            found = _parsed(self._path)
        return Seen(tuple(dict.fromkeys((*self._given, *found.keys))), found.checkpoint)

    def _write(self, seen: Seen) -> None:
        if self._path is None:
            return
        beside = self._path.with_name(f"{self._path.name}.{token_hex(4)}")
        content = json.dumps({"keys": seen.keys, "checkpoint": seen.checkpoint}, indent=2, ensure_ascii=False)
        try:
            beside.write_text(content + "\n", encoding="utf-8")
            os.replace(beside, self._path)  # noqa: PTH105 - whole for whoever reads it
        except OSError as error:
            beside.unlink(missing_ok=True)
            detail = f"The checkpoint cannot be kept in {self._path.name}: {error.strerror}."
            raise GatewayError("settings_invalid", detail, "Name a file in a folder that can be written.") from None


def _same(one: str | None, other: str) -> bool:
    """Tell whether two checkpoints are of one head; their signature lines may differ."""
    return one is not None and parse(one).body == parse(other).body


def _parsed(path: Path) -> Seen:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        keys, checkpoint = content["keys"], content["checkpoint"]
        if set(content) == {"keys", "checkpoint"} and all(isinstance(key, str) for key in keys):
            parse(checkpoint)
            return Seen(tuple(keys), checkpoint)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, NotVerified):
        pass
    hint = "Name the file that an earlier client wrote, or one that is not there yet."
    raise GatewayError("settings_invalid", f"{path.name} holds no keys and checkpoint of a log.", hint)
