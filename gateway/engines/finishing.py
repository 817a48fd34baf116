"""The releasing process: noise for one measurement, post-processing, or a look-up. It keeps nothing between."""

import gc
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from gateway.catalog.listing import LookedUp
from gateway.engines.post import PostProcessor
from gateway.engines.shown import FinishedRows
from gateway.privacy.measurement import NoisyTable
from gateway.privacy.release import release

_NOISY = TypeAdapter(NoisyTable)
_FINISHED = TypeAdapter(FinishedRows)
_LOOKED_UP = TypeAdapter(LookedUp)


YOUNG_OBJECTS = 500_000
"""How many new objects a call may make before they are collected amid it: rows of a long answer are no garbage."""


class FinishingHandler:
    """Handles `release`, `derive`, `finish` and `look_up`.

    `release(measurement, arrow bytes of each probe, stored)`, `derive(tables, reads, measurements, derived)` and
    `finish(tables, reads, measurements, finish, seed, limit)`; `reads` are public rows by name.
    `look_up(sql, listings)`: tables about tables, and no released row.
    """

    def __init__(self) -> None:
        self._post = PostProcessor()

    def rest(self) -> None:
        """Nothing is left over from a call."""

    def handle(self, method: str, argument: Any) -> tuple[dict[str, Any], bytes]:
        """Return an empty header and the result: JSON, or of `derive` an Arrow IPC stream."""
        match method:
            case "release":
                measurement, probes, stored = argument
                exact = tuple(pa.ipc.open_stream(ipc).read_all() for ipc in probes)
                return {}, _NOISY.dump_json(release(measurement, exact, stored))
            case "derive":
                tables, reads, measurements, derived = argument
                return {}, self._post.derive(tables, reads, measurements, derived)
            case "finish":
                # INVARIANT: noisy tables and public rows only; no method takes both exact and noisy rows
                tables, reads, measurements, finish, seed, row_limit = argument
                finished = self._post.finish(tables, reads, measurements, finish, seed, row_limit)
                return {}, _FINISHED.dump_json(finished)
            case "look_up":
                sql, listings = argument
                return {}, _LOOKED_UP.dump_json(self._post.look_up(sql, listings))
            case _:
                raise ValueError(method)


def make(config: Mapping[str, Any]) -> FinishingHandler:
    """Return the handler."""
    del config
    gc.set_threshold(YOUNG_OBJECTS)
    return FinishingHandler()
