"""The releasing process: noise for one measurement, or the post-processing of one answer. It keeps nothing between."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from gateway.engines.post import FinishedRows, PostProcessor
from gateway.privacy.measurement import NoisyTable
from gateway.privacy.release import release

_NOISY = TypeAdapter(NoisyTable)
_FINISHED = TypeAdapter(FinishedRows)


class FinishingHandler:
    """Handles `release(measurement, arrow bytes, stored)` and `finish(tables, measurements, finish, seed, limit)`."""

    def __init__(self) -> None:
        self._post = PostProcessor()

    def handle(self, method: str, argument: Any) -> tuple[dict[str, Any], bytes]:
        """Return an empty header and the result as JSON."""
        match method:
            case "release":
                measurement, ipc, stored = argument
                table = pa.ipc.open_stream(ipc).read_all()
                return {}, _NOISY.dump_json(release(measurement, table, stored))
            case "finish":
                # INVARIANT: noisy tables only; no method takes both exact and noisy rows
                tables, measurements, finish, seed, row_limit = argument
                return {}, _FINISHED.dump_json(self._post.finish(tables, measurements, finish, seed, row_limit))
            case _:
                raise ValueError(method)


def make(config: Mapping[str, Any]) -> FinishingHandler:
    """Return the handler."""
    del config
    return FinishingHandler()
