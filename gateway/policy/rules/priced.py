"""A grant that names a price plan is asked under that plan, or not at all."""

from dataclasses import dataclass

from gateway.policy.model import Ask, Refusal


@dataclass(frozen=True, slots=True)
class NamedPrice:
    def check(self, ask: Ask) -> Refusal | None:
        """Refuse `grant_not_valid` where the policy that is served has the grant's plan no longer.

        A policy file is checked for that; a grant of the store outlives the version that it was given under.
        """
        assert ask.grant is not None  # INVARIANT: decide.py passes a grant
        plan = ask.grant.price_plan
        if plan is None or ask.mode == "sandbox" or ask.dataset.plan_of(ask.grant) is not None:
            return None
        detail = f"The policy that is served has no price plan '{plan}', which the grant names."
        hint = "Ask the provider for a grant under a plan that there is."
        return Refusal("grant_not_valid", detail, hint, None, "price")
