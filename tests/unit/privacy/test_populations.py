"""Populations of plans: conditions as regions of declared domains, by whatever words; what is not understood, by its text."""

import json
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp
from support.shop import CALLER, NOW, SHOP, planned

from gateway.planning import plan
from gateway.privacy.conjuncts import Reader
from gateway.privacy.populations import MOST, MOST_BYTES, drawn, read
from gateway.privacy.regions import NAMES, UNDECLARED, Region
from gateway.programs import PlanJob
from gateway.request import Request


def boxes(sql):
    """Return the boxes of a query's populations with plain names, by their quantity."""
    return {one.quantity: named(one.box) for one in read(planned(sql).populations)}


def named(box):
    return {name.replace('_."', "").replace('"', ""): region.intervals for name, region in box.items()}


def where(condition):
    (box,) = boxes(f"SELECT COUNT(*) AS n FROM purchases WHERE {condition}").values()
    return box


# -- regions ----------------------------------------------------------------------------------------------------------

SIZE = 12
INTERVALS = st.lists(st.tuples(st.integers(-2, SIZE + 1), st.integers(-2, SIZE + 1)), max_size=4)


def members(region):
    return {at for lo, hi in region.intervals for at in range(lo, hi + 1)}


@settings(max_examples=300)
@given(INTERVALS, INTERVALS)
def test_regions_are_sets(one, other):
    a, b = Region.of(SIZE, one), Region.of(SIZE, other)
    mine = {at for at in range(SIZE) if any(lo <= at <= hi for lo, hi in one)}
    theirs = {at for at in range(SIZE) if any(lo <= at <= hi for lo, hi in other)}
    assert members(a) == mine
    assert members(a.both(b)) == mine & theirs
    assert members(a.either(b)) == mine | theirs
    assert members(a.without(b)) == mine - theirs
    assert members(a.apart(b)) == mine ^ theirs
    assert members(a.other()) == set(range(SIZE)) - mine
    assert a.within(b) == (mine <= theirs)
    assert a.share == pytest.approx(len(mine) / SIZE)
    assert (a.everything, a.empty) == (mine == set(range(SIZE)), not mine)
    for made in (a.both(b), a.either(b), a.other()):
        gaps = [later[0] - earlier[1] for earlier, later in zip(made.intervals, made.intervals[1:], strict=False)]
        assert all(gap > 1 for gap in gaps), "one spelling of each set"


def test_a_share_of_what_nobody_declares_is_one_of_plausible_values():
    assert Region.of(UNDECLARED, [(7, 7)]).share == 0.001
    assert Region.of(UNDECLARED, [(7, 7)]).other().share == 0.999
    assert Region.of(UNDECLARED, [(0, UNDECLARED // 3)]).share == 0.5
    assert Region.of(NAMES, [(7, 7)]).share == 1e-6


# -- conditions -------------------------------------------------------------------------------------------------------

QUANTITY, DAYS = "purchases.quantity", "purchases.purchased_on"
SAME = {
    "below": (
        ((0, 39),),
        ("quantity < 40", "40 > quantity", "NOT quantity >= 40", "quantity <= 39", "quantity < 39.5", "-quantity > -40",
         "quantity + 2 < 42", "3 * quantity < 120", "10 - quantity > -30", "quantity BETWEEN 0 AND 39",
         "quantity < 40 AND quantity < 45", "quantity < 40 OR quantity < 30", "(quantity < 40) = TRUE",
         "CASE WHEN quantity < 40 THEN 1 ELSE 0 END = 1", "CASE WHEN quantity >= 40 THEN 'x' ELSE 'y' END = 'y'",
         "NOT (quantity >= 40 OR quantity = 45)", "CAST(quantity AS DOUBLE) < 40", "quantity IS NOT NULL AND quantity < 40"),
    ),
    "but one": (
        ((0, 6), (8, 50)),
        ("quantity <> 7", "NOT quantity = 7", "quantity NOT IN (7)", "quantity < 7 OR quantity > 7", "NOT (quantity BETWEEN 7 AND 7)",
         "quantity != 7", "2 * quantity <> 14"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("region", "condition"), [(region, one) for region, spelled in SAME.values() for one in spelled]
)
def test_one_condition_by_many_words_is_one_region(region, condition):
    found = where(condition)
    found.pop("purchases.quantity IS NULL", None)
    assert found == {QUANTITY: region}


@pytest.mark.parametrize(
    "condition", ["quantity >= 0", "quantity < 51", "quantity <= 50 OR quantity = 3", "1 = 1", "purchased_on >= DATE '1997-01-01'"]
)  # fmt: skip
def test_what_keeps_every_declared_value_is_no_condition(condition):
    assert where(condition) == {}


@pytest.mark.parametrize(
    "condition",
    ["purchased_on >= DATE '1997-02-01' AND purchased_on < DATE '1997-03-01'", "date_trunc('month', purchased_on) = DATE '1997-02-01'",
     "purchased_on BETWEEN '1997-02-01' AND '1997-02-28'", "purchased_on < DATE '1997-03-01' AND NOT purchased_on < DATE '1997-02-01'"],
)  # fmt: skip
def test_a_month_is_its_days(condition):
    assert where(condition) == {DAYS: ((31, 58),)}


def test_a_year_is_its_days():
    assert where("EXTRACT(year FROM purchased_on) = 1998") == {DAYS: ((365, 545),)}
    assert where("EXTRACT(year FROM purchased_on) < 1998") == {DAYS: ((0, 364),)}


def test_declared_texts_are_their_places_and_others_hashes():
    (box,) = boxes("SELECT COUNT(*) AS n FROM customers WHERE cohort <> '1997-02'").values()
    assert box == {"customers.cohort": ((0, 0), (2, 2))}
    assert where("gift") == where("gift = TRUE") == {"purchases.gift": ((1, 1),)}
    one, other = where("basket = 'a'"), where("basket = 'b'")
    assert one != other
    assert where("basket <> 'a'")["purchases.basket"] == (
        (0, one["purchases.basket"][0][0] - 1),
        (one["purchases.basket"][0][0] + 1, NAMES - 1),
    )


def test_what_is_not_understood_is_told_apart_by_its_literals():
    one, other = where("basket LIKE 'a%'"), where("basket LIKE 'b%'")
    assert one.keys() == other.keys() == {"purchases.basket LIKE ?"}
    assert one != other
    assert where("NOT basket LIKE 'a%'").keys() == one.keys()
    assert where("quantity * quantity < 9") == {"purchases.quantity * purchases.quantity": ((0, 8),)}


@settings(max_examples=60)
@given(
    st.integers(-3, 54),
    st.integers(-3, 54),
    st.sampled_from(["<", "<=", ">", ">=", "=", "<>"]),
    st.sampled_from(["AND", "OR"]),
)
def test_a_region_holds_the_values_that_pass(one, other, sign, word):
    condition = f"quantity {sign} {one} {word} NOT quantity < {other}"
    tests = {"<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__, "=": int.__eq__, "<>": int.__ne__}
    passing = {q for q in range(51) if (all if word == "AND" else any)((tests[sign](q, one), q >= other))}
    found = where(condition).get(QUANTITY, ((0, 50),))
    assert {at for lo, hi in found for at in range(lo, hi + 1)} == passing


# -- populations ------------------------------------------------------------------------------------------------------


def test_filters_of_aggregates_are_conditions():
    sql = "SELECT {} AS n FROM purchases"
    spelled = (
        "COUNT(*) FILTER (WHERE quantity = 7)",
        "COUNT(CASE WHEN quantity = 7 THEN 1 END)",
        "SUM(CASE WHEN quantity = 7 THEN 1 ELSE 0 END)",
        "SUM(CASE WHEN quantity <> 7 THEN 0 ELSE 1 END)",
    )
    assert [boxes(sql.format(one)) for one in spelled] == [{"count": {QUANTITY: ((7, 7),)}}] * 4
    assert boxes(sql.format("SUM(CASE WHEN quantity = 7 THEN 2 * amount ELSE 0 END)")) == {
        "sum:purchases.amount": {QUANTITY: ((7, 7),)}
    }


def test_joins_that_add_nobody_are_no_part_of_the_shape():
    spelled = (
        "purchases",
        "purchases p JOIN customers c ON c.customer_id = p.customer_id",
        "customers JOIN purchases USING (customer_id)",
    )
    shapes = {one.shape for sql in spelled for one in read(planned(f"SELECT COUNT(*) AS n FROM {sql}").populations)}
    assert len(shapes) == 1
    more = "purchases p JOIN calendar k ON k.day = p.purchased_on"
    assert {one.shape for one in read(planned(f"SELECT COUNT(*) AS n FROM {more}").populations)} != shapes


def test_conditions_within_a_subquery_are_named_by_where_they_stand():
    sql = "SELECT COUNT(*) AS n FROM customers WHERE customer_id IN (SELECT customer_id FROM purchases WHERE quantity {} 7)"
    some, others = boxes(sql.format("=")), boxes(sql.format("<>"))
    assert some["count"] == {"SEMI|purchases.quantity": ((7, 7),)}
    assert others["count"] == {"SEMI|purchases.quantity": ((0, 6), (8, 50))}


def test_keys_are_named_with_how_many_values_they_have():
    sql = "SELECT c.cohort, p.quantity, COUNT(*) AS n FROM purchases p JOIN customers c ON c.customer_id = p.customer_id GROUP BY 1, 2"
    (one, *_) = read(planned(sql).populations)
    assert {name.split('"')[1]: count for name, count in one.keys.items()} == {
        "customers.cohort": 3,
        "purchases.quantity": 51,
    }
    assert (one.rows, one.units) == (70_000, 25_000)


def test_a_quote_is_about_nobody_and_what_is_stored_is_not_drawn():
    sql = "SELECT COUNT(*) AS n, SUM(amount) AS s FROM purchases"
    job = PlanJob(SHOP, CALLER, Request(sql), NOW, SHOP.grants[0], quote=True)
    assert plan(job).populations == "[]"
    made = planned(sql)
    (first, second) = [(m.name, p.name) for m in made.program.measurements for p in m.primitives]
    assert [one.primitive for one in read(drawn(made.populations, {second: "series"}))] == [second[1]]
    assert drawn(made.populations, {}) == "[]"
    assert read(drawn(made.populations, {first: "series"}))[0].series == "series"


def test_what_is_kept_of_a_query_is_bounded():
    pairs = product(range(10), range(5, 12))
    calls = ", ".join(f"COUNT(*) FILTER (WHERE quantity BETWEEN {a} AND {a + b})" for a, b in pairs)
    text = planned(f"SELECT {calls} FROM purchases").populations
    assert len(json.loads(text)) == MOST
    lists = [", ".join(f"'{a} {b}'" for b in range(60)) for a in range(24)]
    calls = ", ".join(f"COUNT(*) FILTER (WHERE basket NOT IN ({listed}))" for listed in lists)
    text = planned(f"SELECT {calls} FROM purchases").populations
    assert len(text) <= MOST_BYTES
    assert 0 < len(json.loads(text)) < 24


def test_reading_gives_back_what_was_written():
    text = planned("SELECT cohort, COUNT(*) AS n FROM customers WHERE cohort <> '1997-02' GROUP BY cohort").populations
    assert [one.measurement for one in read(text)] == [one["draw"][0] for one in json.loads(text)]


# -- what is computed of columns --------------------------------------------------------------------------------------


def test_a_column_that_is_computed_of_itself_is_its_own_name():
    reader = Reader({"c1": column("c1") + 1, "c2": column("c3") * 2, "c3": column("c2") * 2}, {})
    assert [reader.subject(column(name))[0] for name in ("c1", "c2")] == ["_.c1 + 1", "_.c2 * 2 * 2"]


def test_a_chain_of_doublings_is_named_by_its_text():
    named = {f"c{n + 1}": column(f"c{n}") + column(f"c{n}") for n in range(60)}
    names = [Reader({"c0": first, **named}, {}).subject(column("c60"))[0] for first in ("amount", "amount", "quantity")]
    assert len(names[0]) < 100
    assert names[0] == names[1] != names[2]


def column(name):
    return exp.column(exp.to_identifier(name, quoted=True))
