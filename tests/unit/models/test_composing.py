"""What a model's SQL is refused for, by name and at its place; what a buyer's text cannot do to it."""

import pytest
from support.fitted_models import for_models
from support.shop import SHOP

from gateway.errors import GatewayError, Position
from gateway.models.asked import Kind, Model
from gateway.models.composing import compose

SHOP_ = for_models(SHOP)


def refused(source, features=("quantity",), target=None, kind=Kind.COVARIANCE, **more):
    with pytest.raises(GatewayError) as found:
        compose(Model(kind, source, tuple(features), target, **more), SHOP_)
    return found.value


@pytest.mark.parametrize(("source", "code"), [
    ("SELECT quantity FROM purchases) SELECT 1 --", "sql_syntax"),
    ("SELECT quantity FROM purchases; SELECT 1", "sql_not_select"),
    ("DELETE FROM purchases", "sql_not_select"),
    ("SELECT quantity FROM purchases /* open", "sql_syntax"),
    ("SELECT basket AS quantity FROM purchases", "type_mismatch"),
    ("SELECT weight AS quantity FROM purchases", "no_bounds"),
    ("SELECT amount FROM purchases", "unknown_column"),
    ("read_csv('x')", "sql_not_select"),
    ("SELECT NULL AS quantity FROM purchases", "type_mismatch"),
    ("SELECT CAST(NULL AS INTEGER) AS quantity FROM purchases", "no_bounds"),
    ("SELECT 7 AS quantity FROM purchases", "type_mismatch"),
    ("SELECT quantity FROM purchases WHERE quantity = 7", "type_mismatch"),
    ("SELECT quantity FROM purchases WHERE quantity < 0", "type_mismatch"),
])  # fmt: skip
def test_a_source_that_is_not_understood_is_refused(source, code):
    assert refused(source).code == code


def test_the_place_of_a_mistake_is_that_in_the_buyers_text():
    assert refused("SELECT quantity\nFROM nowhere").position == Position(2, 6)
    assert refused("SELECT quantity\nFROM FROM").position.line == 2
    assert refused("purchases", ("nothing",)).position is None


def test_a_comment_at_the_end_ends_nothing():
    sql = compose(Model(Kind.COVARIANCE, "SELECT quantity FROM purchases -- all", ("quantity",)), SHOP_)
    assert "-- all\n)" in sql


def test_names_are_quoted():
    source = 'SELECT quantity AS "a ""b" FROM purchases'
    assert '"a ""b"' in compose(Model(Kind.COVARIANCE, source, ('a "b',)), SHOP_)


def test_a_column_of_one_value_is_refused_by_name_and_is_an_intercept_where_there_is_none():
    source = "SELECT quantity, 2 AS two, 0 AS none FROM purchases"
    for features, target in ((("quantity", "two"), None), (("quantity",), "two"), (("two",), "quantity")):
        kind = Kind.COVARIANCE if target is None else Kind.LINEAR
        found = refused(source, features, target, kind)
        assert found.code == "type_mismatch"
        assert "'two' has one value" in found.detail
        assert found.hint
    assert "'none'" in refused(source, ("none",), "quantity", Kind.LINEAR, intercept=False).detail
    assert "n1" in compose(Model(Kind.LINEAR, source, ("two",), "quantity", intercept=False), SHOP_)


@pytest.mark.parametrize(("target", "said"), [
    ("quantity", "outside 0 and 1"), ("amount", "outside 0 and 1"), ("quantity / 50.0 - 0.1", "outside 0 and 1"),
    ("1", "one value"), ("weight", "is not known"), ("basket", "no number"),
])  # fmt: skip
def test_a_logistic_target_that_is_no_yes_and_no_is_refused(target, said):
    source = f"SELECT score, {target} AS target FROM purchases"
    found = refused(source, ("score",), "target", Kind.LOGISTIC)
    assert found.code == ("no_bounds" if target == "weight" else "type_mismatch")
    assert said in found.detail


@pytest.mark.parametrize(
    "target", ["gift", "quantity > 5", "CASE WHEN quantity > 5 THEN 1 ELSE 0 END", "quantity / 50"]
)
def test_a_logistic_target_within_0_and_1_is_taken(target):
    source = f"SELECT score, {target} AS target FROM purchases"
    assert "sums_1" in compose(Model(Kind.LOGISTIC, source, ("score",), "target", rounds=1), SHOP_)
