"""Meter events as JSON lines in a folder: each event once, files by day and size, durable before they are confirmed.

The folder holds its own cursor, renamed into place after the lines are on disk. A start after a crash cuts what lies
beyond it and writes the same bytes again, so that whoever reads along never sees another line.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gateway.metering.delivery import Delivered, Entry

MAX_BYTES = 64 * 1024 * 1024
CURSOR = "cursor.json"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the folder stands: the store's epoch, the last event's sequence number, its file (day, number), length."""

    epoch: int
    sequence: int
    day: str
    number: int
    size: int

    @property
    def file(self) -> str:
        return f"meter-{self.day}-{self.number:04}.jsonl"


class FileSink:
    """Appends events to files of one UTC day and at most so many bytes each (a longer line has one for itself)."""

    name = "files"

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._place = Place(1, 0, "", 0, 0)

    async def start(self, confirmed: int, epoch: int) -> int:
        """Cut what a crash left beyond the cursor; without a cursor of this epoch, go on after what was confirmed."""
        self._place = await asyncio.to_thread(self._open, confirmed, epoch)
        return self._place.sequence

    def _open(self, confirmed: int, epoch: int) -> Place:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        cursor = self._folder / CURSOR
        place = Place(**json.loads(cursor.read_text())) if cursor.exists() else None
        if place is None or place.epoch != epoch:
            # what stands there is of a cursor that was taken away, or of before a restore: it stays as it is
            last = max(map(_number, self._folder.glob("meter-*.jsonl")), default=0)
            return Place(epoch, confirmed, "", last, 0)
        for beyond in self._folder.glob("meter-*.jsonl"):
            if _number(beyond) > place.number:
                beyond.unlink()
        path = self._folder / place.file
        if not path.exists() or path.stat().st_size < place.size:
            return replace(place, day="", size=0)  # it was taken away: the next event begins another file
        with path.open("r+b") as file:
            file.truncate(place.size)
            os.fsync(file.fileno())
        return place

    async def deliver(self, batch: Sequence[Entry]) -> Delivered:
        """Append a batch; it is on disk, and the cursor beyond it, when this returns."""
        writing = asyncio.ensure_future(asyncio.to_thread(self._append, batch))
        try:
            self._place = await asyncio.shield(writing)
        except asyncio.CancelledError:
            await writing  # a thread cannot be stopped: nobody else may write before it is done
            raise
        return Delivered(self._place.sequence)

    def _append(self, batch: Sequence[Entry]) -> Place:
        place, parts = self._place, dict[str, list[bytes]]()
        for entry in batch:
            line = entry.line.encode() + b"\n"
            # clocks of replicas differ: the day never goes back
            day = max(json.loads(entry.line)["time"][:10], place.day)
            if day != place.day or place.size + len(line) > self._max_bytes:
                place = replace(place, day=day, number=place.number + 1, size=0)
            parts.setdefault(place.file, []).append(line)
            place = replace(place, sequence=entry.sequence, size=place.size + len(line))
        for name, lines in parts.items():
            with (self._folder / name).open("ab") as file:
                file.write(b"".join(lines))
                file.flush()
                os.fsync(file.fileno())
        self._sync()
        self._keep(place)
        return place

    def _keep(self, place: Place) -> None:
        """Rename the cursor into place, durably."""
        draft = self._folder / f".{CURSOR}"
        content = asdict(place)
        with draft.open("w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / CURSOR)
        self._sync()

    def _sync(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _number(path: Path) -> int:
    """Return the number in a file's name; 0 of a name that is not ours."""
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdigit() else 0
