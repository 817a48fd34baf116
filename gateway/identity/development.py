"""The embedded development key: lets a fresh gateway issue and check its own tokens, where no issuer is set."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import jwt

from gateway.ports import Randomness
from gateway.store.folder import KEYS_NAME, own_file, own_folder

ISSUER = "embedded"


def open_secret(state: Path, name: str, randomness: Randomness) -> str:
    """Return a secret of a state folder in hex, made on first use and readable by its owner alone."""
    path = state / KEYS_NAME / name
    own_folder(state)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        own_file(path)
        return path.read_text().strip()
    secret = randomness.token_bytes(32).hex()
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    return secret


@dataclass(frozen=True, slots=True)
class DevelopmentKey:
    """An HS256 secret in state/keys/development.key; `kid` is made from it."""

    secret: str

    @classmethod
    def open(cls, state: Path, randomness: Randomness) -> "DevelopmentKey":
        """Return the key of a state folder, making it on first use."""
        return cls(open_secret(state, "development.key", randomness))

    @property
    def kid(self) -> str:
        return sha256(b"kid" + self.secret.encode()).hexdigest()[:16]

    def issue(
        self,
        subject: str,
        organisation: str,
        roles: Sequence[str],
        purpose: str | None,
        jurisdiction: str | None,
        ttl_s: int,
        now: datetime,
        audience: str = "controlled-query-gateway",
    ) -> str:
        """Return a signed token for a subject of an organisation."""
        at = int(now.timestamp())
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": audience,
            "sub": subject,
            "org": organisation,
            "roles": list(roles),
            "iat": at,
            "exp": at + ttl_s,
        }
        if purpose is not None:
            claims["purpose"] = purpose
        if jurisdiction is not None:
            claims["jurisdiction"] = jurisdiction
        return jwt.encode(claims, self.secret, algorithm="HS256", headers={"kid": self.kid})
