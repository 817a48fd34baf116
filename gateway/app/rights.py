"""What a role alone lets its holder do: everybody else is told which role it takes."""

from gateway.errors import GatewayError
from gateway.request import Caller


def only(caller: Caller, role: str, detail: str) -> None:
    """Let pass who has a role. Raises `forbidden`."""
    if role not in caller.roles:
        raise GatewayError("forbidden", detail, f"Ask with a token whose roles include {role}.")
