"""Every mistake in a policy is named with its path, line and fix, whether the file or the engine shows it."""

from pathlib import Path

import pytest
from support.policies import FOUND, TEXT, made, table

from gateway.catalog.build import build
from gateway.catalog.inspection import EngineColumn, EngineTable, Inspection
from gateway.catalog.load import PolicyErrors, parse, read


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


def test_a_key_of_another_type_than_its_target_is_refused():
    odd = table(
        "purchases",
        ("customer_id", "VARCHAR", False),
        *((c.name, c.type_text, c.nullable) for c in FOUND.tables[1].columns if c.name != "customer_id"),
    )
    with pytest.raises(PolicyErrors) as caught:
        made(found=Inspection("s", (FOUND.tables[0], odd, FOUND.tables[2]), FOUND.distinct, ()))
    assert "customer_id is VARCHAR, customer_id is BIGINT" in caught.value.detail


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


def test_a_column_that_capitals_alone_tell_apart_is_refused_where_it_is_read():
    twins = table(
        "customers", ("CUSTOMER_ID", "BIGINT", False), ("customer_id", "BIGINT", False), ("cohort", "VARCHAR", False)
    )
    error = refused(found=Inspection("s", (twins, *FOUND.tables[1:]), FOUND.distinct, ()))
    told = {p.path for p in error.problems if "capitals alone" in p.message}
    assert told == {"tables.customers.columns.CUSTOMER_ID", "tables.customers.columns.customer_id"}
    unread = table(
        "customers",
        *((c.name, c.type_text, c.nullable) for c in FOUND.tables[0].columns),
        ("Z", "DATE", True),
        ("z", "DATE", True),
    )
    made(found=Inspection("s", (unread, *FOUND.tables[1:]), FOUND.distinct, ()))


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
