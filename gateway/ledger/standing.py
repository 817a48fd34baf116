"""How somebody stands with the exchange: the states of members, what a token's holder is, and both refusals."""

from enum import StrEnum

from gateway.errors import GatewayError


class State(StrEnum):
    """The state of a member. One that was suspended is verified anew."""

    APPLIED = "applied"
    VERIFIED = "verified"
    SUSPENDED = "suspended"


class Standing(StrEnum):
    """What the store says of a token and of whoever holds it."""

    REVOKED = "revoked"
    SUSPENDED = "suspended"
    """The organisation, or this person of it."""
    VERIFIED = "verified"
    """The organisation, and this person under the token's own issuer."""
    UNVERIFIED = "unverified"


def not_a_member() -> GatewayError:
    """Return the refusal of whoever is not verified, where members are required."""
    hint = "Apply with POST /v1/members for your organisation and for yourself; two reviewers verify each."
    return GatewayError("not_a_member", "You or your organisation are no verified member here.", hint)


def suspended_member() -> GatewayError:
    """Return the refusal of a member that a supervisor has suspended."""
    hint = "GET /v1/members says why; two reviewers can verify a suspended member anew."
    return GatewayError("member_suspended", "You or your organisation are suspended.", hint)
