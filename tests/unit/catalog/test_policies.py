"""Policies: the worked example is well formed; every mistake is named with its path, line and fix."""

import json
from datetime import date
from decimal import Decimal as D
from pathlib import Path

import pytest

from gateway.app.policies import PolicyFile, convert_budgets
from gateway.catalog.alone import check_alone
from gateway.catalog.build import build
from gateway.catalog.inspection import EngineColumn, EngineTable, Inspection, order
from gateway.catalog.load import PolicyErrors, canonical_text, parse, policy_version, read
from gateway.catalog.model import Accounting, DataClass, Use
from gateway.catalog.scalars import sql_type
from gateway.catalog.together import check_together
from gateway.catalog.types import OTHER, decimal
from gateway.cli.policy import closed, schema_text, warnings
from gateway.errors import GatewayError

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "policies" / "cdnow.yaml").read_text(encoding="utf-8")


def table(name, *columns, kind="table"):
    return EngineTable(name, kind, tuple(EngineColumn(*c) for c in columns), ())


FOUND = Inspection(
    "1:2:3",
    (
        table("customers", ("customer_id", "BIGINT", False), ("cohort", "VARCHAR", False)),
        table(
            "purchases", ("purchase_id", "BIGINT", False), ("customer_id", "BIGINT", False), ("purchased_on", "DATE", False),
            ("quantity", "INTEGER", False), ("basket", "VARCHAR", True), ("amount", "DECIMAL(10,2)", False),
        ),
        table("calendar", ("day", "DATE", False), ("month", "VARCHAR", False)),
    ),
    (("calendar", "month", ("1997-01", "1997-02")), ("calendar", "day", None)),
    (),
)  # fmt: skip


def made(text=TEXT, found=FOUND):
    return build(parse(text, "cdnow.yaml"), found, data_version="v1", base=Path("/data"))


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
    assert warnings(dataset) == []


@pytest.mark.parametrize("type_", ["DOUBLE", "FLOAT", "DATE", "BOOLEAN", "DECIMAL(10,2)", "BLOB"])
def test_people_are_told_apart_by_whole_numbers_texts_or_uuids(type_):
    tables = tuple(
        EngineTable(
            t.name,
            t.kind,
            tuple(
                EngineColumn(c.name, type_ if c.name == "customer_id" else c.type_text, c.nullable) for c in t.columns
            ),
            t.unique,
        )
        for t in FOUND.tables
    )
    with pytest.raises(PolicyErrors) as caught:
        made(found=Inspection(FOUND.stamp, tables, FOUND.distinct, ()))
    found = {p.path: p.message for p in caught.value.problems}
    for table_ in ("customers", "purchases"):
        assert "cannot be a unit or chain key" in found[f"tables.{table_}.columns.customer_id"]


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


MISTAKES = {
    "unknown key": ("  min_units: 10", "  min_unit: 10", "privacy.min_unit", "min_units"),
    "reserved key": ("  min_units: 10", "  time_quantum: 10", "privacy.time_quantum", "not served"),
    "a word for a number": ("    rows: 25_000", "    rows: many", "tables.customers.rows", ""),
    "missing key": ("  legal_basis: contract\n", "", "compliance", "legal_basis"),
    "not YAML": ("dataset: cdnow", "dataset: [cdnow", "file", ""),
    "twice the same key": ("dataset: cdnow", "dataset: cdnow\ndataset: other", "file", ""),
    "no such column": ("      basket:", "      baskets:", "tables.purchases.columns.baskets", "no such column"),
    "no such table": ("  calendar:", "  calender:", "tables.calender", "no such table"),
    "bounds upside down": ("bounds: [0, 50]", "bounds: [50, 0]", "quantity.bounds", "above"),
    "bounds of text": ("{class: general, use: [group]}", "{use: [group], bounds: [1, 2]}", "basket.bounds", ""),
    "values of another type": ('"1997-01", "1997-02"', '1, "1997-02"', "cohort.values", "Quote"),
    "a value twice": ('"1997-01", "1997-02"', '"1997-02", "1997-02"', "cohort.values", "twice"),
    "a key with a use": ("customer_id: {class: core}", "customer_id: {class: core, use: [group]}", "customer_id.use", ""),
    "a key of no class with a use": ("customer_id: {class: core}", "customer_id: {use: [group]}", "customer_id.use", "never used"),
    "important as a key": ("{class: important, use: [aggregate]", "{class: important, use: [group]", "amount.use", "group"),
    "below its table's class": ("  purchases:\n", "  purchases:\n    class: important\n", "tables.purchases.columns.quantity.class", "Write `class: important`"),
    "open data of a class": ("calendar: {public: true", "calendar: {class: important, public: true", "tables.calendar.class", "open data"),
    "a group key under a floor": ("  customers:\n    rows: 25_000", "  customers:\n    class: important\n    rows: 25_000", "tables.customers.columns.cohort.class", "Write"),
    "what nobody confirmed": ("grants:\n", "confirm: [tables.purchases.per_unit]\ngrants:\n", "confirm.0", "take this line away"),
    "a path to nowhere": ("customers.customer_id}", "customers.cohort}", "unit_path", "unit"),
    "no path": ("    unit_path: {customer_id: customers.customer_id}\n", "", "tables.purchases", "unit_path"),
    "the unit made public": ("  customers:\n", "  customers:\n    public: true\n", "tables.customers", "public"),
    "a plan that is not there": ("price_plan: academic", "price_plan: gold", "grants.1.price_plan", "gold"),
    "shares that do not sum": ("exchange: 0.10, labeller", "exchange: 0.20, labeller", "income_split", "sum"),
    "a query nobody can pay": ("max_epsilon: 0.4", "max_epsilon: 4", "max_epsilon", "pay"),
    "a default above the maximum": ("default_epsilon: 0.25", "default_epsilon: 0.5", "default_epsilon", "maximum"),
    "no delta": ("{epsilon: 10, delta: 1.0e-6}", "{epsilon: 10}", "privacy.budget.delta", "delta"),
    "a delta that pure accounting has no use for": ("  min_units: 10", "  accounting: pure\n  min_units: 10", "privacy.budget.delta", "no delta"),
    "an account written as another's period": ("  min_units: 10", "  account: shop@2026-11\n  min_units: 10", "privacy.account", ""),
    "another accounting": ("  min_units: 10", "  accounting: renyi\n  min_units: 10", "privacy.accounting", ""),
    "dates turned round": ("valid: [2026-01-01, 2035-12-31]\n    uses: 100\n", "valid: [2036-01-01, 2035-12-31]\n    uses: 100\n", "grants.1.valid", "before"),
    "an unknown use": ("use: [aggregate]", "use: [agregate]", "amount.use", "Did you mean `aggregate`"),
    "a use like none": ("use: [aggregate]", "use: [x]", "amount.use", "`use` in policies/README.md"),
    "a key of a table": ("    per_unit:", "    per_units:", "tables.purchases.per_units", "Did you mean `per_unit`"),
    "a key of a column like none": ("{class: core}", "{kind: core}", "customer_id.kind", "bounds, class, granularity"),
    "a key of a plan": ("    per_query: 0.50", "    per_querys: 0.50", "prices.standard.per_querys", "per_query"),
    "a list of one without its brackets": ("purposes: [market-research]", "purposes: market-research", "grants.0.purposes", "not a list"),
    "a name for a mapping": ("{organisation: acme-retail, contact: data@acme.example}", "acme-retail", "provider", "not a mapping"),
    "a day that there is not": ("1998-06-30]", "1998-06-31]", "file", "no day 1998-06-31"),
    "a time that there is not": ("2035-12-31\n\nprivacy", "2035-12-31T25:00:00\n\nprivacy", "file", "is none"),
    "quoted dates": ("[1997-01-01, 1998-06-30]", '["1997-01-01", "1998-06-30"]', "purchased_on.bounds", "without quotes"),
    "an anchor within brackets": ("title: Online", "title: [&t Online] #", "file", "anchors"),
    "an alias of what holds it": ("title: Online", "title: [&t [*t]] #", "file", "anchors"),
    "brackets without end": ("title: Online", f"title: {'[' * 3000}{']' * 3000} #", "file", "nested"),
    "braces without end": ("title: Online", f"title: {'{a: ' * 40}x{'}' * 40} #", "file", "nested"),
    "an anchor": ("title: Online", "title: &t Online", "file", "anchors"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name):
    good, bad, path, word = MISTAKES[name]
    assert good in TEXT
    with pytest.raises(PolicyErrors) as caught:
        made(TEXT.replace(good, bad, 1))
    text = caught.value.detail
    assert path in text
    assert word in text
    assert all(problem.fix for problem in caught.value.problems)


def test_a_problem_quotes_no_more_than_the_key_that_stands_twice():
    with pytest.raises(PolicyErrors) as caught:
        parse(TEXT.replace("      basket:", "      quantity:"), "cdnow.yaml")
    (problem,) = caught.value.problems
    assert problem.message == 'found duplicate key "quantity"'
    assert TEXT.splitlines()[problem.line - 1].startswith("      basket:")


def test_a_day_that_there_is_not_is_told_with_its_line():
    with pytest.raises(PolicyErrors) as caught:
        parse(TEXT.replace("1998-06-30]", "1998-06-31]"), "cdnow.yaml")
    assert "1998-06-30]" in TEXT.splitlines()[caught.value.position.line - 1]


def test_a_line_is_told_where_the_text_has_one():
    with pytest.raises(PolicyErrors) as caught:
        parse(TEXT.replace("  min_units: 10", "  min_unit: 10"), "cdnow.yaml")
    (problem,) = [p for p in caught.value.problems if p.path == "privacy.min_unit"]
    assert TEXT.splitlines()[problem.line - 1].startswith("  min_units")


def test_a_view_is_refused():
    view = (table("calendar", ("day", "DATE", False), kind="view"), *FOUND.tables[:2])
    with pytest.raises(PolicyErrors) as caught:
        made(found=Inspection("s", view, (), ()))
    assert "view" in caught.value.detail


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


def test_a_key_of_another_type_than_its_target_is_refused():
    odd = table(
        "purchases",
        ("customer_id", "VARCHAR", False),
        *((c.name, c.type_text, c.nullable) for c in FOUND.tables[1].columns if c.name != "customer_id"),
    )
    with pytest.raises(PolicyErrors) as caught:
        made(found=Inspection("s", (FOUND.tables[0], odd, FOUND.tables[2]), FOUND.distinct, ()))
    assert "customer_id is VARCHAR, customer_id is BIGINT" in caught.value.detail


def test_two_accounts_over_one_private_table_are_refused():
    first = member(TEXT.replace("privacy:\n", "privacy:\n  account: one\n", 1))
    second = member(
        TEXT.replace("dataset: cdnow", "dataset: again").replace("privacy:\n", "privacy:\n  account: another\n", 1)
    )
    with pytest.raises(GatewayError) as caught:
        check_together((first, second))
    assert "two accounts" in caught.value.detail


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


def open_data(*columns, references=()):
    return EngineTable("calendar", "table", tuple(EngineColumn(*c) for c in columns), (), references)


def refused(text=TEXT, found=FOUND):
    document, lines = read(text, "cdnow.yaml")
    with pytest.raises(PolicyErrors) as caught:
        build(document, found, data_version="v1", base=Path("/data"), lines=lines)
    return caught.value


DAY = (("day", "DATE", False), ("month", "VARCHAR", False))


@pytest.mark.parametrize(
    ("calendar", "word"),
    [
        (open_data(*DAY, ("Customer_ID", "BIGINT", False)), "named like a key"),
        (open_data(*DAY, ("who", "BIGINT", False), references=((("who",), "customers"),)), "refers to 'customers'"),
        (open_data(*DAY, ("who", "BIGINT", False), references=((("who",), "unlisted"),)), "refers to 'unlisted'"),
    ],
)
def test_public_tables_hold_nothing_of_people(calendar, word):
    error = refused(found=Inspection("s", (*FOUND.tables[:2], calendar), (), ()))
    assert word in error.detail
    assert "tables.calendar" in error.detail
    assert "public: true" in error.problems[0].fix


def test_public_tables_may_refer_to_public_ones():
    month = (open_data(*DAY, references=((("month",), "months"),)), table("months", ("month", "VARCHAR", False)))
    text = TEXT.replace("grants:\n", "  months: {public: true, rows: 18}\ngrants:\n", 1)
    assert made(text, Inspection("s", (*FOUND.tables[:2], *month), (), ())).table("months").public


@pytest.mark.parametrize(
    ("good", "bad", "path", "word", "line"),
    [
        ("key: customer_id}", "key: customer}", "privacy.unit.key", "'customer'", "  unit: {table"),
        ("unit_path: {customer_id:", "unit_path: {customer:", "purchases.unit_path.customer", "'customer'", "    unit_path:"),
        ("bounds: [0, 50]", "bounds: [50, 0]", "quantity.bounds", "above", "      quantity:"),
        ("max_epsilon: 0.4", "max_epsilon: 4", "max_epsilon", "pay", "  per_query:"),
        ("price_plan: academic", "price_plan: gold", "grants.1.price_plan", "gold", "    price_plan: gold"),
        ("  calendar: {", "  __staged0: {", "tables.__staged0", "begin with __", "  __staged0"),
        ("  calendar: {", "  Purchases: {", "tables.Purchases", "twice", "  Purchases"),
        ("      basket: ", "      AMOUNT: {}\n      basket: ", "columns.AMOUNT", "twice", "      AMOUNT"),
    ],
)  # fmt: skip
def test_problems_that_the_engine_shows_have_file_and_line(good, bad, path, word, line):
    assert good in TEXT
    text = TEXT.replace(good, bad, 1)
    error = refused(text)
    (problem,) = [p for p in error.problems if p.path.endswith(path) and word in p.message]
    assert text.splitlines()[problem.line - 1].startswith(line)
    assert f"cdnow.yaml: line {problem.line}: " in error.detail


def test_names_have_no_case():
    text = TEXT.replace("customer_id", "CUSTOMER_ID").replace("      amount:", "      Amount:")
    dataset = made(text)
    assert dataset.table("customers").owner == dataset.table("purchases").owner == "customer_id"
    assert dataset.table("purchases").column("amount").bounds == (D(0), D(500))
    assert dataset.table("customers").unique == (("customer_id",),)


TODAY = date(2026, 11, 25)
VALID = "valid: [2026-01-01, 2035-12-31]"


@pytest.mark.parametrize(
    ("good", "bad", "word"),
    [
        ("  reviewed_by: reviewer@exchange.example\n", "", "not reviewed"),
        ("reviewer@exchange.example", "Acme-Retail", "owner"),
        ("reviewer@exchange.example", "data@acme.example", "owner"),
        ("valid_until: 2035-12-31", "valid_until: 2026-11-24", "until 2026-11-24"),
        (VALID, "valid: [2026-01-01, 2026-11-24]", "ended"),
        (VALID, "valid: [2026-11-26, 2035-12-31]", "holds today"),
        ("mode: authorised", "mode: federated", "mode"),
        (TEXT[TEXT.index("grants:") : TEXT.index("prices:")], "", "grants nobody"),
    ],
)
def test_a_policy_that_nobody_can_ask_says_so(good, bad, word):
    assert good in TEXT
    assert closed(made(), TODAY) == []
    (reason,) = closed(made(TEXT.replace(good, bad)), TODAY)
    assert word in reason


def test_a_suspended_policy_can_be_asked_by_nobody():
    broken = Inspection(FOUND.stamp, FOUND.tables, FOUND.distinct, ("customers.unique[customer_id]",))
    (reason,) = closed(made(found=broken), TODAY)
    assert "suspended" in reason


def test_a_unit_table_without_its_key_is_warned_of():
    (warning,) = warnings(made(TEXT.replace("    unique: [[customer_id]]\n", "")))
    assert "unique: [[customer_id]]" in warning


def test_a_largest_query_that_no_budget_pays_in_rho_is_refused():
    def converted(text):
        dataset = made(text)
        convert_budgets(dataset.privacy, dataset.grants, read(text, "cdnow.yaml")[1])

    converted(TEXT)
    converted(TEXT.replace("max_epsilon: 0.4", "max_epsilon: 0.592"))
    text = TEXT.replace("max_epsilon: 0.4", "max_epsilon: 0.6")
    with pytest.raises(PolicyErrors) as caught:
        converted(text)
    assert "At most 0.592" in caught.value.detail
    assert "max_epsilon: 0.6" in text.splitlines()[caught.value.problems[0].line - 1]
