"""What a model's SQL is refused for, by name and at its place; what a buyer's text cannot do to it."""

import pytest
from support.fitted_models import for_models
from support.shop import SHOP

from gateway.errors import GatewayError, Position
from gateway.models.asked import Kind, Model
from gateway.models.composing import compose

SHOP_ = for_models(SHOP)


def refused(source, features=("quantity",), target=None, kind=Kind.COVARIANCE):
    with pytest.raises(GatewayError) as found:
        compose(Model(kind, source, tuple(features), target), SHOP_)
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
