"""Differences in words: whatever is changed in a policy has a sentence, and what matters most has words of its own."""

import copy

import pytest
from pydantic import BaseModel
from support.gateways import POLICY

from gateway.catalog.differences import compared, differences
from gateway.catalog.load import parse, policy_version
from gateway.catalog.manifest import manifest_digest

FULL = (
    POLICY.replace("organisation: acme}", "organisation: acme, contact: data@acme.example}")
    .replace("legal_basis: contract,", "legal_basis: contract, retention: three years, personal: true, important: no,")
    .replace("epsilon: 50, delta: 1.0e-6}", "epsilon: 50, delta: 1.0e-6}\n  per_organisation: {epsilon: 9, delta: 1.0e-7}"
             "\n  per_buyer: {epsilon: 5, delta: 1.0e-8}\n  account: people"
             "\n  refill: {every: year, admits: over time one person may lose any amount of privacy}")
    .replace("granularity: 0.01", "granularity: 0.01, per_unit_sum: [0, 900], nullable: false")
    .replace("valid_until: 2099-12-31}", "valid_until: 2099-12-31, cross_border: {home: CN, threshold: 500, units: 300}}")
    .replace("price_plan: standard}", "price_plan: standard, name: main, mode: authorised, jurisdictions: [CN], recipient_jurisdiction: CN,"
             " valid: [2026-01-01, 2026-12-31], uses: 100, rate: 9/min, at_once: 3,"
             " budget: {epsilon: 2, delta: 1.0e-9}, spend: {amount: 90, per: month}}\n"
             "  - {to: {organisation: others, subject: bob}}")
    .replace("per_epsilon: 20.00", "per_epsilon: 20.00, per_million_rows: 0.1, minimum: 0.2,"
             " class_factor: {important: 2}, income_split: {acme: 0.9, exchange: 0.1}")
    .replace("public: true, rows: 546", "public: true, class: general, rows: 546")
    + "retention: {query_texts: 30, answers: 90}\nconfirm: [tables.purchases]\n"
)  # fmt: skip


def document(text=FULL):
    return parse(text, "shop.yaml")


def said(old, new):
    return [one.words for one in differences(document(old), document(new))]


def places(value, path=()):
    """Return the place of every value in what a document is written as."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))
    else:
        yield path


def another(value):
    """Return another value of a kind."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + "x"
        case list():
            return value[::-1] if len(value) > 1 else ["x"]
        case dict():
            return {"x": "x"}
    return "x"


WRITTEN = document().model_dump(mode="json", by_alias=True)


@pytest.mark.parametrize("place", list(places(WRITTEN)), ids=lambda place: ".".join(map(str, place)))
def test_every_value_of_the_model_that_changes_has_a_sentence(place):
    changed = copy.deepcopy(WRITTEN)
    node = changed
    for part in place[:-1]:
        node = node[part]
    node[place[-1]] = another(node[place[-1]])
    assert changed != WRITTEN
    found = compared(WRITTEN, changed)
    assert found, place
    assert compared(changed, WRITTEN), place
    assert all(one.words.endswith(".") for one in found)
    assert not any("object at" in one.words for one in found)


def test_grants_in_another_order_have_a_sentence():
    changed = copy.deepcopy(WRITTEN)
    changed["grants"].reverse()
    (order,) = compared(WRITTEN, changed)
    assert order.words == (
        "Grants stand as [others:bob, main], and stood as [main, others:bob]: the first that covers a request is taken."
    )


def test_every_key_of_the_model_is_in_the_policy_that_the_test_walks():
    """A key that a later gateway adds has to be added to FULL, or nobody would see that it has words."""
    missing = sorted(_unset(document()))
    assert missing == [], missing


def _unset(value, path=""):
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            inner = getattr(value, name)
            if (inner is None or inner in ((), {})) and not _set_somewhere(type(value), name):
                yield f"{path}.{name}"
            yield from _unset(inner, f"{path}.{name}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _unset(inner, f"{path}.{key}")
    elif isinstance(value, tuple):
        for inner in value:
            yield from _unset(inner, path)


def _set_somewhere(model, name):
    return any(isinstance(one, model) and getattr(one, name) not in (None, (), {}) for one in _models(document()))


def _models(value):
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from _models(getattr(value, name))
    elif isinstance(value, dict | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _models(inner)


@pytest.mark.parametrize("changed", [("1998-06-30", "1998-06-29"), ("[0, 50]", "[0, 51]"), ('"1997-03"', '"1997-04"')])
def test_another_day_or_value_is_another_version(changed):
    assert policy_version(document(FULL.replace(*changed))) != policy_version(document())


def test_the_same_policy_has_no_difference():
    assert differences(document(), document()) == ()


@pytest.mark.parametrize(("old", "new", "words"), [
    ("purposes: [research]", "purposes: [research, teaching]", "The grant 'main' gains purposes teaching."),
    ("purposes: [research]", "purposes: [teaching]", "The grant 'main' loses purposes research."),
    ("purposes: [research], ", "", "The grant 'main' gains: it is no longer held to purposes [research]."),
    ("uses: 100", "uses: 50", "The grant 'main' loses: the number of uses 100 becomes 50."),
    ("uses: 100, ", "", "The grant 'main' gains: the number of uses 100 becomes nothing."),
    ("basket: {use: [group, filter]}", "basket: {use: [group]}", "The column purchases.basket loses use filter."),
    ("class: important", "class: general", "The column purchases.amount is of class general, and was of class important."),
    ("bounds: [0, 50]", "bounds: [0, 60]", "The column purchases.quantity: its bounds [0, 50] becomes [0, 60]."),
    ("      basket: {use: [group, filter]}\n", "", "Buyers lose the column purchases.basket, which they might group, filter by."),
    ("epsilon: 50,", "epsilon: 60,", "Buyers gain: the epsilon of everyone together 50 becomes 60."),
    ("rows: 5,", "rows: 4,", "The table purchases: the rows of one unit that count in a group 5 becomes 4."),
    ("per_query: 0.50", "per_query: 0.60", "The price plan 'standard' costs more: per_query 0.5 becomes 0.6."),
    ("acme: 0.9, exchange: 0.1", "acme: 0.9, coop: 0.1", "coop is paid 0.1 of what the price plan 'standard' takes, and was paid 0."),
    ("query_texts: 30", "query_texts: 60", "The provider reads queries' SQL for 60 days, and did for 30."),
    ("valid_until: 2099-12-31", "valid_until: 2098-12-31", "The last day is 2098-12-31, and was 2099-12-31."),
])  # fmt: skip
def test_what_matters_most_has_words_of_its_own(old, new, words):
    assert old in FULL
    assert words in said(FULL, FULL.replace(old, new, 1))


def test_a_grant_that_comes_or_goes_is_one_sentence():
    gone = FULL.replace("  - {to: {organisation: others, subject: bob}}\n", "")
    (lost,) = said(FULL, gone)
    assert lost == "others (bob) loses its grant 'others:bob' (mode authorised, at_once 16)."
    (gained,) = said(gone, FULL)
    assert gained == "others (bob) gains a grant 'others:bob': mode authorised, at_once 16."


def test_a_table_that_comes_or_goes_is_one_sentence():
    gone = FULL.replace("  calendar: {public: true, class: general, rows: 546, unique: [[day]]}\n", "")
    assert said(FULL, gone) == ["Buyers lose the table calendar."]
    (gained,) = said(gone, FULL)
    assert gained.startswith("Buyers gain the public table calendar: ")


@pytest.mark.parametrize("changed", [
    ("title: A shop", "title: The shop"), ("uses: 100", "uses: 200"), ("per_query: 0.50", "per_query: 0.70"),
    ("path: shop.duckdb", "path: other.duckdb"), ("epsilon: 50", "epsilon: 60"), ("bounds: [0, 50]", "bounds: [0, 40]"),
    ("valid_until: 2099-12-31", "valid_until: 2098-12-31"), ("reviewed_by: reviewer", "reviewed_by: another"),
    ("rows: 1000", "rows: 2000"), ("data@acme.example", "us@acme.example"),
])  # fmt: skip
def test_a_review_does_not_cover(changed):
    new = FULL.replace(*changed)
    assert policy_version(document(new)) != policy_version(document())
    assert manifest_digest(document(new)) == manifest_digest(document())


@pytest.mark.parametrize("changed", [
    ("source: own", "source: bought"), ("legal_basis: contract", "legal_basis: consent"),
    ("retention: three years", "retention: four years"), ("personal: true", "personal: false"),
    ("important: no", "important: yes"), ("class: important", "class: general"), ("query_texts: 30", "query_texts: 31"),
    ("basket: {use: [group, filter]}", "basket: {use: [group]}"), ("{customer_id: customers.customer_id}", "{other: customers.customer_id}"),
    ("key: customer_id", "key: other"), ("organisation: acme,", "organisation: green,"), ("calendar:", "calendars:"),
])  # fmt: skip
def test_a_review_covers(changed):
    assert changed[0] in FULL
    assert manifest_digest(document(FULL.replace(*changed))) != manifest_digest(document())
