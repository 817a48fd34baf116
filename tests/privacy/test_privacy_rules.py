"""Every rule of docs/PRIVACY.md by name: what is answered, and what is refused before an engine is asked.

Its counter-examples, marked (x) there, each have a case: in a YAML table of rules, or below where data is needed.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support.answers import answered
from support.exactness import WIDE
from support.neighbours import NEW, SECRET, exact, fresh_pair, pair, violations
from support.owners import by_owner
from support.shop import SHOP, empty_database, fill, planned, unlimited
from support.unasked import refusal

from gateway.catalog.inspection import InspectionOrder
from gateway.catalog.model import Accounting
from gateway.engines.duckdb_worker import inspect
from gateway.privacy.ownership import analyse
from gateway.privacy.relations import Measure
from gateway.sql.parse import parse
from gateway.sql.select import resolve

HERE = Path(__file__).parent
PURE = replace(SHOP, privacy=replace(SHOP.privacy, accounting=Accounting.PURE))
RULES = YAML(typ="safe").load(HERE / "rules.yaml")
OWNERSHIP = YAML(typ="safe").load(HERE / "ownership" / "rules.yaml")
PASS = {(rule, name): sql for rule, kinds in RULES.items() for name, sql in kinds.get("pass", {}).items()}
FAIL = {
    (rule, name): case
    for rule, kinds in (RULES | OWNERSHIP).items()
    for name, case in kinds.get("fail", {}).items()
}  # fmt: skip
DOCUMENT = (HERE.parent.parent / "docs" / "PRIVACY.md").read_text(encoding="utf-8")
BY_DATA: dict[str, str] = {}
"""Counter-examples that need data: under the label of the page, the test that holds one."""


def counter_example(label):
    """Note that a test holds the counter-example of a label."""

    def noted(test):
        BY_DATA[label] = test.__name__
        return test

    return noted


def of(rule: str):
    return PURE if rule == "accounting pure" else SHOP


@pytest.mark.parametrize("case", PASS, ids=": ".join)
def test_passes(case):
    made = planned(PASS[case], dataset=of(case[0]))
    assert made.program.measurements
    assert made.rho > 0


@pytest.mark.parametrize("case", FAIL, ids=": ".join)
async def test_is_refused_by_name_before_an_engine_is_asked(case):
    code, sql, words = FAIL[case]
    error = await refusal(sql, of(case[0]))
    assert error.code == code, error.detail
    assert words in error.hint
    assert error.position is not None


def test_every_counter_example_of_the_page_has_a_case():
    labels = re.findall(r"^- \(x\) ([^:]+):", DOCUMENT, re.MULTILINE)
    assert len(labels) == len(set(labels)) >= 12
    named = {name.removeprefix("(x) ") for _, name in (*PASS, *FAIL) if name.startswith("(x) ")}
    assert named | BY_DATA.keys() == set(labels)


def test_a_rule_has_queries_on_both_sides():
    for rule, kinds in RULES.items():
        assert kinds.get("fail"), rule
    assert sum("pass" in kinds for kinds in RULES.values()) >= len(RULES) - 1


# -- counter-examples that need data ----------------------------------------------------------------------------------


def _broken_key():
    """Return neighbours where the one has five hundred rows of one customer in the unit's own table."""
    without, with_unit = fresh_pair(3)
    with_unit.execute("CREATE OR REPLACE TABLE customers AS FROM customers")  # without its primary key
    with_unit.execute(f"INSERT INTO customers SELECT {NEW}, '1997-02' FROM range(500)")
    return without, with_unit


@counter_example("a declared key that the data breaks")
def test_a_plan_follows_from_the_declaration_alone():
    """What is worked out of declared keys, here through a join, chose bounds as if it were so, and they still hold."""
    sql = "SELECT c.cohort, COUNT(*) AS n FROM customers c JOIN cohorts k ON c.cohort = k.cohort GROUP BY c.cohort"
    made = planned(sql)
    assert [p.upper for p in made.program.measurements[0].primitives][:1] == [1]
    assert violations(made, *_broken_key()) == []


def test_a_key_that_is_relied_on_is_looked_at_before_anything_is_answered():
    """Where a table with one row for each person is read row by row, its declared key is all that bounds them."""
    made = planned("SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort")
    assert (
        " u, " not in made.program.measurements[0].probes[0].sql.split(" g AS ")[1]
    )  # nobody's rows are added up first
    for connection, broken in zip(_broken_key(), ((), ("customers.unique[customer_id]",)), strict=True):
        order = InspectionOrder(("customers",), (), (("customers", ("customer_id",)),), ())
        assert inspect(connection, order, "").broken_facts == broken


@counter_example("a key that several rows without one share")
def test_what_an_outer_join_fills_is_a_group_of_each_person():
    """The owner is among the keys of groups for each person, so NULLs of several people are never one group."""
    sql = PASS["results of one person", "groups of one person that an outer join fills"]
    databases = pair(1)
    (measure,) = (s for s in analyse(resolve(parse(sql, "duckdb"), SHOP), SHOP).steps if isinstance(s, Measure))
    first, second = (by_owner(connection, measure, NEW) for connection in databases)
    assert first == second
    assert None not in first
    assert violations(planned(sql), *databases) == []


@counter_example("a clamp of NULL that is its upper end")
def test_a_value_that_is_null_counts_for_nothing():
    connection = empty_database()
    fill(connection, 2, 50)
    connection.execute("UPDATE purchases SET score = NULL WHERE customer_id > 5")
    sql = "SELECT SUM(score) AS s, SUM(LEAST(GREATEST(weight, 1), 8)) AS w FROM purchases"
    connection.execute("UPDATE purchases SET weight = NULL WHERE customer_id > 5")
    exactly = connection.execute(
        "SELECT SUM(score), SUM(CASE WHEN weight IS NOT NULL THEN LEAST(GREATEST(weight, 1), 8) END) FROM purchases"
    ).fetchall()[0]
    plain = connection.execute(sql).fetchall()[0]
    found = answered(connection, planned(sql, dataset=WIDE)).rows[0]
    assert found[0] == pytest.approx(exactly[0], abs=0.1)
    assert found[1] == pytest.approx(plain[1], abs=0.1)  # a buyer's own GREATEST skips NULL, as the engine's does
    assert plain[1] > exactly[1] + 10


@counter_example("a public key that one row spells anew")
def test_public_keys_are_printed_from_the_policy():
    _without, with_unit = fresh_pair(5)
    with_unit.execute(f"UPDATE customers SET cohort = '1997-01 ' WHERE customer_id = {NEW}")
    (measurement,) = planned("SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort").program.measurements
    assert measurement.keys[0].domain == ("1997-01", "1997-02", "1997-03")
    rows = answered(
        with_unit, planned("SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort", dataset=unlimited())
    ).rows
    assert {row[0] for row in rows} <= {"1997-01", "1997-02", "1997-03"}


@counter_example("a tree that is clamped in each leaf")
def test_one_persons_rows_are_bounded_over_all_leaves_together():
    without, with_unit = fresh_pair(9)
    with_unit.execute(f"DELETE FROM purchases WHERE customer_id = {NEW}")
    with_unit.execute(
        f"INSERT INTO purchases SELECT {NEW}, DATE '1997-05-05', i % 51, 'x', i % 500, 1, TRUE, 1, 'x' FROM range(1000) t(i)"
    )
    made = planned("SELECT MEDIAN(quantity) AS m, MAX(amount) AS h FROM purchases")
    assert violations(made, without, with_unit) == []


@counter_example("a pick that differs from run to run")
def test_the_pick_of_cells_is_the_same_in_every_run():
    without, _ = fresh_pair(4)
    (measurement,) = planned("SELECT basket, COUNT(*) AS n FROM purchases GROUP BY basket").program.measurements
    runs = [sorted(map(repr, exact(without, measurement)[0].table.to_pylist())) for _ in range(3)]
    assert runs[0] == runs[1] == runs[2]
    assert SECRET not in "".join(probe.sql for probe in measurement.probes)
