"""A dataset is asked only while its review holds, by someone other than its owner."""

from dataclasses import dataclass

from gateway.policy.model import Ask, Refusal


@dataclass(frozen=True, slots=True)
class ComplianceReview:
    def check(self, ask: Ask) -> Refusal | None:
        """Refuse `compliance_expired` without a reviewer, with the owner as reviewer, or after the last valid day."""
        review, hint = ask.dataset.compliance, "The provider has to have the dataset reviewed again."
        if review.reviewed_by is None:
            return Refusal("compliance_expired", "The dataset is not reviewed.", hint, None, "compliance")
        if review.by_owner or review.reviewed_by == ask.dataset.provider:
            return Refusal("compliance_expired", "The dataset is reviewed by its owner.", hint, None, "compliance")
        if review.valid_until is not None and ask.today > review.valid_until:
            detail = f"The review was valid until {review.valid_until.isoformat()}."
            return Refusal("compliance_expired", detail, hint, None, "compliance")
        return None
