"""How parent and child write to each other: length-prefixed frames, and strict JSON headers from the child.

Nothing here starts a process or waits. Never here: pickle read by the parent - what comes out of a child is
JSON and raw bytes, because a child has touched text or data that the parent does not trust.

A frame is `magic, header length (u32), payload length (u64), header, payload`, all lengths big-endian.
"""

import json
import struct
from typing import Any, BinaryIO

MAGIC = b"CQG1"
PREFIX = struct.Struct(">4sIQ")
MAX_HEADER_BYTES = 16 * 1024 * 1024


class BadFrame(Exception):
    """What came is no frame: the other side is broken and nothing it says is believed."""


def encode(header: bytes, payload: bytes = b"") -> bytes:
    """Return the bytes of one frame."""
    # INVARIANT: no frame is written that the other side would refuse for its header.
    assert len(header) <= MAX_HEADER_BYTES
    return PREFIX.pack(MAGIC, len(header), len(payload)) + header + payload


def lengths(prefix: bytes, max_payload_bytes: int) -> tuple[int, int]:
    """Return the lengths of header and payload that a frame's first bytes announce. Raises BadFrame."""
    magic, header_bytes, payload_bytes = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise BadFrame("the frame does not start with its mark")
    if header_bytes > MAX_HEADER_BYTES or payload_bytes > max_payload_bytes:
        raise BadFrame("the frame is larger than allowed")
    return header_bytes, payload_bytes


def read(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """Return the next frame's header and payload, or None at the end of the stream. Blocks: for the child."""
    prefix = _exactly(stream, PREFIX.size)
    if prefix is None:
        return None
    header_bytes, payload_bytes = lengths(prefix, 1 << 40)
    header = _exactly(stream, header_bytes)
    payload = _exactly(stream, payload_bytes)
    return None if header is None or payload is None else (header, payload)


def _exactly(stream: BinaryIO, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = stream.read(count - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)


def strict_json(text: bytes) -> dict[str, Any]:
    """Return the object that `text` holds. Raises BadFrame for anything but one strict JSON object."""
    try:
        value = json.loads(text.decode(), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadFrame("the header is not strict JSON") from None
    if not isinstance(value, dict):
        raise BadFrame("the header is not a JSON object")
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)
