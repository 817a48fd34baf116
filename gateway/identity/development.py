"""The embedded development key: lets a fresh gateway issue and check its own tokens, where no issuer is set."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import jwt

from gateway.ports import Randomness
from gateway.request import Caller
from gateway.store.folder import KEYS_NAME, keep_first, own_folder

ISSUER = "embedded"

DEVELOPMENT_KEY = "development.key"


def open_secret(state: Path, name: str, randomness: Randomness) -> str:
    """Return a secret of a state folder in hex, made on first use and readable by its owner alone."""
    path = state / KEYS_NAME / name
    own_folder(state)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    return keep_first(path, randomness.token_bytes(32).hex())


@dataclass(frozen=True, slots=True)
class DevelopmentKey:
    """An HS256 secret in state/keys/development.key; `kid` is made from it."""

    secret: str

    @classmethod
    def open(cls, state: Path, randomness: Randomness) -> "DevelopmentKey":
        """Return the key of a state folder, making it on first use."""
        return cls(open_secret(state, DEVELOPMENT_KEY, randomness))

    @staticmethod
    def made_in(state: Path) -> bool:
        """Tell whether a state folder has its key already."""
        return (state / KEYS_NAME / DEVELOPMENT_KEY).exists()

    @property
    def kid(self) -> str:
        return sha256(b"kid" + self.secret.encode()).hexdigest()[:16]

    def issue(self, caller: Caller, ttl_s: int, now: datetime, audience: str = "controlled-query-gateway") -> str:
        """Return a signed token for a caller; its `token_id` (jti) is what the token can be taken back by."""
        at = int(now.timestamp())
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": audience,
            "sub": caller.subject,
            "org": caller.organisation,
            "roles": sorted(caller.roles),
            "iat": at,
            "exp": at + ttl_s,
        }
        optional = {"jti": caller.token_id, "purpose": caller.purpose, "jurisdiction": caller.jurisdiction}
        claims |= {name: value for name, value in optional.items() if value is not None}
        return jwt.encode(claims, self.secret, algorithm="HS256", headers={"kid": self.kid})
