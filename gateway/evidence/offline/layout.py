"""Where C2SP tlog-tiles keeps what: paths of tiles and entry bundles, and the bytes of a bundle."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.evidence.offline.failure import NotVerified

WIDTH = 256
"""Hashes in a full tile, entries in a full bundle."""
LEVEL_BITS = 8
MAX_ENTRY_BYTES = 65_535
_PATH = re.compile(r"(entries|0|[1-5]?[0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
MAX_GROUPS = 6
"""Groups of three digits in an index: 10^18 tiles are enough, and fit the store's integers."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One resource: hashes of a level, or the entries of leaves (`level` None). `width` is 256 where it is full."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def start(self) -> int:
        """The position of its first hash or entry."""
        return self.index * WIDTH

    @property
    def end(self) -> int:
        """The position after its last one."""
        return self.start + self.width

    def path(self) -> str:
        """Return the path under `tile/`."""
        digits = str(self.index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
        level = "entries" if self.level is None else str(self.level)
        return f"{level}/{name}" + ("" if self.width == WIDTH else f".p/{self.width}")


def read_path(path: str) -> Tile | None:
    """Return the tile of a path under `tile/`, or None where it is written in any other than its one form."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    level, groups, width = found.groups()
    if groups.count("/") >= MAX_GROUPS:
        return None
    index = int(groups.replace("x", "").replace("/", ""))
    tile = Tile(None if level == "entries" else int(level), index, int(width or WIDTH))
    return tile if tile.path() == path else None


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield every tile and bundle that a log of `size` leaves has: the full ones, and one partial a level."""
    for level in (None, *range(64)):
        count = size >> (LEVEL_BITS * (level or 0))
        if count == 0:
            return
        for index in range(count // WIDTH):
            yield Tile(level, index)
        if count % WIDTH:
            yield Tile(level, count // WIDTH, count % WIDTH)


def pack(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of an entry bundle: each entry after its length in two bytes. Raises NotVerified."""
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise NotVerified(f"an entry is longer than {MAX_ENTRY_BYTES:,} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack(content: bytes, count: int) -> list[bytes]:
    """Return the entries of a bundle. Raises NotVerified where they are not exactly `count`."""
    found: list[bytes] = []
    at = 0
    while at < len(content) and len(found) <= count:
        length = int.from_bytes(content[at : at + 2], "big")
        if at + 2 + length > len(content):
            raise NotVerified("an entry bundle is cut short")
        found.append(content[at + 2 : at + 2 + length])
        at += 2 + length
    if len(found) != count:
        raise NotVerified("an entry bundle holds another number of entries")
    return found
