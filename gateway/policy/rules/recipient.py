"""Where the recipient sits is said once, and said at all where data that cross a border are counted."""

from dataclasses import dataclass

from gateway.policy.model import Ask, Refusal


@dataclass(frozen=True, slots=True)
class RecipientPlace:
    def check(self, ask: Ask) -> Refusal | None:
        """Refuse `jurisdiction_not_granted` where token and grant differ, or neither says what has to be counted."""
        assert ask.grant is not None  # INVARIANT: decide.py passes a grant
        named, held = ask.grant.recipient_jurisdiction, ask.caller.jurisdiction
        if named is not None and held is not None and named != held:
            detail = f"The grant's recipient is in '{named}'; the token states '{held}'."
            hint = "Ask with a token of that jurisdiction, or for another grant."
            return Refusal("jurisdiction_not_granted", detail, hint, None, "recipient")
        if ask.dataset.compliance.cross_border is not None and named is None and held is None:
            detail = "It is not said where the recipient is, and the dataset counts what crosses a border."
            hint = "Ask with a token that states its jurisdiction."
            return Refusal("jurisdiction_not_granted", detail, hint, None, "recipient")
        return None
