"""Answers whose pages are being read, held for a while so that each page is not cut out of the whole anew."""

from collections import OrderedDict
from dataclasses import dataclass

from gateway.web.trino.pages import Results

MOST = 32
MOST_BYTES = 16 * 1024 * 1024
"""As the protocol writes the rows; in memory they are several times as large."""

HELD_S = 300.0
"""No longer than that: policies say how long answers are kept, and the store alone knows."""

Key = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class _Held:
    results: Results
    until_s: float


class Holding:
    """The latest results by (buyer, query, with intervals). What is not held is cut from the store again."""

    def __init__(self) -> None:
        self._held: OrderedDict[Key, _Held] = OrderedDict()

    def get(self, key: Key, now_s: float) -> Results | None:
        """Return what is held under a key."""
        self._expire(now_s)
        found = self._held.get(key)
        return found.results if found is not None else None

    def put(self, key: Key, results: Results, now_s: float) -> None:
        """Hold results, and let go of the oldest beyond MOST or MOST_BYTES. A single page is not held."""
        self._expire(now_s)
        if results.count == 1:
            return
        self._held.pop(key, None)
        self._held[key] = _Held(results, now_s + HELD_S)
        while len(self._held) > MOST or (len(self._held) > 1 and self._size > MOST_BYTES):
            self._held.popitem(last=False)

    def drop(self, key: Key) -> None:
        """Let go of results whose last page was read."""
        self._held.pop(key, None)

    def _expire(self, now_s: float) -> None:
        """Let go of what is too old: the order is that of time."""
        while self._held and next(iter(self._held.values())).until_s <= now_s:
            self._held.popitem(last=False)

    @property
    def _size(self) -> int:
        return sum(held.results.size for held in self._held.values())
