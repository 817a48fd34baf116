"""The log's signing keys: Ed25519, made once, readable by their owner alone; the earlier one while it still signs."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.errors import GatewayError
from gateway.evidence import files
from gateway.evidence.signing import public_bytes
from gateway.store.folder import KEYS_NAME, keep_first, own_file, own_folder

__all__ = ["KeyRing", "LogKeys", "open_key", "public_bytes"]

CURRENT, PREVIOUS, NEXT = "log.key", "log.previous.key", "log.next.key"


def open_key(folder: Path, name: str = CURRENT) -> Ed25519PrivateKey:
    """Return a key of a state folder, making it on first use."""
    path = folder / KEYS_NAME / name
    own_folder(folder)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    if not path.exists():
        made = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        keep_first(path, made.hex())
        files.sync_folder(path.parent)
    own_file(path)
    return _read(path)


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text(encoding="ascii").strip()))
    except (OSError, ValueError):
        detail = f"{path.name} is no key of a log."
        raise GatewayError("settings_invalid", detail, "Put back the file that the gateway made.") from None


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The key of the log, and the one before it while checkpoints carry both signatures."""

    current: Ed25519PrivateKey
    previous: Ed25519PrivateKey | None

    @property
    def public(self) -> bytes:
        return public_bytes(self.current)


class KeyRing:
    """The keys of a state folder. A rotation by another process is seen at the next signature."""

    def __init__(self, folder: Path) -> None:
        open_key(folder)
        self._folder = folder
        self._stamp: tuple[object, ...] = ()
        self._keys: LogKeys | None = None

    def path(self, name: str) -> Path:
        return self._folder / KEYS_NAME / name

    def _stamped(self) -> tuple[object, ...]:
        found: list[object] = []
        for name in (CURRENT, PREVIOUS):
            try:
                seen = self.path(name).stat()
            except FileNotFoundError:
                found.append(None)
            else:
                found.append((seen.st_ino, seen.st_mtime_ns))
        return tuple(found)

    def keys(self) -> LogKeys:
        """Return the keys as they are now. Raises GatewayError `settings_invalid` for a file that is no key."""
        stamp = self._stamped()
        if self._keys is None or stamp != self._stamp:
            previous = _read(self.path(PREVIOUS)) if stamp[1] is not None else None
            self._keys, self._stamp = LogKeys(_read(self.path(CURRENT)), previous), stamp
        return self._keys

    def upcoming(self, *, make: bool = False) -> Ed25519PrivateKey | None:
        """Return the key that a rotation has begun with; with `make`, begin one."""
        return open_key(self._folder, NEXT) if make or self.path(NEXT).exists() else None

    def turn(self) -> None:
        """Put the upcoming key in the place of the current one, which becomes the previous one.

        Each step is durable and can be done again, so that a rotation that was cut off is finished by another process;
        one process at a time does them.
        """
        with files.alone(self.path(CURRENT).parent):
            if not self.path(NEXT).exists():
                return
            files.write(self.path(PREVIOUS), self.path(CURRENT).read_text(encoding="ascii"))
            self.path(NEXT).replace(self.path(CURRENT))
            files.sync_folder(self.path(CURRENT).parent)

    def retire(self) -> bool:
        """Stop signing with the previous key; False where there is none. The key is gone for good."""
        if not self.path(PREVIOUS).exists():
            return False
        self.path(PREVIOUS).unlink()
        files.sync_folder(self.path(PREVIOUS).parent)
        return True
