"""The state's folder and its secrets are their owner's alone: made so, tightened where they are ours, else refused."""

import contextlib
import logging
import os
import secrets
import stat
from pathlib import Path

from gateway.errors import GatewayError

log = logging.getLogger("gateway")

OTHERS = stat.S_IRWXG | stat.S_IRWXO
STORE_NAME, KEYS_NAME = "gateway.sqlite3", "keys"


def own_folder(folder: Path) -> None:
    """Make a state's folder, or see to it that only its owner may enter it.

    One that is empty or a gateway's already is tightened. Raises GatewayError `settings_invalid` with the command that
    mends it for any other that is open to others: it may hold what is not ours to shut. So it does for a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        detail = f"{folder} cannot be the state's folder: {error.strerror}."
        raise GatewayError("settings_invalid", detail, "Name a folder, or one that is not there yet.") from None
    if not folder.stat().st_mode & OTHERS:
        return
    names = {path.name for path in folder.iterdir()}
    if names and not names & {STORE_NAME, KEYS_NAME}:
        raise _open_to_others(folder, "700")
    _tighten(folder, 0o700)


def own_file(path: Path) -> None:
    """See to it that only its owner may read a secret. Raises GatewayError `settings_invalid` where that fails."""
    if path.stat().st_mode & OTHERS:
        _tighten(path, 0o600)


def keep_first(path: Path, content: str) -> str:
    """Write a secret that is not there yet, whole and durable; return what is there: the first one stays.

    Whoever reads it beside its writer sees all of it or none: it gets its name once it is on disk.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    own_file(path)
    return path.read_text(encoding="ascii").strip()


def _tighten(path: Path, mode: int) -> None:
    try:
        path.chmod(mode)
    except OSError:
        raise _open_to_others(path, f"{mode:o}") from None
    log.warning("%s was open to others on this machine, and is its owner's alone now", path)


def _open_to_others(path: Path, mode: str) -> GatewayError:
    detail = f"{path} is open to others on this machine; a gateway's state holds keys and answers."
    return GatewayError("settings_invalid", detail, f"Run `chmod {mode} {path}` as its owner, or name a new folder.")
