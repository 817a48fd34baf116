"""Bearer tokens: one text, or what a function gives, asked anew where the gateway no longer takes the last one."""

from gateway.client.errors import Unauthenticated
from gateway.client.wire import check_word

STALE = 401
"""The status that a token which is out of date is answered with."""


def checked(token: object) -> str:
    """Return a token that a header can hold. Raises GatewayError, which never shows it."""
    if not isinstance(token, str):
        raise Unauthenticated("unauthenticated", "The function that gives tokens gave no text.", "Return the JWT.")
    return check_word("token", token)
