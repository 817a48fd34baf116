"""No query spends more epsilon at once than the policy says."""

from dataclasses import dataclass

from gateway.policy.model import Ask, Refusal


@dataclass(frozen=True, slots=True)
class LargestEpsilon:
    def check(self, ask: Ask) -> Refusal | None:
        """Refuse `epsilon_too_large` above the policy's maximum."""
        largest = ask.dataset.privacy.max_epsilon
        if ask.epsilon <= largest:
            return None
        detail = f"The query asks for epsilon {ask.epsilon:f}; the policy allows {largest:f} at once."
        return Refusal("epsilon_too_large", detail, f"Ask with epsilon {largest:f} or less.", None, "epsilon")
