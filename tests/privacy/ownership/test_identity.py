"""One question asked twice is measured once; one that differs in any part of its plan is another measurement."""

import pytest
from support.answers import answered
from support.shop import empty_database, fill, planned, unlimited
from test_facts import factor_rows, measures

BOTH = "SELECT a.n, b.n AS m FROM (SELECT COUNT(*) AS n FROM {}) a, (SELECT COUNT(*) AS n FROM {}) b"

# a relation, and parts of it to put in place of *: each makes another question
RELATIONS = {
    "VALUES": ("purchases p WHERE quantity IN (SELECT w FROM (VALUES *) v(w))", ("(1), (2)", "(1), (3)", "(1)")),
    "a window": (
        "(SELECT SUM(quantity) * OVER (PARTITION BY customer_id ORDER BY purchased_on ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS r FROM purchases) t WHERE r > 3",
        ("", "FILTER (WHERE gift)", "FILTER (WHERE NOT gift)"),
    ),
    "a window's function": (
        "(SELECT * OVER (PARTITION BY customer_id ORDER BY purchased_on) AS r FROM purchases) t WHERE r = 1",
        ("ROW_NUMBER()", "RANK()", "LAG(quantity)", "LAG(quantity, 2)"),
    ),
    "a window's order": (
        "(SELECT ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY *) AS r, gift FROM purchases) t WHERE r = 1 AND gift",
        ("purchased_on", "purchased_on DESC", "purchased_on NULLS FIRST", "quantity"),
    ),
    "a window's frame": (
        "(SELECT SUM(quantity) OVER (PARTITION BY customer_id ORDER BY purchased_on ROWS BETWEEN * PRECEDING AND CURRENT ROW) AS r FROM purchases) t WHERE r > 3",
        ("1", "2", "UNBOUNDED"),
    ),
    "a result's parameter": (
        "(SELECT customer_id, QUANTILE_CONT(quantity, *) AS q FROM purchases GROUP BY 1) t WHERE q > 2",
        ("0.25", "0.5", "0.75"),
    ),
    "a join's kind": (
        "(SELECT p.quantity FROM customers c * JOIN purchases p ON c.customer_id = p.customer_id) t",
        ("INNER", "LEFT", "RIGHT", "FULL"),
    ),
    "a join's condition": (
        "purchases p JOIN customers c ON c.customer_id = p.customer_id AND p.quantity > *",
        ("1", "2", "1 AND p.gift"),
    ),
    "a set operation": (
        "(SELECT customer_id FROM customers * SELECT customer_id FROM purchases) t",
        ("UNION ALL", "UNION", "EXCEPT", "INTERSECT"),
    ),
    "first rows": (
        "purchases p JOIN (SELECT day FROM calendar ORDER BY weekday *) k ON k.day = p.purchased_on",
        ("LIMIT 3", "LIMIT 4", "LIMIT 3 OFFSET 1"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RELATIONS)
def test_a_question_is_told_from_every_other(name):
    relation, parts = RELATIONS[name]
    for part in parts:
        for other in parts:
            if part != other:
                found = measures(BOTH.format(relation.replace("*", part), relation.replace("*", other)))
                assert len(found) == 2, (part, other)


@pytest.mark.parametrize("name", sorted(RELATIONS.keys() - {"first rows"}))
def test_the_same_question_is_measured_once(name):
    relation, parts = RELATIONS[name]
    for part in parts:
        same = relation.replace("*", part)
        assert len(measures(BOTH.format(same, same))) == 1, part


def test_public_sides_of_a_relation_that_is_joined_with_itself_are_two_lists():
    sql = """WITH t AS (SELECT c.customer_id, h.label, h.cohort FROM customers c JOIN cohorts h ON h.cohort = c.cohort)
        SELECT a.label, b.cohort, COUNT(*) AS n FROM t a JOIN t b ON a.customer_id = b.customer_id
        WHERE a.label <> b.label GROUP BY 1, 2"""
    pairs = [(label, cohort) for label, own in (("first", "1997-01"), ("second", "1997-02"), ("third", "1997-03"))
             for cohort in ("1997-01", "1997-02", "1997-03") if cohort != own]  # fmt: skip
    assert factor_rows(sql) == [((0, 1), pairs)]


ANSWERS = (
    "SELECT COUNT(p.customer_id) AS n FROM calendar k LEFT JOIN purchases p ON p.purchased_on = k.day",
    "SELECT MODE(gift) AS m FROM purchases WHERE gift IS NULL OR NOT gift",
    "SELECT COUNT(*) AS n FROM (SELECT customer_id, weight FROM purchases GROUP BY customer_id, weight) t",
    "SELECT quantity, COUNT(*) AS n, MODE(gift) AS m FROM purchases WHERE quantity IN (1, 2) AND (gift OR gift IS NULL) GROUP BY quantity ORDER BY quantity",
)  # fmt: skip


@pytest.mark.parametrize("sql", ANSWERS)
def test_answers_are_those_of_plain_sql(sql):
    database = empty_database()
    fill(database, 5, 120)
    made = planned(sql, dataset=unlimited(groups=700, rows=40))
    found = answered(database, made, seed=3)
    assert [tuple(row) for row in found.rows] == database.execute(sql).fetchall()
