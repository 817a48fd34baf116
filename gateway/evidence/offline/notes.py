"""Signed notes and checkpoints as C2SP has them (signed-note, tlog-checkpoint, tlog-cosignature v1).

A checkpoint here has exactly three lines (origin, size, root) and up to 32 signature lines. Lines of keys that the
verifier does not know are told apart, never trusted.
"""

import base64
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.evidence.offline.failure import NotVerified, unbase64, unhex
from gateway.evidence.offline.tree import HASH_BYTES

MAX_NOTE_CHARS = 65_536
MAX_SIGNATURES = 32
_DASH = "\u2014"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to hash and sign a log: the type bytes name its signatures in notes; sizes are in bytes."""

    log_type: int
    witness_type: int
    public_bytes: int


SHA256_ED25519 = "sha256-ed25519"
ALGORITHMS = {SHA256_ED25519: Algorithm(log_type=0x01, witness_type=0x04, public_bytes=32)}
"""What this verifier knows. SM3 with SM2 would be a further row, with tree hashes and signatures of its own."""


def algorithm(name: object) -> Algorithm:
    """Return the algorithm of a name. Raises NotVerified, naming one that is not known."""
    found = ALGORITHMS.get(name) if isinstance(name, str) else None
    if found is None:
        raise NotVerified(f"the algorithm {name!r} is not known here (known: {', '.join(sorted(ALGORITHMS))})")
    return found


LOG_TYPE = ALGORITHMS[SHA256_ED25519].log_type
WITNESS_TYPE = ALGORITHMS[SHA256_ED25519].witness_type


def is_key_name(name: str) -> bool:
    """Tell whether a note can be signed under a name: not empty, no white space, no plus sign, all of it printable."""
    return bool(name) and "+" not in name and all(c.isprintable() and unicodedata.category(c)[0] != "Z" for c in name)


@dataclass(frozen=True, slots=True)
class Key:
    """A public key with the name that it signs under: of a log (type 1) or of a witness (type 4)."""

    name: str
    type: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that name this key in a signature line."""
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public).digest()[:4]

    def vkey(self) -> str:
        """Return the key as one word: name, id in hex, and type and key in base64."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.type]) + self.public).decode()}"


def read_key(text: str, origin: str, type_: int = LOG_TYPE) -> Key:
    """Return the key of a word as `vkey` writes it, or of 64 hex digits: then of a log, under `origin`.

    Raises NotVerified, also for a key of another type than `type_`.
    """
    if "+" not in text:
        return Key(origin, type_, unhex(text, ALGORITHMS[SHA256_ED25519].public_bytes, "the key"))
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    content = unbase64(encoded, "the key")
    key = Key(name, content[0], content[1:])
    if key.type != type_ or len(key.public) != ALGORITHMS[SHA256_ED25519].public_bytes:
        raise NotVerified(f"the key of {name} has another type than {type_}")
    if key.id.hex() != key_id or not is_key_name(name):
        raise NotVerified(f"the key of {name} does not agree with its id")
    return key


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One line under a note: who signed, the key's four bytes, and the signature (a witness's begins with its time)."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head of a log as it was signed; `body` is what the signatures are over."""

    origin: str
    size: int
    root: bytes
    body: str
    lines: tuple[SignatureLine, ...]


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's statement: it saw this head, consistent with all before it, at this POSIX time."""

    name: str
    time_s: int


def parse(note: str) -> Checkpoint:
    """Return a checkpoint whose signatures nobody has looked at yet. Raises NotVerified where it is not well formed."""
    plain = all(letter == "\n" or letter >= " " for letter in note)
    body, separator, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if len(note) > MAX_NOTE_CHARS or not plain or not separator or len(lines) < 2 or lines.pop() != "":
        raise NotVerified("the checkpoint is not a signed note")
    if len(lines) > MAX_SIGNATURES:
        raise NotVerified("the checkpoint has more signatures than are read")
    parts = body.split("\n")
    if len(parts) != 3:
        raise NotVerified("the checkpoint has other lines than origin, size and root")
    origin, size, root = parts
    if not origin or not (size.isascii() and size.isdigit() and len(size) < 19 and str(int(size)) == size):
        raise NotVerified("the checkpoint's origin or size is not well formed")
    value = unbase64(root, "the checkpoint's root")
    if len(value) != HASH_BYTES:
        raise NotVerified("the checkpoint's root has another length")
    return Checkpoint(origin, int(size), value, f"{body}\n", tuple(_line(line) for line in lines))


def _line(line: str) -> SignatureLine:
    dash, name, encoded = [*line.split(" "), "", ""][:3]
    if dash != _DASH or not is_key_name(name) or line != f"{_DASH} {name} {encoded}":
        raise NotVerified("a signature line of the checkpoint is not well formed")
    content = unbase64(encoded, "a signature of the checkpoint")
    return SignatureLine(name, content[:4], content[4:])


def parse_line(line: str) -> SignatureLine:
    """Return one signature line, without its line break. Raises NotVerified."""
    return _line(line)


def _holds(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _of(line: SignatureLine, keys: Sequence[Key]) -> list[Key]:
    return [key for key in keys if key.name == line.name and key.id == line.key_id]


def signers(checkpoint: Checkpoint, keys: Sequence[Key]) -> tuple[Key, ...]:
    """Return the log keys, of those known, that signed a checkpoint.

    Raises NotVerified where none did, where a known key's signature does not hold, or where the log is another.
    """
    found: list[Key] = []
    for line in checkpoint.lines:
        for key in _of(line, keys):
            if not _holds(key.public, line.signature, checkpoint.body.encode()):
                raise NotVerified("the checkpoint's signature does not hold")
            if key.name != checkpoint.origin:
                raise NotVerified("the checkpoint is of another log")
            found.append(key)
    if not found:
        raise NotVerified("the checkpoint is signed by another name or key than those known")
    return tuple(found)


def cosignature(checkpoint: Checkpoint, line: SignatureLine, key: Key) -> Cosignature:
    """Return what a witness states under a checkpoint. Raises NotVerified where its signature does not hold."""
    time_s = int.from_bytes(line.signature[:8], "big")
    message = f"cosignature/v1\ntime {time_s}\n{checkpoint.body}".encode()
    if len(line.signature) != 72 or time_s >= 1 << 63 or not _holds(key.public, line.signature[8:], message):
        raise NotVerified(f"the cosignature of {line.name} does not hold")
    return Cosignature(line.name, time_s)


def cosigned(checkpoint: Checkpoint, witnesses: Sequence[Key]) -> tuple[Cosignature, ...]:
    """Return what the known witnesses state, each once. Raises NotVerified where one's signature does not hold."""
    found = {}
    for line in checkpoint.lines:
        for key in _of(line, witnesses):
            found[key] = cosignature(checkpoint, line, key)
    return tuple(found.values())


def strangers(checkpoint: Checkpoint, keys: Sequence[Key]) -> tuple[str, ...]:
    """Return the names of signature lines by none of the keys."""
    return tuple(line.name for line in checkpoint.lines if not _of(line, keys))
