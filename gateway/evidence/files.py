"""Small files that must be whole whenever they are read: written beside, made durable, then put in place."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from gateway.errors import GatewayError


@contextlib.contextmanager
def writing(path: Path, hint: str = "Name a file in a folder that can be written.") -> Iterator[None]:
    """Turn what the system says of a place into an error of ours. Raises GatewayError `settings_invalid`."""
    try:
        yield
    except OSError as error:
        detail = f"{path.name or path} cannot be written: {error.strerror}."
        raise GatewayError("settings_invalid", detail, hint) from None


def write(path: Path, content: str, mode: int = 0o600) -> None:
    """Put a file in place, durably; what was there before stays whole until then."""
    with writing(path.parent, "Name a folder, or one that is not there yet."):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for the same out of a folder while the block runs."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which lets the lock go


def sync_folder(folder: Path) -> None:
    """Make a folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, for its owner alone. Raises GatewayError `settings_invalid`."""
    with writing(path, "Name a file that is not there yet."):
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(content)


def make_folder(path: Path) -> None:
    """Make a folder for files, or take one that is there. Raises GatewayError `settings_invalid`, also for a file."""
    with writing(path, "Name a folder, or one that is not there yet."):
        path.mkdir(parents=True, exist_ok=True)
