"""Step 2, identify: a token to a caller. Every check of docs/THREATS.md; rights come from grants, never from here."""

import base64
import binascii
import json
import math
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import jwt

from gateway.identity.development import ISSUER, DevelopmentKey
from gateway.identity.keys import ASYMMETRIC, KeySource, unauthenticated
from gateway.ledger.standing import Standing
from gateway.ports import Clock
from gateway.request import Caller

MAX_TOKEN_BYTES = 8192
KEPT_TOKENS = 1024
KEPT_S = 300
_COMPACT = re.compile(r"\A[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}\Z")
ROLES = {"buyer", "provider", "reviewer", "billing", "supervisor", "arbiter"}
_HEADER = {"alg", "kid", "typ"}
_MAX_NAME = 128


Stands = Callable[[str, Caller, datetime], Awaitable[Standing]]
"""Tells how a token of this issuer and caller, issued at this moment, stands."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a token may live, and how far its issuer's clock may be off, in seconds."""

    longest_s: int = 86_400
    skew_s: int = 30


@dataclass(frozen=True, slots=True)
class Identified:
    """Whose a valid token is, under which issuer, and how both stand with the exchange. Never a revoked one."""

    caller: Caller
    issuer: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class _Checked:
    """A token whose signature and claims were found good: with which key, what it says, and until when that is kept.

    Its times are those of its claims, in seconds since 1970.
    """

    header: dict[str, Any]
    key: Any
    caller: Caller
    issued: float
    expires: float
    begins: float | None
    until: float

    @property
    def issued_at(self) -> datetime:
        return datetime.fromtimestamp(self.issued, tz=UTC)


class Tokens:
    """Checks tokens of one trusted issuer: outside keys, one outside secret, or the embedded development key."""

    def __init__(
        self,
        clock: Clock,
        audience: str,
        *,
        development: DevelopmentKey | None,
        issuer: str | None = None,
        keys: KeySource | None = None,
        secret: str | None = None,
        lifetimes: Lifetimes = Lifetimes(),
        stands: Stands | None = None,
    ) -> None:
        # INVARIANT: one issuer, one kind of key
        assert [development is not None, keys is not None, secret is not None].count(True) == 1
        self._clock = clock
        self._audience = audience
        self._kid = None if development is None else development.kid
        named = issuer if development is None else ISSUER
        assert named is not None  # INVARIANT: outside keys come with an outside issuer
        self.issuer = named
        self._keys = keys
        self._secret = secret if development is None else development.secret
        self._lifetimes = lifetimes
        self._stands = stands
        self._checked: OrderedDict[bytes, _Checked] = OrderedDict()

    async def identify(self, token: str) -> Caller:
        """Return the caller of a valid token, whatever its standing. Raises as `examine`."""
        return (await self.examine(token)).caller

    async def examine(self, token: str) -> Identified:
        """Return whose a valid token is. Raises GatewayError `unauthenticated`, always in the same words."""
        if len(token) > MAX_TOKEN_BYTES or not _COMPACT.match(token):
            raise unauthenticated()
        name = sha256(token.encode()).digest()
        checked = await self._known(name) or await self._check(token)
        self._check_times(checked)
        self._keep(name, checked)
        standing = Standing.UNVERIFIED
        if self._stands is not None:
            standing = await self._stands(self.issuer, checked.caller, checked.issued_at)
        if standing is Standing.REVOKED:
            raise unauthenticated()
        return Identified(checked.caller, self.issuer, standing)

    async def _known(self, name: bytes) -> _Checked | None:
        """Return a token that was checked lately with the very key that would check it now.

        What changes under it is asked each time: the key, the time, revocations.
        """
        known = self._checked.get(name)
        if known is None or known.until < self._clock.now().timestamp():
            return None
        _algorithm, key = await self._key(known.header)
        return known if key is known.key else None

    def _keep(self, name: bytes, checked: _Checked) -> None:
        self._checked[name] = checked
        self._checked.move_to_end(name)
        if len(self._checked) > KEPT_TOKENS:
            self._checked.popitem(last=False)

    async def _check(self, token: str) -> _Checked:
        """Check everything of a token that does not change: its form, its signature, its claims."""
        header = _header(token)
        algorithm, key = await self._key(header)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self.issuer,
                options={"require": ["iss", "aud", "sub", "exp", "iat"], "verify_exp": False, "verify_iat": False,
                         "verify_nbf": False, "strict_aud": True},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, TypeError):
            raise unauthenticated() from None
        issued, expires, begins = (_seconds(claims, name) for name in ("iat", "exp", "nbf"))
        if issued is None or expires is None:
            raise unauthenticated()
        until = self._clock.now().timestamp() + KEPT_S
        return _Checked(header, key, _caller(claims), issued, expires, begins, until)

    async def _key(self, header: dict[str, Any]) -> tuple[str, Any]:
        algorithm, kid = header["alg"], header.get("kid")
        if self._keys is not None:
            if algorithm not in ASYMMETRIC or not isinstance(kid, str):
                raise unauthenticated()
            return algorithm, await self._keys.key(kid, algorithm)
        if algorithm != "HS256" or (self._kid is not None and kid != self._kid):
            raise unauthenticated()
        return algorithm, self._secret

    def _check_times(self, checked: _Checked) -> None:
        now, skew_s = self._clock.now().timestamp(), self._lifetimes.skew_s
        issued, expires, begins = checked.issued, checked.expires, checked.begins
        in_time = expires > now - skew_s and issued <= now + skew_s
        short = 0 < expires - issued <= self._lifetimes.longest_s
        if not (in_time and short and (begins is None or begins <= now + skew_s)):
            raise unauthenticated()


def _header(token: str) -> dict[str, Any]:
    """Return a token's header: plain JSON with known members only. jku, x5u, jwk, crit and the like are refused."""
    parts = token.split(".")
    for part in parts:
        padded = part + "=" * (-len(part) % 4)
        try:
            raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        except binascii.Error:
            raise unauthenticated() from None
        if base64.urlsafe_b64encode(raw).decode().rstrip("=") != part:  # stray bits at the end
            raise unauthenticated()
    header = strict_object(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    strict_object(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    typ = header.get("typ", "JWT")
    if header.keys() - _HEADER or not isinstance(header.get("alg"), str) or not isinstance(typ, str):
        raise unauthenticated()
    if typ.upper() not in ("JWT", "AT+JWT"):
        raise unauthenticated()
    return header


def strict_object(raw: bytes) -> dict[str, Any]:
    """Return a JSON object without duplicate members. Raises `unauthenticated`."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("duplicate")
        return found

    try:
        content = json.loads(raw.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise unauthenticated() from None
    if not isinstance(content, dict):
        raise unauthenticated()
    return content


def _seconds(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 1e11:
        raise unauthenticated()
    return float(value)


def _name(claims: dict[str, Any], name: str, *, required: bool) -> str | None:
    value = claims.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME or not value.isprintable():
        raise unauthenticated()
    return value


def _caller(claims: dict[str, Any]) -> Caller:
    subject, organisation = _name(claims, "sub", required=True), _name(claims, "org", required=True)
    roles = claims.get("roles")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise unauthenticated()
    assert subject is not None  # INVARIANT: required above
    assert organisation is not None
    named = {"supervisor" if role == "regulator" else role for role in roles}
    return Caller(
        subject=subject,
        organisation=organisation,
        roles=frozenset(named & ROLES),
        purpose=_name(claims, "purpose", required=False),
        jurisdiction=_name(claims, "jurisdiction", required=False),
        token_id=_name(claims, "jti", required=False),
    )
