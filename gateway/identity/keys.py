"""Where trusted keys come from: one secret, or a JWKS read from a file or an address. Keys by exact kid alone."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt

from gateway.errors import GatewayError

ASYMMETRIC = ("RS256", "ES256", "EdDSA")
_TYPES = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
_MAX_JWKS_BYTES = 1024 * 1024
MIN_RSA_BITS = 2048
REFRESH_S = 5.0
MAX_AGE_S = 300.0
"""Keys that were read longer ago are read again, so that a withdrawn one is not trusted for ever."""


def parse_jwks(text: str) -> dict[tuple[str, str], Any]:
    """Return verification keys by (kid, algorithm); entries that are not fully understood are left out.

    Raises ValueError where the text is no JWKS.
    """
    document = json.loads(text)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("no keys")  # noqa: TRY004 - one error for whatever is not a JWKS
    found: dict[tuple[str, str], Any] = {}
    for entry in entries:
        usable = _usable(entry)
        if usable is not None:
            found[entry["kid"], usable[0]] = usable[1]
    return found


def _usable(entry: Any) -> tuple[str, Any] | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
        return None
    operations = entry.get("key_ops")
    if operations is not None and "verify" not in operations:
        return None
    kind = (entry.get("kty"), entry.get("crv"))
    algorithm = next((a for a, wanted in _TYPES.items() if wanted == kind), None)
    if algorithm is None or entry.get("alg", algorithm) != algorithm or "d" in entry:
        return None
    try:
        key = jwt.PyJWK(entry, algorithm).key
    except jwt.PyJWTError:
        return None
    too_short = algorithm == "RS256" and getattr(key, "key_size", 0) < MIN_RSA_BITS
    return None if too_short else (algorithm, key)


class KeySource:
    """The keys of an outside issuer, kept while the source cannot be read, and read again for an unknown kid."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read
        self._keys: Mapping[tuple[str, str], Any] = {}
        self._read_at = -REFRESH_S
        self._fresh_at = time.monotonic()
        self._lock = asyncio.Lock()

    async def key(self, kid: str, algorithm: str) -> Any:
        """Return the key of exactly this kid and algorithm. Raises GatewayError `unauthenticated`."""
        if (kid, algorithm) not in self._keys or time.monotonic() - self._fresh_at > MAX_AGE_S:
            async with self._lock:
                await self._refresh(kid, algorithm)
        key = self._keys.get((kid, algorithm))
        if key is None:
            raise unauthenticated()
        return key

    async def _refresh(self, kid: str, algorithm: str) -> None:
        now = time.monotonic()
        fresh = (kid, algorithm) in self._keys and now - self._fresh_at <= MAX_AGE_S
        if fresh or now - self._read_at < REFRESH_S:
            return
        self._read_at = time.monotonic()
        try:
            text = await asyncio.to_thread(self._read)
            self._keys, self._fresh_at = parse_jwks(text), time.monotonic()
        except (OSError, ValueError):
            return  # the keys that are known stay; the caller sees an unknown key


def from_file(path: Path) -> KeySource:
    return KeySource(lambda: path.read_text(encoding="utf-8"))


def from_url(url: str) -> KeySource:
    def read() -> str:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - settings allow http(s) alone
            text: bytes = response.read(_MAX_JWKS_BYTES)
        return text.decode()

    return KeySource(read)


def unauthenticated() -> GatewayError:
    """Return the one error of every token that is not accepted."""
    hint = "Send `Authorization: Bearer <token>` with a valid, unexpired token for this gateway."
    return GatewayError("unauthenticated", "The token is missing or not valid.", hint)
