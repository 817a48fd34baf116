"""Policies: the worked example is well formed, its version is of its content, and what it does not say has a default."""

import json
from decimal import Decimal as D

import pytest
from support.policies import FOUND, ROOT, TEXT, made

from gateway.catalog.inspection import Inspection, order
from gateway.catalog.load import PolicyErrors, canonical_text, parse, policy_version
from gateway.catalog.model import Accounting, DataClass, Use
from gateway.catalog.scalars import sql_type
from gateway.catalog.types import OTHER, decimal
from gateway.cli.policy import schema_text, warnings


def test_the_worked_example():
    dataset = made()
    purchases = dataset.table("Purchases")
    assert purchases.owner == "customer_id"
    assert purchases.column("purchase_id") is None, "what is not written does not exist"
    assert purchases.column("customer_id").data_class is DataClass.CORE
    amount = purchases.column("amount")
    assert (amount.bounds, amount.granularity, amount.type) == ((D(0), D(500)), D("0.01"), decimal(10, 2))
    assert purchases.column("basket").nullable
    assert dataset.table("calendar").column("month").public_values == ("1997-01", "1997-02")
    assert dataset.table("calendar").column("day").use == frozenset(Use)
    assert dataset.privacy.account == "acme-retail/customers.customer_id"
    assert (dataset.grants[0].rate_count, dataset.grants[0].rate_seconds) == (60, 60)
    assert dataset.privacy.budget.delta == D("1e-6")
    assert order(parse(TEXT, "x")).unique == (("customers", ("customer_id",)), ("calendar", ("day",)))
    assert order(parse(TEXT, "x")).links == (("purchases", "customer_id", "customers", "customer_id"),)
    assert warnings(dataset) == []


def test_a_broken_fact_suspends():
    broken = Inspection(FOUND.stamp, FOUND.tables, FOUND.distinct, ("customers.unique[customer_id]",))
    assert "customers.unique" in made(found=broken).suspended


def test_the_version_is_of_the_content():
    assert policy_version(parse(TEXT, "a")) == policy_version(parse(TEXT + "\n# a comment\n", "b"))
    assert policy_version(parse(TEXT, "a")) != policy_version(parse(TEXT.replace("epsilon: 10,", "epsilon: 9,"), "a"))


@pytest.mark.parametrize("days", [("1998-06-30", "1998-06-29"), ("1997-01-01", "1996-01-01")])
def test_another_day_is_another_version(days):
    assert days[0] in TEXT
    assert policy_version(parse(TEXT, "a")) != policy_version(parse(TEXT.replace(*days), "a"))


FLOOR = TEXT.replace("  purchases:\n", "  purchases:\n    class: important\n").replace("{class: general, ", "{")


def test_columns_that_state_no_class_have_their_tables():
    with pytest.raises(PolicyErrors) as caught:
        made(FLOOR)
    assert {p.path for p in caught.value.problems} == {
        f"tables.purchases.columns.{name}.use" for name in ("purchased_on", "quantity", "basket")
    }
    purchases = made(FLOOR.replace("[group, filter, ", "[filter, ").replace("use: [group]", "use: [filter]")).table(
        "purchases"
    )
    classes = {c.name: c.data_class for c in purchases.columns}
    assert classes == {
        "customer_id": DataClass.CORE, "purchased_on": DataClass.IMPORTANT, "quantity": DataClass.IMPORTANT,
        "basket": DataClass.IMPORTANT, "amount": DataClass.IMPORTANT,
    }  # fmt: skip
    assert made().table("customers").column("cohort").data_class is DataClass.GENERAL


def test_a_key_that_a_policy_does_not_have_leaves_its_version_as_it_was():
    text = json.loads(canonical_text(parse(TEXT, "x")))
    assert "confirm" not in text
    assert all("class" not in entry for entry in text["tables"].values())
    assert policy_version(parse(FLOOR, "x")) != policy_version(parse(FLOOR.replace("    class: important\n", ""), "x"))


def test_pure_accounting_has_no_delta():
    text = TEXT.replace("{epsilon: 10, delta: 1.0e-6}", "{epsilon: 10}").replace(
        "  min_units: 10", "  accounting: pure\n  min_units: 10"
    )
    privacy = made(text).privacy
    assert privacy.accounting is Accounting.PURE
    assert privacy.budget.delta == 0
    assert made().privacy.accounting is Accounting.ZCDP


def test_types_of_the_engine():
    assert sql_type("DECIMAL(18,3)") == decimal(18, 3)
    assert sql_type("HUGEINT") == sql_type("INTEGER[]") == OTHER


def test_the_schema_is_up_to_date():
    assert (ROOT / "policies" / "schema.json").read_text(encoding="utf-8") == schema_text(), (
        "run: gateway policy schema"
    )


def test_every_error_code_is_documented():
    from gateway.errors import CODES

    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")} == set(CODES)


def test_names_have_no_case():
    text = TEXT.replace("customer_id", "CUSTOMER_ID").replace("      amount:", "      Amount:")
    dataset = made(text)
    assert dataset.table("customers").owner == dataset.table("purchases").owner == "customer_id"
    assert dataset.table("purchases").column("amount").bounds == (D(0), D(500))
    assert dataset.table("customers").unique == (("customer_id",),)
