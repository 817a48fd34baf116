"""An answer's rows as bytes: written once, where they are made, and not read on their way to the buyer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from gateway.catalog.types import TypeKind
from gateway.engines.bars import Bars
from gateway.engines.rendering import as_json
from gateway.engines.shown import FinishedRows
from gateway.privacy.intervals import half_width, score
from gateway.privacy.measurement import Finish, Noise, NoisyTable

_QUOTE, _OPENED, _CLOSED = b'"{}'
_CASE = 0x20
"""The bit that `{` and `}` have beyond `[` and `]`."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Noisy rows after post-processing, as an answer writes them: JSON in UTF-8.

    `rows` is an array of arrays, `intervals` an object with an array of 95 % intervals for each noisy column. `reached`
    are the half-widths at the confidence of an accuracy that was asked for; None where none was.
    """

    rows: bytes
    intervals: bytes
    truncated: bool
    reached: Mapping[str, float | None] | None


def encoded(finished: FinishedRows, finish: Finish, tables: Sequence[NoisyTable], confidence: float | None) -> Encoded:
    """Return finished rows as an answer writes them."""
    wide = None if confidence is None else reached(finish, tables, finished.intervals, confidence)
    return Encoded(as_json(finished.rows), as_json(finished.intervals), finished.truncated, wide)


def is_one(text: bytes) -> bool:
    """Tell whether a JSON array or object that begins with the first byte of a text ends with its last, and not before.

    A document that holds such a text as a member has no other member by it: whoever can read the document at all reads
    it so. What is in the text is not read.
    """
    bare = text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text
    codes = np.frombuffer(bare, np.uint8)
    quoted = (np.cumsum(codes == _QUOTE, dtype=np.uint8) & 1).astype(np.bool_)
    opened = ((codes | _CASE) == _OPENED) & ~quoted
    closed = ((codes | _CASE) == _CLOSED) & ~quoted
    places = np.flatnonzero(opened | closed)
    depth = np.cumsum(np.where(opened[places], 1, -1))
    if len(depth) < 2 or quoted[-1] or places[0] != 0 or places[-1] != len(codes) - 1:
        return False
    return bool(depth[-1] == 0 and depth[:-1].min() > 0)


def reached(
    finish: Finish, tables: Sequence[NoisyTable], intervals: Bars, confidence: float
) -> dict[str, float | None]:
    """Return the half-width that each noisy column reached, at the confidence of the accuracy asked for.

    A count or sum: from the scale of its noise. An average: the widest of its intervals, from 95 % to that confidence
    as the normal distribution has it; None where no cell has an interval.
    """
    noise = {(table.name, column.name): column for table in tables for column in table.columns}
    found: dict[str, float | None] = {}
    for column in finish.columns:
        if not column.noisy:
            continue
        if column.direct is None:
            bars = [bar for bar in intervals[column.name] if bar is not None]
            scaled = score(Noise.GAUSSIAN, confidence) / score(Noise.GAUSSIAN, 0.95)
            found[column.name] = max((_half(bar) * scaled for bar in bars), default=None)
            continue
        source = noise[column.direct.measurement, column.direct.column]
        wide = half_width(source.scale, source.noise, confidence) * abs(float(Fraction(column.direct.factor)))
        found[column.name] = float(math.ceil(wide)) if column.type.kind is TypeKind.INTEGER else wide
    return found


def _half(bar: Sequence[object]) -> float:
    low, high = (float(str(end)) for end in bar)
    return (high - low) / 2
