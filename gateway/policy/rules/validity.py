"""A grant holds from its first to its last day, both included, until it is ended."""

from dataclasses import dataclass

from gateway.policy.model import Ask, Refusal


@dataclass(frozen=True, slots=True)
class GrantValidity:
    def check(self, ask: Ask) -> Refusal | None:
        """Refuse `grant_not_valid` before the first or after the last day, or of one that is ended."""
        assert ask.grant is not None  # INVARIANT: decide.py passes a grant
        if ask.grant.ended is not None:
            return Refusal("grant_not_valid", ask.grant.ended, "Ask the provider for a new one.", None, "validity")
        first, last = ask.grant.valid_from, ask.grant.valid_until
        if first is not None and ask.today < first:
            detail = f"The grant begins on {first.isoformat()}."
            return Refusal("grant_not_valid", detail, "Ask again from that day on.", None, "validity")
        if last is not None and ask.today > last:
            detail = f"The grant ended on {last.isoformat()}."
            return Refusal("grant_not_valid", detail, "Ask the provider for a new one.", None, "validity")
        return None
