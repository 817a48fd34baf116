"""What a grant's mode lets its holder do, and the names of modes that are reserved."""

from dataclasses import dataclass

from gateway.catalog.model import Grant
from gateway.policy.model import Ask, Refusal

COVERS = {
    "authorised": ("authorised", "sandbox"),
    "modelling": ("modelling", "sandbox"),
    "open": ("authorised", "sandbox"),
    "sandbox": ("sandbox",),
}
"""What may be asked under a grant of each mode, by the request's own. `open` covers public tables alone (OpenRows)."""

SERVED = frozenset(COVERS)

RESERVED = {
    "federated": "Nothing is computed across gateways yet: ask each for its own aggregates, under mode 'authorised'.",
    "encrypted": "Nothing is computed on encrypted rows: the provider's own engine computes, under mode 'authorised'.",
}
"""Names that are kept for later, and what to use instead."""

_WANTED = {
    "authorised": "a query needs a grant in mode 'authorised'",
    "modelling": "a model needs a grant in mode 'modelling'",
    "sandbox": "synthetic rows need a grant in any mode that is served",
}


def preferred(grant: Grant) -> int:
    """Return a grant's place among those that are tried: one that covers less comes later."""
    return int(grant.mode == "open")


def unserved(mode: str) -> Refusal | None:
    """Return the refusal `mode_not_served` of a mode that is reserved, None for one that is served."""
    if mode in SERVED:
        return None
    hint = RESERVED.get(mode, "Ask for a grant in mode 'authorised'.")
    return Refusal("mode_not_served", f"The mode '{mode}' is reserved and not served.", hint, None, "mode")


@dataclass(frozen=True, slots=True)
class ServedMode:
    def check(self, ask: Ask) -> Refusal | None:
        """Refuse `mode_not_served` for a reserved mode, `mode_not_granted` for what the grant's mode does not cover."""
        assert ask.grant is not None  # INVARIANT: decide.py passes a grant
        mode = ask.grant.mode
        refused = unserved(mode)
        if refused is not None or ask.mode in COVERS[mode]:
            return refused
        detail = f"The grant is in mode '{mode}'; {_WANTED[ask.mode]}."
        return Refusal("mode_not_granted", detail, "Ask the provider for such a grant.", None, "mode")


@dataclass(frozen=True, slots=True)
class OpenRows:
    def check(self, ask: Ask) -> Refusal | None:
        """Refuse `mode_not_granted` where a question under mode `open` reads a private table at all."""
        assert ask.grant is not None  # INVARIANT: decide.py passes a grant
        if ask.grant.mode != "open" or ask.mode == "sandbox" or not ask.private:
            return None
        detail = f"The grant is in mode 'open' and covers public tables alone; '{ask.private[0]}' is private."
        hint = "Leave the table out, or ask the provider for a grant in mode 'authorised'."
        return Refusal("mode_not_granted", detail, hint, None, "mode")
