"""Who is signed in: the caller's own token, sealed in a cookie that the console's addresses alone are sent.

Nothing is kept here: every request identifies the token anew, so that one that is taken back or over ends its session.
"""

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from urllib.parse import urlsplit

from aiohttp import web
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import GatewayError
from gateway.ledger.sealing import Sealer
from gateway.ports import Randomness
from gateway.request import Caller
from gateway.web.service import Service

COOKIE = "gateway_session"
PATH = "/console"
CSRF = "csrf"
MAX_TOKEN_BYTES = 2_800
"""A cookie of more than 4,096 bytes is not kept by browsers; sealing adds a third."""

_SEALED_FOR = "console session"
_LEAST_BYTES = 12 + 16  # nonce and tag of AES-GCM


@dataclass(frozen=True, slots=True)
class Session:
    """One request's caller, and what its forms must carry."""

    caller: Caller
    csrf: str


class Sessions:
    """Seals tokens into cookies and opens them, with keys that are derived from a secret of the state folder."""

    def __init__(self, secret: bytes, randomness: Randomness) -> None:
        self._sealer = Sealer(_derived(secret, b"seal"), randomness)
        self._forms = _derived(secret, b"forms")

    def nonce(self) -> str:
        """Return a fresh name for a form, in hex."""
        return self._sealer.salt().hex()

    async def begin(self, token: str, service: Service, request: web.Request) -> tuple[Session, web.Response]:
        """Return the session of a token, and an answer without a body that sets its cookie.

        Raises GatewayError `unauthenticated`, `too_large`.
        """
        if len(token.encode()) > MAX_TOKEN_BYTES:
            hint = "Ask its issuer for one with fewer claims, or use the API."
            raise GatewayError("too_large", f"The token has more than {MAX_TOKEN_BYTES:,} bytes.", hint)
        caller = await service.identify(token)
        value = base64.urlsafe_b64encode(self._sealer.seal(_SEALED_FOR, token)).decode().rstrip("=")
        response = web.Response(status=303)
        response.set_cookie(
            COOKIE, value, path=PATH, httponly=True, samesite="Strict", secure=is_secure(request),
            expires=format_datetime(_expiry(token), usegmt=True),
        )  # fmt: skip
        return Session(caller, self._csrf(value)), response

    async def of(self, request: web.Request, service: Service) -> Session:
        """Return the session of a request. Raises GatewayError `unauthenticated`."""
        value = request.cookies.get(COOKIE, "")
        caller = await service.identify(self._open(value))
        return Session(caller, self._csrf(value))

    def _open(self, value: str) -> str:
        try:
            sealed = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
            if len(sealed) < _LEAST_BYTES:
                raise signed_out()
            return self._sealer.open(_SEALED_FOR, sealed)
        except (binascii.Error, ValueError, GatewayError):
            raise signed_out() from None

    def _csrf(self, value: str) -> str:
        return hmac.new(self._forms, value.encode(), sha256).hexdigest()


def end(response: web.StreamResponse, request: web.Request) -> None:
    """Delete the session's cookie."""
    response.del_cookie(COOKIE, path=PATH, httponly=True, samesite="Strict", secure=is_secure(request))


def signed_out() -> GatewayError:
    """Return the refusal of a request without a session."""
    return GatewayError("unauthenticated", "Nobody is signed in.", "Sign in with your token.")


def is_secure(request: web.Request) -> bool:
    """Tell whether the browser reached us, or the proxy before us, over https."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "").casefold() == "https"


def refuse_other_sites(request: web.Request) -> None:
    """Raise GatewayError `forbidden` unless the browser says that our own page sent this."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        ours = site == "same-origin"
    else:
        ours = origin is not None and urlsplit(origin).netloc == request.host
    if not ours:
        raise GatewayError(
            "forbidden", "The form was not sent by a page of this console.", "Open the page and try again."
        )


def refuse_forged(session: Session, sent: str) -> None:
    """Raise GatewayError `forbidden` unless a form carries what its session was given."""
    if not hmac.compare_digest(session.csrf.encode(), sent.encode()):
        raise GatewayError(
            "forbidden", "The form is not of this session.", "Load the page again and send it once more."
        )


def _expiry(token: str) -> datetime:
    """Return when a token, which has been checked, ends."""
    part = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return datetime.fromtimestamp(int(claims["exp"]), tz=UTC)


def _derived(secret: bytes, use: bytes) -> bytes:
    """Return a key of its own for a use (HKDF, RFC 5869): what one seals is no help against another."""
    return HKDF(SHA256(), 32, salt=None, info=b"controlled-query-gateway console " + use).derive(secret)
