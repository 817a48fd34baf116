"""A proposal is a policy: it reads back as what was guessed, is refused while unconfirmed, and then holds."""

from datetime import date, datetime
from decimal import Decimal as D
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gateway.app.policies import convert_budgets
from gateway.catalog.build import build
from gateway.catalog.inspection import EngineColumn, EngineTable, Inspection
from gateway.catalog.load import PolicyErrors, read
from gateway.catalog.model import DataClass, Use
from gateway.classification import rounding
from gateway.classification.model import ColumnLook, Facts, Looks, TableLook
from gateway.classification.proposing import LEAST_PEOPLE, Known, proposals
from gateway.classification.shapes import shape
from gateway.classification.writing import Heading, text, write

C = EngineColumn
CUSTOMERS = EngineTable(
    "customers",
    "table",
    (C("customer_id", "INTEGER", False), C("city", "VARCHAR", True), C("phone", "VARCHAR", True)),
    (("customer_id",),),
)
ORDERS = EngineTable(
    "orders", "table",
    (
        C("order_id", "INTEGER", False), C("customer_id", "INTEGER", True), C("bought", "DATE", True), C("amount", "DECIMAL(8,2)", True),
        C("gift", "BOOLEAN", True), C("extra", "STRUCT(a INTEGER)", True), C("carrier", "VARCHAR", True), C("note", "VARCHAR", True),
    ),
    (("order_id",),), ((("customer_id",), "customers"),),
)  # fmt: skip
CARRIERS = EngineTable(
    "carriers", "table", (C("carrier", "VARCHAR", False), C("title", "VARCHAR", True)), (("carrier",),)
)
STAFF_VIEW = EngineTable("staff_view", "view", (C("x", "INTEGER", True),), ())
CONTACTS = EngineTable(
    "contacts", "table", (C("contact", "INTEGER", False), C("email", "VARCHAR", True)), (("contact",),)
)
TABLES = (ORDERS, CUSTOMERS, CARRIERS, STAFF_VIEW, CONTACTS)
LOOKS = Looks(
    {
        "customers": TableLook(23_570, {
            "customer_id": ColumnLook(0, 23_570, 1, 23_570),
            "city": ColumnLook(0, 3, common=(("Oslo", 9000), ("Bergen", LEAST_PEOPLE), ("Vardø", LEAST_PEOPLE - 1))),
            "phone": ColumnLook(5, 23_000),
        }),
        "orders": TableLook(69_659, {
            "order_id": ColumnLook(0, 69_659, 1, 69_659), "customer_id": ColumnLook(0, 23_570, 1, 23_570),
            "bought": ColumnLook(0, 500, date(1997, 1, 5), date(1998, 6, 30)),
            "amount": ColumnLook(3, 9000, D("0.00"), D("1286.01")),
            "gift": ColumnLook(1, 2),
        }),
    },
    crowd={"orders": 9},
)  # fmt: skip
HEADING = Heading(
    "shop",
    "acme",
    (("kind", "duckdb"), ("path", "a & b/shop.duckdb")),
    ("customers", "customer_id"),
    "why",
    from_values=True,
)


def known(tables=TABLES, facts=None, looks=None, enforcing=False):
    facts, looks = facts or Facts(), looks or Looks()
    return Known(tables, shape(tables, facts, looks, None), facts, looks, enforcing)


def made(**options):
    return {guess.table.name: guess for guess in proposals(known(**options))}


def document(**options):
    return read(write(HEADING, proposals(known(**options))), "proposal.yaml")


def test_tables_are_private_open_or_left_out():
    guesses = made()
    assert guesses["orders"].step.target == "customers"
    assert guesses["carriers"].public
    assert "view" in guesses["staff_view"].left_out
    assert "holds email" in guesses["contacts"].left_out
    assert next(iter(guesses)) == "customers", "the unit first"


def test_an_open_table_refers_to_open_ones_alone():
    regions = EngineTable(
        "regions",
        "table",
        (C("region_id", "INTEGER", False), C("who", "INTEGER", True)),
        (("region_id",),),
        ((("who",), "contacts"),),
    )
    orders = EngineTable(
        "orders", "table", (*ORDERS.columns, C("region_id", "INTEGER", True)), ORDERS.unique, ORDERS.references
    )
    guesses = made(tables=(orders, CUSTOMERS, regions, CONTACTS))
    assert not guesses["regions"].public
    assert guesses["orders"].columns["region_id"].data_class is DataClass.CORE, "what leads to it is never shown"


def test_names_and_types_alone():
    orders = made()["orders"]
    assert orders.rows == 10_000
    assert orders.columns["amount"].use == (Use.AGGREGATE,)
    assert orders.columns["amount"].bounds is None, "nothing was read"
    assert orders.columns["carrier"].use == (Use.GROUP, Use.FILTER, Use.JOIN)
    assert orders.columns["extra"].use == ()
    assert not any(column.values or column.not_null for column in orders.columns.values())


def test_what_values_say_is_rounded_and_marked():
    guesses = made(looks=LOOKS)
    orders, customers = guesses["orders"], guesses["customers"]
    assert (customers.rows, orders.rows, orders.per_unit) == (20_000, 70_000, (10, 10))
    assert orders.columns["amount"].bounds == (0, 2000)
    assert orders.columns["bought"].bounds == (date(1997, 1, 1), date(1998, 12, 31))
    city = customers.columns["city"]
    assert city.values == ("Bergen", "Oslo"), "a value of too few people is not told"
    assert "left out" in city.why
    assert (orders.columns["bought"].not_null, orders.columns["amount"].not_null) == (True, False)
    for column in (orders.columns["amount"], orders.columns["bought"], city):
        assert "from values" in column.why
        assert column.unsure
    assert customers.columns["phone"].data_class is DataClass.CORE


def test_an_engine_that_enforces_takes_no_promise():
    orders = made(looks=LOOKS, enforcing=True)["orders"]
    assert not any(column.not_null for column in orders.columns.values())
    assert "SET NOT NULL" in orders.columns["bought"].why


def test_what_was_written_down_elsewhere_is_taken_over():
    facts = Facts(
        not_null=frozenset({("orders", "carrier"), ("orders", "note")}),
        values={("orders", "carrier"): ("DHL", "UPS"), ("orders", "note"): ("a",), ("orders", "gift"): (1, 2)},
        personal=frozenset({("customers", "city")}),
    )
    guesses = made(facts=facts)
    carrier = guesses["orders"].columns["carrier"]
    assert (carrier.values, carrier.not_null) == (("DHL", "UPS"), True)
    assert guesses["orders"].columns["note"].values is None, "what is hidden has no list"
    assert guesses["orders"].columns["gift"].values is None, "a list of another type"
    assert guesses["customers"].columns["city"].data_class is DataClass.CORE


def test_nothing_of_the_data_stands_in_a_proposal_made_without_values():
    text_ = write(HEADING, proposals(known()))
    assert "from values" not in text_.replace("and from values.", "").replace("`from values`", "")


INSPECTION = Inspection("1", TABLES, (("carriers", "carrier", ("DHL",)), ("carriers", "title", None)), ())


@pytest.mark.parametrize("looks", [Looks(), LOOKS], ids=["names", "values"])
def test_a_proposal_is_refused_place_by_place_and_then_holds(looks):
    read_, lines = document(looks=looks)
    with pytest.raises(PolicyErrors) as caught:
        build(read_, INSPECTION, data_version="1", base=Path(), lines=lines)
    told = [problem.message.removeprefix("nobody has confirmed ") for problem in caught.value.problems]
    assert told == list(read_.confirm)
    assert {
        "provider",
        "compliance",
        "privacy.unit",
        "privacy.budget",
        "tables.orders.unit_path",
        "tables.carriers.public",
    } <= set(told)
    assert all(problem.line for problem in caught.value.problems)
    confirmed = read_.model_copy(update={"confirm": ()})
    dataset = build(confirmed, INSPECTION, data_version="1", base=Path(), lines=lines)
    convert_budgets(dataset.privacy, dataset.grants, lines)
    assert dataset.table("orders").owner == "customer_id"
    assert dataset.table("contacts") is None
    assert dataset.table("customers").column("phone").hidden
    assert read_.engine.path == "a & b/shop.duckdb"


def test_every_place_to_confirm_is_there():
    read_, _ = document(looks=LOOKS)
    for place in read_.confirm:
        node = read_.model_dump(by_alias=True)
        for part in place.split("."):
            assert part in node, place
            node = node[part]


def test_names_that_no_policy_can_have_are_left_out_and_said():
    odd = EngineTable("or/ders", "table", (C("customer_id", "INTEGER", True),), ())
    customers = EngineTable(
        "customers", "table", (*CUSTOMERS.columns, C("a/b\n# x", "VARCHAR", True)), CUSTOMERS.unique
    )
    text_ = write(HEADING, proposals(known(tables=(customers, odd))))
    read(text_, "proposal.yaml")
    assert "or/ders: no policy can name it" in text_
    assert "a/b?# x: no policy can name it" in text_


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=20)


@given(NAMES)
def test_every_text_reads_back_as_itself(value):
    loaded = YAML(typ="safe", pure=True).load(f"[{text(value)}, {{k: {text(value)}}}]")
    assert loaded == [value, {"k": value}]


@given(st.lists(NAMES, min_size=1, max_size=4, unique_by=str.casefold))
def test_whatever_columns_are_called_a_proposal_is_a_policy(names):
    columns = tuple(C(name, "VARCHAR", True) for name in names if name.casefold() != "customer_id")
    table = EngineTable("customers", "table", (CUSTOMERS.columns[0], *columns), CUSTOMERS.unique)
    read_, _ = read(write(HEADING, proposals(known(tables=(table,)))), "proposal.yaml")
    assert set(read_.tables["customers"].columns) == {"customer_id", *(column.name for column in columns)}


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9))
def test_bounds_are_rounded_outward_to_one_digit(value):
    low, high = rounding.outward(value, value)
    assert low <= value <= high
    for end in (low, high):
        assert end == 0 or end.normalize().as_tuple().digits in {(1,), (2,), (5,)}
    assert high <= max(abs(value) * D("2.5"), 0), "and not far out"


def test_figures_that_look_public():
    assert rounding.outward(3, 99) == (0, 100)
    assert rounding.outward(D(-43), D(1301)) == (-50, 2000)
    assert rounding.outward(1956, 2013) == (1950, 2019)
    assert rounding.outward(datetime(2024, 3, 1), date(2025, 1, 2)) == (date(2024, 1, 1), date(2025, 12, 31))
    assert rounding.outward("a", "b") is None
    assert rounding.outward(True, True) is None
    assert [rounding.magnitude(n) for n in (0, 7, 23_570, 69_659, 95, 14, 15)] == [1, 7, 20_000, 70_000, 100, 10, 20]
