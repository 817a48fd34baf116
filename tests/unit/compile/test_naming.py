"""How trees are told apart: the numbers of columns do not matter, and everything else does."""

import pytest
from sqlglot import exp, parse_one
from support.constructs import CONSTRUCTS
from support.queries import ANSWERED
from support.shop import SHOP

from gateway.compile.naming import told
from gateway.compile.relations import select
from gateway.compile.rows import rows_inside
from gateway.privacy.bounding import bound
from gateway.privacy.ownership import analyse
from gateway.privacy.relations import Measure
from gateway.sql.parse import parse
from gateway.sql.select import resolve

TREE = 'SELECT c7, SUM(c12_owner) AS v0 FROM (SELECT t."c7" AS c7, t."d" AS c12_owner FROM "t" AS t) AS q GROUP BY c7'


def tree(sql):
    return parse_one(sql, read="duckdb")


def test_the_numbers_of_columns_do_not_matter():
    other = TREE.replace(" c7", " c31").replace("c12_owner", "c4")
    assert other != TREE
    assert told(tree(other)) == told(tree(TREE))


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ('"c7" AS', '"c8" AS'),
        ('"d"', '"e"'),
        ('FROM "t"', 'FROM "u"'),
        ("SUM(", "AVG("),
        ("v0", "v1"),
        ("GROUP BY c7", "GROUP BY c12_owner"),
        ("GROUP BY c7", "GROUP BY c7, 1"),
        ("SELECT c7,", "SELECT DISTINCT c7,"),
        ("SUM(c12_owner)", "SUM(c7)"),
        ("SUM(c12_owner)", "SUM('c12_owner')"),
        ("SUM(c12_owner)", "SUM(CAST(c12_owner AS DECIMAL(18, 2)))"),
    ],
)
def test_everything_else_does(part, other):
    assert part in TREE
    assert told(tree(TREE.replace(part, other, 1))) != told(tree(TREE))


def test_union_is_not_union_all():
    one, other = (exp.Union(this=tree("SELECT 1"), expression=tree("SELECT 1"), distinct=d) for d in (False, True))
    assert told(one) != told(other)


def test_texts_do_not_run_into_each_other():
    """A literal may hold whatever the text is made of."""
    a = exp.Tuple(expressions=[exp.Literal.string("x"), exp.Literal.string("y")])
    b = exp.Tuple(expressions=[exp.Literal.string("x', 'y")])
    assert told(a) != told(b)


@pytest.mark.parametrize("sql", {**ANSWERED, **CONSTRUCTS}.values(), ids={**ANSWERED, **CONSTRUCTS})
def test_rows_are_told_as_they_are_run(sql):
    """Expressions that are held as their text make no other text."""
    steps = analyse(resolve(parse(sql, "duckdb"), SHOP), SHOP).steps
    for bounded in (bound(step, SHOP) for step in steps if isinstance(step, Measure)):
        for part in bounded.parts:
            assert told(rows_inside(bounded, part, told=True)) == told(rows_inside(bounded, part))
        for factor in bounded.factors:
            assert told(select(factor.plan, told=True)) == told(select(factor.plan))
