"""Which modes of use are served: private aggregates under a grant, for now."""

from dataclasses import dataclass

from gateway.policy.model import Ask, Refusal

SERVED = frozenset({"authorised"})


@dataclass(frozen=True, slots=True)
class ServedMode:
    def check(self, ask: Ask) -> Refusal | None:
        """Refuse `mode_not_served` by the mode's name."""
        assert ask.grant is not None  # INVARIANT: decide.py passes a grant
        if ask.grant.mode in SERVED:
            return None
        detail = f"The mode '{ask.grant.mode}' is not served."
        return Refusal("mode_not_served", detail, "Ask for a grant in mode 'authorised'.", None, "mode")
