"""Why nobody can ask under a policy, what it is warned of, and budgets that pay for no query."""

from datetime import date

import pytest
from support.policies import FOUND, TEXT, made

from gateway.app.policies import convert_budgets
from gateway.catalog.inspection import Inspection
from gateway.catalog.load import PolicyErrors, read
from gateway.cli.policy import closed, warnings

TODAY = date(2026, 11, 25)
VALID = "valid: [2026-01-01, 2035-12-31]"


@pytest.mark.parametrize(
    ("good", "bad", "word"),
    [
        ("  reviewed_by: reviewer@exchange.example\n", "", "not reviewed"),
        ("reviewer@exchange.example", "Acme-Retail", "owner"),
        ("reviewer@exchange.example", "data@acme.example", "owner"),
        ("valid_until: 2035-12-31", "valid_until: 2026-11-24", "until 2026-11-24"),
        (VALID, "valid: [2026-01-01, 2026-11-24]", "ended"),
        (VALID, "valid: [2026-11-26, 2035-12-31]", "holds today"),
        ("mode: authorised", "mode: federated", "mode"),
        (TEXT[TEXT.index("grants:") : TEXT.index("prices:")], "", "grants nobody"),
    ],
)
def test_a_policy_that_nobody_can_ask_says_so(good, bad, word):
    assert good in TEXT
    assert closed(made(), TODAY) == []
    (reason,) = closed(made(TEXT.replace(good, bad)), TODAY)
    assert word in reason


def test_a_suspended_policy_can_be_asked_by_nobody():
    broken = Inspection(FOUND.stamp, FOUND.tables, FOUND.distinct, ("customers.unique[customer_id]",))
    (reason,) = closed(made(found=broken), TODAY)
    assert "suspended" in reason


def test_a_unit_table_without_its_key_is_warned_of():
    (warning,) = warnings(made(TEXT.replace("    unique: [[customer_id]]\n", "")))
    assert "unique: [[customer_id]]" in warning


def test_a_largest_query_that_no_budget_pays_in_rho_is_refused():
    def converted(text):
        dataset = made(text)
        convert_budgets(dataset.privacy, dataset.grants, read(text, "cdnow.yaml")[1])

    converted(TEXT)
    converted(TEXT.replace("max_epsilon: 0.4", "max_epsilon: 0.592"))
    text = TEXT.replace("max_epsilon: 0.4", "max_epsilon: 0.6")
    with pytest.raises(PolicyErrors) as caught:
        converted(text)
    assert "At most 0.592" in caught.value.detail
    assert "max_epsilon: 0.6" in text.splitlines()[caught.value.problems[0].line - 1]
