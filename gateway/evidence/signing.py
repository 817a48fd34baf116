"""Signs notes: lines of the log under its checkpoints, lines of witnesses, and a key's word for the one after it."""

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.evidence.offline.notes import LOG_TYPE, WITNESS_TYPE, Key


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def body(origin: str, size: int, root: bytes) -> str:
    """Return the text of a checkpoint, which all of its signatures are over."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def line(key: Key, signature: bytes) -> str:
    """Return a signature line without its line break."""
    return f"\u2014 {key.name} {base64.b64encode(key.id + signature).decode()}"


def sign(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """Return the line of a log's key under a checkpoint."""
    return line(Key(name, LOG_TYPE, public_bytes(key)), key.sign(text.encode()))


def cosign(text: str, name: str, key: Ed25519PrivateKey, time_s: int) -> str:
    """Return the line of a witness under a checkpoint (C2SP tlog-cosignature v1); `time_s` is a POSIX time."""
    signature = key.sign(f"cosignature/v1\ntime {time_s}\n{text}".encode())
    return line(Key(name, WITNESS_TYPE, public_bytes(key)), time_s.to_bytes(8, "big") + signature)


def note(text: str, lines: list[str]) -> str:
    """Return a signed note of a checkpoint's text and its signature lines."""
    return f"{text}\n" + "".join(f"{one}\n" for one in lines)
