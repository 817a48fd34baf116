"""What policy files decide alone, and what two of them may not say of the same people."""

import pytest
from support.policies import ROOT, TEXT

from gateway.app.policies import PolicyFile
from gateway.catalog.alone import check_alone
from gateway.catalog.load import PolicyErrors, policy_version, read
from gateway.catalog.together import check_together
from gateway.errors import GatewayError


def member(text=TEXT):
    document, lines = read(text, "cdnow.yaml")
    return PolicyFile(document, policy_version(document), ROOT / "policies", lines).member()


@pytest.mark.parametrize(
    ("correct", "wrong", "path"),
    [
        ("delta: 1.0e-6", "", "privacy.budget.delta"),
        ("max_epsilon: 0.4", "max_epsilon: 11", "privacy.per_query.max_epsilon"),
        ("price_plan: standard", "price_plan: absent", "price_plan"),
        ("{table: customers,", "{table: absent,", "privacy.unit.table"),
    ],
)
def test_what_a_file_decides_alone_is_checked_without_its_engine(correct, wrong, path):
    check_alone(*read(TEXT, "cdnow.yaml"))
    assert correct in TEXT
    with pytest.raises(PolicyErrors) as caught:
        check_alone(*read(TEXT.replace(correct, wrong, 1).replace("epsilon: 10, }", "epsilon: 10}"), "cdnow.yaml"))
    assert any(problem.path.endswith(path) for problem in caught.value.problems)
    assert caught.value.position is not None


def test_two_policies_over_the_same_people_name_their_account():
    first = member()
    second = member(TEXT.replace("dataset: cdnow", "dataset: again"))
    with pytest.raises(GatewayError) as caught:
        check_together((first, second))
    assert caught.value.code == "policy_invalid"
    shared = [
        member(
            TEXT.replace("dataset: cdnow", f"dataset: {n}").replace(
                "privacy:\n", "privacy:\n  account: acme-people\n", 1
            )
        )
        for n in ("a", "b")
    ]
    check_together(shared)
    other = member(
        TEXT.replace("privacy:\n", "privacy:\n  account: acme-people\n", 1).replace("epsilon: 10,", "epsilon: 9,")
    )
    with pytest.raises(GatewayError):
        check_together((shared[0], other))


def test_two_accounts_over_one_private_table_are_refused():
    first = member(TEXT.replace("privacy:\n", "privacy:\n  account: one\n", 1))
    second = member(
        TEXT.replace("dataset: cdnow", "dataset: again").replace("privacy:\n", "privacy:\n  account: another\n", 1)
    )
    with pytest.raises(GatewayError) as caught:
        check_together((first, second))
    assert "two accounts" in caught.value.detail
