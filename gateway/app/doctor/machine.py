"""The machine and its settings: keys, folders, memory, the front door. Nothing is opened that a gateway holds."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gateway.app.doctor.finding import Finding, bad, good, warning
from gateway.settings import MIN_SECRET_BYTES, Settings
from gateway.store.folder import KEYS_NAME, OTHERS

_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
_FEW_SIGNS = 10
"""A secret of 32 bytes with fewer different signs is a word or a pattern, not a key."""


def keys(settings: Settings) -> Iterator[Finding]:
    """Look at the state folder and the secrets in it."""
    folder = settings.state
    try:
        files = [folder, *sorted((folder / KEYS_NAME).iterdir())]
    except OSError:
        fix = "Name the gateway's own folder with --state; `gateway serve` makes a new one."
        yield bad("state folder", f"{folder} holds no gateway's state", fix)
        return
    opened = [path for path in files if path.stat().st_mode & OTHERS]
    if opened:
        shown = ", ".join(str(path) for path in opened)
        yield bad("state folder", f"open to others on this machine: {shown}", f"chmod go-rwx {shown}")
    else:
        yield good("state folder", "its owner's alone")
    weak = [path.name for path in files[1:] if _weak(path.read_text(encoding="ascii", errors="replace").strip())]
    if weak:
        fix = "Restore the files that the gateway made; a log's key is replaced by `gateway evidence rotate-key`."
        yield bad("key strength", f"no random key of 32 bytes: {', '.join(weak)}", fix)
    else:
        yield good("key strength", "every key is 32 random bytes")


def _weak(text: str) -> bool:
    return len(text.encode()) < MIN_SECRET_BYTES or len(Counter(text)) < _FEW_SIGNS


def tokens(settings: Settings) -> Iterator[Finding]:
    """Look at who issues tokens."""
    if settings.issuer is None:
        fix = "Set GATEWAY_ISSUER and GATEWAY_JWKS_URL to your issuer before strangers may ask."
        yield warning("token issuer", "the embedded key signs tokens: whoever reads the state folder is anybody", fix)
    elif settings.jwks_url is not None and settings.jwks_url.startswith("http://"):
        yield bad("token issuer", "its keys come over http: whoever is in between is anybody", "Use https.")
    elif settings.hs256_secret is not None and _weak(settings.hs256_secret):
        fix = "Make one with `openssl rand -hex 32`."
        yield bad("token issuer", "the shared secret is a word or a pattern, not a random key", fix)
    else:
        yield good("token issuer", settings.issuer)


def front_door(settings: Settings) -> Iterator[Finding]:
    """Look at the addresses that are listened on."""
    if settings.host not in _LOCAL:
        fix = "Let a reverse proxy end TLS and nothing else reach this port (docker/nginx/nginx.conf is one)."
        yield warning("front door", f"tokens and answers cross {settings.host}:{settings.port} without TLS", fix)
    else:
        yield good("front door", "listens on this machine alone")
    if settings.metrics_port is not None and settings.metrics_host not in _LOCAL:
        fix = "Keep that port inside your own network: engine times tell of the data."
        yield warning("figures", f"served without a token on {settings.metrics_host}:{settings.metrics_port}", fix)


def memory(settings: Settings) -> Iterator[Finding]:
    """Compare what engines may take with what the machine has, in mebibytes."""
    had = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    asked = settings.engine_memory_mb * settings.engines
    if asked > had * 3 // 4:
        fix = f"Lower GATEWAY_ENGINE_MEMORY_MB or GATEWAY_ENGINES: together at most {had * 3 // 4} MB."
        yield warning("memory", f"engines may take {asked} MB of the machine's {had} MB", fix)
    else:
        yield good("memory", f"engines may take {asked} MB of {had} MB")


def root(settings: Settings) -> Iterator[Finding]:
    """Look at who runs this."""
    del settings
    if os.geteuid() == 0:
        fix = "Run the gateway as a user of its own without rights (docker/Dockerfile does)."
        yield warning("user", "this is root: no file is safe from a mistake", fix)
    else:
        yield good("user", "not root")


def witnesses(settings: Settings) -> Iterator[Finding]:
    """Look whether somebody else holds the log to its word."""
    if settings.witnesses:
        yield good("witness", "checkpoints are co-signed")
    else:
        fix = "Have billing or the supervisor run `gateway witness`, and name its key in GATEWAY_WITNESSES."
        yield warning("witness", "nobody co-signs the log: its operator could rewrite it unseen", fix)


def data_file(path: Path, name: str) -> Iterator[Finding]:
    """Look at a DuckDB file and the folder that it is renamed into."""
    check = f"data of {name}"
    if not path.exists():
        yield bad(check, f"{path} is not there", "Put the data file in its place, then: gateway dataset refresh.")
        return
    mode = path.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield bad(check, f"{path} may be written by others", f"chmod go-w {path}")
    elif os.geteuid() != 0 and os.access(path, os.W_OK):
        fix = f"Give the file to its provider and let the gateway read it: chown provider {path}; chmod 444 {path}."
        yield warning(check, f"the gateway's own user may write {path}; it never does", fix)
    elif Path(f"{path}.wal").exists():
        fix = "Close the writer after CHECKPOINT, or publish a finished copy by renaming it into place."
        yield bad(check, "a writer has not finished with it", fix)
    else:
        yield good(check, "there, and read alone")
