"""The releasing process: noise for one measurement, post-processing, or a look-up. It keeps nothing between."""

import gc
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from gateway.catalog.listing import LookedUp
from gateway.engines.encoded import encoded
from gateway.engines.plain import plain_rows
from gateway.engines.post import PostProcessor
from gateway.engines.shown import MAX_ROWS
from gateway.privacy.release import release, released_tables, to_stored

_LOOKED_UP = TypeAdapter(LookedUp)


YOUNG_OBJECTS = 500_000
"""How many new objects a call may make before they are collected amid it: rows of a long answer are no garbage."""


class FinishingHandler:
    """Handles `release`, `derive`, `finish` and `look_up`.

    `release(measurement, arrow bytes of each probe, stored)`, `derive(releases, reads, measurements, derived)` and
    `finish(releases, reads, measurements, finish, seed, limit, confidence)`; `reads` are public rows by name, and
    `releases` for each measurement what is stored of it. `look_up(sql, listings)`: tables about tables, and no
    released row.
    """

    def __init__(self) -> None:
        self._post = PostProcessor()

    def rest(self) -> None:
        """Nothing is left over from a call."""

    def handle(self, method: str, argument: Any) -> tuple[dict[str, Any], bytes]:
        """Return a header and the result.

        `release`: what is to be stored of each primitive that was drawn now, and in the header its digest and length,
        in order. `finish`: rows, then intervals, and in the header the length of the rows and the rest of `Encoded`.
        `derive`: an Arrow IPC stream. `look_up`: JSON.
        """
        match method:
            case "release":
                measurement, probes, stored = argument
                exact = tuple(pa.ipc.open_stream(ipc).read_all() for ipc in probes)
                made = to_stored(measurement, release(measurement, exact, stored))
                drawn = {digest: content for digest, content in made.items() if digest not in stored}
                named = [(digest, len(content)) for digest, content in drawn.items()]
                return {"drawn": named}, b"".join(drawn.values())
            case "derive":
                releases, reads, measurements, derived = argument
                return {}, self._post.derive(released_tables(measurements, releases), reads, measurements, derived)
            case "finish":
                # INVARIANT: noisy tables and public rows only; no method takes both exact and noisy rows
                releases, reads, measurements, finish, seed, row_limit, confidence = argument
                tables = released_tables(measurements, releases)
                plain = None if reads else plain_rows(tables, measurements, finish, row_limit, MAX_ROWS)
                finished = plain or self._post.finish(tables, reads, measurements, finish, seed, row_limit)
                out = encoded(finished, finish, tables, confidence)
                facts = {"rows_bytes": len(out.rows), "truncated": out.truncated, "reached": out.reached}
                return facts, out.rows + out.intervals
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
