"""Where the recipient sits is one of the places granted."""

from dataclasses import dataclass

from gateway.policy.model import Ask, Refusal


@dataclass(frozen=True, slots=True)
class GrantedJurisdiction:
    def check(self, ask: Ask) -> Refusal | None:
        """Refuse `jurisdiction_not_granted` where the grant lists places and the token's is none of them."""
        assert ask.grant is not None  # INVARIANT: decide.py passes a grant
        granted, held = ask.grant.jurisdictions, ask.caller.jurisdiction
        if not granted or held in granted:
            return None
        detail = "The token states no jurisdiction." if held is None else f"The jurisdiction '{held}' is not granted."
        hint = f"Granted are: {', '.join(sorted(granted))}."
        return Refusal("jurisdiction_not_granted", detail, hint, None, "jurisdiction")
