"""The purpose is stated, once, and is one of those granted."""

from dataclasses import dataclass

from gateway.policy.model import Ask, Refusal, stated_purpose


@dataclass(frozen=True, slots=True)
class GrantedPurpose:
    def check(self, ask: Ask) -> Refusal | None:
        """Refuse `purpose_not_granted` where token and request differ, or the grant does not list the purpose."""
        assert ask.grant is not None  # INVARIANT: decide.py passes a grant
        asked, held = ask.purpose, ask.caller.purpose
        if asked is not None and held is not None and asked != held:
            hint = "Leave the purpose out of the request, or get a token for it."
            detail = "The request states another purpose than the token."
            return Refusal("purpose_not_granted", detail, hint, None, "purpose")
        purpose, granted = stated_purpose(ask), ask.grant.purposes
        if not granted or purpose in granted:
            return None
        detail = "No purpose is stated." if purpose is None else f"The purpose '{purpose}' is not granted."
        hint = f"Granted are: {', '.join(sorted(granted))}."
        return Refusal("purpose_not_granted", detail, hint, None, "purpose")
