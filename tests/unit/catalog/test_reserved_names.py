"""The organisation that drills freeze: a policy may grant for it, and names it nowhere else."""

import pytest
from support.gateways import POLICY

from gateway.catalog.load import PolicyErrors, parse

WORDS = "the organisation `drill` is reserved for the drills of a freeze"
PRICED = POLICY.replace("prices:\n", "prices:\n  shared: {currency: CNY, income_split: {acme: 0.5, %s: 0.5}}\n")


@pytest.mark.parametrize(("text", "path"), [
    (POLICY.replace("organisation: acme", "organisation: drill"), "provider.organisation"),
    (POLICY.replace("reviewed_by: reviewer", "reviewed_by: ' Drill'"), "compliance.reviewed_by"),
    (POLICY.replace("privacy:\n", "privacy:\n  account: drill\n"), "privacy.account"),
    (PRICED % "DRILL", "prices.shared.income_split.DRILL"),
])  # fmt: skip
def test_it_owns_reviews_and_earns_nothing(text, path):
    assert text != POLICY
    with pytest.raises(PolicyErrors) as refused:
        parse(text, "shop.yaml")
    (problem,) = refused.value.problems
    assert (problem.path, problem.message) == (path, WORDS)
    assert text.splitlines()[problem.line - 1].casefold().count("drill") == 1


def test_it_may_be_granted_what_drills_ask_and_others_may_be_named_like_it():
    granted = POLICY.replace("grants:\n", "grants:\n  - {to: {organisation: drill}, purposes: [research]}\n")
    assert parse(granted, "shop.yaml").grants[0].to.organisation == "drill"
    assert parse(PRICED % "drills", "shop.yaml").prices["shared"].income_split.keys() == {"acme", "drills"}
