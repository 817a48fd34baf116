"""What analysis knows of an owned relation and its cells: facts that choose bounds, and the lists of public keys."""

from dataclasses import replace

import pytest
from support.shop import SHOP, column, empty_database
from test_ownership_rules import analysed

from gateway.catalog.types import INTEGER
from gateway.compile.relations import select
from gateway.errors import GatewayError
from gateway.privacy.relations import Measure
from gateway.sql.parse import parse
from gateway.sql.plan import Aggregate, Join, Read, Staged, Window
from gateway.sql.select import resolve
from gateway.sql.walk import upward


def measures(sql, dataset=SHOP):
    return [step for step in analysed(sql, dataset).steps if isinstance(step, Measure)]


def owned(sql, dataset=SHOP):
    (measure,) = measures(sql, dataset)
    return measure.owned


# -- how many rows one unit has ---------------------------------------------------------------------------------------

ONE_ROW = {
    "the unit table": "SELECT COUNT(*) AS n FROM customers",
    "grouped by the owner": "SELECT COUNT(*) AS n FROM (SELECT customer_id, SUM(amount) AS s FROM purchases GROUP BY 1) t",
    "grouped by the owner and what it fixes": "SELECT COUNT(*) AS n FROM (SELECT c.customer_id, c.cohort FROM customers c JOIN purchases p USING (customer_id) GROUP BY 1, 2) t",
    "the first row by number": "SELECT COUNT(*) AS n FROM (SELECT gift, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY purchased_on) AS r FROM purchases) t WHERE r = 1",
    "one order": "SELECT COUNT(*) AS n FROM orders WHERE order_id = 5",
    "joined with one row each": "SELECT COUNT(*) AS n FROM customers c JOIN (SELECT customer_id, COUNT(*) AS n FROM purchases GROUP BY 1) t ON t.customer_id = c.customer_id",
    "distinct owners": "SELECT COUNT(*) AS n FROM (SELECT DISTINCT customer_id FROM purchases) t",
}  # fmt: skip

MANY_ROWS = {
    "orders that are equal to a column": ("SELECT COUNT(*) AS n FROM orders WHERE order_id = customer_id", 3),
    "a plain table": ("SELECT COUNT(*) AS n FROM purchases", 5),
    "a fan-out": ("SELECT COUNT(*) AS n FROM customers c JOIN purchases p USING (customer_id)", 5),
    "the padded side": ("SELECT COUNT(*) AS n FROM customers c LEFT JOIN purchases p USING (customer_id)", 6),
    "UNION ALL": ("SELECT COUNT(*) AS n FROM (SELECT customer_id FROM customers UNION ALL SELECT customer_id FROM purchases) t", 6),
    "FULL": ("SELECT COUNT(*) AS n FROM customers c FULL JOIN purchases p USING (customer_id)", 6),
    "grouped by more than the owner": ("SELECT COUNT(*) AS n FROM (SELECT customer_id, quantity FROM purchases GROUP BY 1, 2) t", 5),
    "by order": ("SELECT COUNT(*) AS n FROM (SELECT order_id, COUNT(*) AS c FROM lines GROUP BY 1) t", 10),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_ROW)
def test_one_row_a_unit(name):
    found = owned(ONE_ROW[name])
    assert (found.rows, found.groups) == (1, 1)


@pytest.mark.parametrize("name", MANY_ROWS)
def test_several_rows_a_unit(name):
    sql, rows = MANY_ROWS[name]
    assert owned(sql).rows == rows


def test_a_key_of_the_padded_side_does_not_determine_the_owner():
    """(x) LEFT JOIN's NULL group holds rows of many."""
    sql = "SELECT AVG(n) AS a FROM (SELECT o.order_id, COUNT(*) AS n FROM customers c LEFT JOIN orders o ON c.customer_id = o.customer_id GROUP BY 1) t"
    (measure,) = measures(sql)
    assert [key.field.name for key in measure.aggregate.keys] == ["order_id"]


def test_a_unique_column_that_may_be_null_does_not_determine_the_owner():
    """(x) UNIQUE admits many NULLs."""
    tickets = column("ticket", INTEGER, SHOP.table("purchases").columns[2].use, nullable=True)
    for nullable in (True, False):
        purchases = SHOP.table("purchases")
        purchases = replace(
            purchases, columns=(*purchases.columns, replace(tickets, nullable=nullable)), unique=(("ticket",),)
        )
        dataset = replace(SHOP, tables=tuple(purchases if t.name == "purchases" else t for t in SHOP.tables))
        sql = "SELECT AVG(n) AS a FROM (SELECT ticket, COUNT(*) AS n FROM purchases GROUP BY ticket) t"
        (measure,) = measures(sql, dataset)
        per_owner = any(isinstance(node, Aggregate) for node in upward(measure.owned.plan))
        assert per_owner is not nullable


def test_a_part_of_a_unique_key_does_not_determine_the_owner():
    purchases = replace(SHOP.table("purchases"), unique=(("purchased_on", "quantity"),))
    dataset = replace(SHOP, tables=tuple(purchases if t.name == "purchases" else t for t in SHOP.tables))
    for keys, whole in (("purchased_on, quantity", True), ("purchased_on", False), ("quantity", False)):
        (measure,) = measures(
            f"SELECT AVG(n) AS a FROM (SELECT COUNT(*) AS n FROM purchases GROUP BY {keys}) t", dataset
        )
        assert any(isinstance(node, Aggregate) for node in upward(measure.owned.plan)) is whole


def test_texts_that_look_like_the_columns_of_a_full_joins_owner_are_not_the_owner():
    sql = "SELECT SUM(r) AS s FROM (SELECT COUNT(*) OVER (PARTITION BY v) AS r FROM (SELECT {} AS v FROM purchases p FULL JOIN customers c ON p.customer_id = c.customer_id) x) u"
    owner = sql.format("COALESCE(p.customer_id, c.customer_id)")
    (joined,) = (node for node in upward(resolve(parse(owner, "duckdb"), SHOP)) if isinstance(node, Join))
    first, second = (field.id for field in joined.fields if field.name == "customer_id")
    assert len(measures(owner)) == 1
    with pytest.raises(GatewayError) as caught:
        measures(sql.format(f"COALESCE('{first}', '{second}')"))
    assert caught.value.code == "window_across_owners"


def test_the_owner_is_added_to_keys_and_partitions():
    sql = "SELECT AVG(s) AS a FROM (SELECT order_id, SUM(price) AS s FROM lines GROUP BY order_id) t"
    (below,) = (node for node in upward(owned(sql).plan) if isinstance(node, Aggregate))
    assert [key.field.name for key in below.keys] == ["order_id", ""]
    sql = "SELECT SUM(r) AS s FROM (SELECT RANK() OVER (PARTITION BY order_id ORDER BY price) AS r FROM lines) t"
    (below,) = (node for node in upward(owned(sql).plan) if isinstance(node, Window))
    assert len(below.calls[0].partition) == 2
    assert len(below.calls[0].order) == 1  # peers are peers


def test_what_depends_on_order_has_every_column_as_tie_break():
    sql = "SELECT SUM(r) AS s FROM (SELECT LAG(quantity) OVER (PARTITION BY customer_id ORDER BY purchased_on) AS r FROM purchases) t"
    (below,) = (node for node in upward(owned(sql).plan) if isinstance(node, Window))
    columns = {f.id for f in below.input.fields}
    assert columns == {key.term.id for key in below.calls[0].order[1:] if key.term.id is not None}
    assert not any(key.term.bases for key in below.calls[0].order[1:])  # no use of a column by the buyer


# -- cells ------------------------------------------------------------------------------------------------------------


def factor_rows(sql):
    """Return the tuples that the factors of a query list, over the shop's public tables."""
    connection = empty_database()
    (measure,) = measures(sql)
    found = []
    for factor in measure.factors:
        query = select(factor.plan).sql("duckdb")
        columns = ", ".join(factor.columns)
        rows = connection.execute(f"SELECT DISTINCT {columns} FROM ({query}) ORDER BY ALL").fetchall()
        found.append((factor.keys, rows))
    return found


def test_two_keys_of_one_public_table_are_listed_together():
    sql = "SELECT h.cohort, h.label, COUNT(*) AS n FROM customers c JOIN cohorts h ON h.cohort = c.cohort GROUP BY 1, 2"
    assert factor_rows(sql) == [((0, 1), [("1997-01", "first"), ("1997-02", "second"), ("1997-03", "third")])]


def test_a_private_column_that_is_set_equal_to_a_public_one_is_listed_with_it():
    sql = "SELECT c.cohort, h.label, COUNT(*) AS n FROM customers c JOIN cohorts h ON h.cohort = c.cohort WHERE h.label <> 'third' GROUP BY 1, 2"
    assert factor_rows(sql) == [((0, 1), [("1997-01", "first"), ("1997-02", "second")])]


def test_one_key_with_few_values_needs_no_list():
    assert (
        factor_rows("SELECT h.label, COUNT(*) AS n FROM customers c JOIN cohorts h ON h.cohort = c.cohort GROUP BY 1")
        == []
    )


def test_public_sides_narrow_each_other():
    sql = """SELECT k.quarter, h.label, COUNT(*) AS n
        FROM purchases p JOIN customers c USING (customer_id)
        JOIN calendar k ON k.day = p.purchased_on JOIN cohorts h ON h.cohort = c.cohort
        WHERE k.quarter = '1997-Q1' AND h.label = 'first' OR k.quarter = '1998-Q2' AND h.label = 'third' GROUP BY 1, 2"""
    assert factor_rows(sql) == [((0, 1), [("1997-Q1", "first"), ("1998-Q2", "third")])]


def test_the_padded_side_lists_the_cells():
    sql = "SELECT k.quarter, k.weekday, COUNT(p.customer_id) AS n FROM calendar k LEFT JOIN purchases p ON p.purchased_on = k.day WHERE k.quarter = '1997-Q1' GROUP BY 1, 2"
    assert factor_rows(sql) == [((0, 1), [("1997-Q1", day) for day in range(1, 8)])]


def test_a_private_key_beside_public_ones_leaves_no_list():
    sql = "SELECT h.cohort, h.label, p.basket, COUNT(*) AS n FROM purchases p JOIN customers c USING (customer_id) JOIN cohorts h ON h.cohort = c.cohort GROUP BY 1, 2, 3"
    assert factor_rows(sql) == []


def test_a_subquery_answers_only_what_it_is_asked():
    sql = """SELECT COUNT(*) AS n FROM purchases p JOIN calendar k ON k.day = p.purchased_on
        WHERE k.quarter = '1997-Q1' AND p.quantity > (SELECT AVG(q.quantity) FROM purchases q WHERE q.purchased_on = k.day)"""
    inner, outer = measures(sql)
    (factor,) = inner.factors
    rows = (
        empty_database()
        .execute(f"SELECT COUNT(*), MIN({factor.columns[0]}) FROM ({select(factor.plan).sql('duckdb')})")
        .fetchone()
    )
    assert rows[0] == 90
    assert str(rows[1]) == "1997-01-01"
    assert outer.inputs == ("__staged0",)


# -- steps ------------------------------------------------------------------------------------------------------------


def test_public_rows_are_read_with_the_columns_that_are_used():
    sql = "SELECT k.quarter, t.n FROM (SELECT purchased_on AS d, COUNT(*) AS n FROM purchases GROUP BY 1) t JOIN calendar k ON k.day = t.d"
    (read,) = (step for step in analysed(sql).steps if isinstance(step, Read))
    assert [f.name for f in read.fields] == ["day", "quarter"]


def test_what_is_staged_comes_after_what_it_is_made_of():
    sql = """SELECT COUNT(*) AS n FROM purchases WHERE quantity > (SELECT AVG(quantity) FROM purchases
        WHERE amount > 0 OR quantity > (SELECT MAX(quantity) FROM purchases WHERE gift))"""
    names = [step.name for step in analysed(sql).steps]
    assert names == ["m0", "__staged0", "m1", "__staged1", "m2"]
    by_name = {step.name: step for step in analysed(sql).steps}
    assert by_name["m1"].inputs == ("__staged0",)
    assert by_name["m2"].inputs == ("__staged1",)
    assert isinstance(by_name["__staged1"], Staged)


def test_the_same_question_is_one_measurement_and_another_is_not():
    half = "SELECT quantity, COUNT(*) AS n FROM purchases WHERE basket = '{}' GROUP BY quantity"
    both = "SELECT a.n, b.n AS m FROM ({}) a JOIN ({}) b ON a.quantity = b.quantity"
    assert len(measures(both.format(half.format("c1"), half.format("c1")))) == 1
    assert len(measures(both.format(half.format("c1"), half.format("c2")))) == 2  # texts that look like column ids
    assert len(measures(both.format(half.format("c1"), half.format("c1").replace("COUNT(*)", "SUM(quantity)")))) == 2
