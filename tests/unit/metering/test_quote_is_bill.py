"""Quote = bill: for any plan and question, the quoted price is the charged amount and the invoice's, to the last digit."""

import asyncio
import json
import tempfile
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.billing import lines_of
from support.shop import CALLER, GRANT, NOW, PLAN, SHOP
from support.stores import Clock, ledger_of

from gateway.answer import quote_document
from gateway.catalog.model import DataClass
from gateway.metering.charges import charges
from gateway.metering.invoices import fold
from gateway.metering.periods import month
from gateway.orders import cost, draws, order
from gateway.planning import plan
from gateway.programs import PlanJob
from gateway.request import Request
from gateway.store.database import open_store

QUESTIONS = (
    "SELECT COUNT(*) AS n FROM purchases",
    "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort",
    "SELECT SUM(amount) AS s FROM purchases",
    "SELECT c.cohort, SUM(p.quantity) AS s FROM purchases p JOIN customers c ON p.customer_id = c.customer_id GROUP BY 1",
    "SELECT quarter, COUNT(*) AS n FROM calendar GROUP BY quarter",
    "SELECT basket, COUNT(DISTINCT customer_id) AS n FROM purchases GROUP BY basket",
)
MONEY = st.decimals(0, 1000, places=9)
PLANS = st.builds(
    replace,
    st.just(PLAN),
    currency=st.sampled_from(("CNY", "JPY", "KWD")),
    per_query=MONEY,
    per_epsilon=MONEY,
    per_million_rows=MONEY,
    minimum=st.sampled_from((D(0), D("0.015"), D(40))),
    class_factor=st.sampled_from(((), ((DataClass.GENERAL, D("0.7")), (DataClass.IMPORTANT, D("2.3"))))),
    income_split=st.sampled_from(((), (("acme", D("0.85")), ("exchange", D("0.15"))), tuple((f"p{i}", D("0.125")) for i in range(8)))),
)  # fmt: skip


def asked(sql, epsilon):
    request = Request(sql=sql, dataset="shop", purpose=None, epsilon=epsilon, dialect="duckdb", row_limit=None,
                      idempotency_key=None, body_digest="b")  # fmt: skip
    return request, plan(PlanJob(SHOP, CALLER, request, NOW, GRANT))


async def bought(dataset, questions):
    """Quote, charge and bill each question; return the quotes' prices, and what the meter and the invoice say."""
    with tempfile.TemporaryDirectory() as folder:
        store = await open_store(Path(folder))
        ledger, quoted = ledger_of(store, Clock(NOW)), {}
        grant = dataset.grants[0]
        for number, (sql, epsilon, half) in enumerate(questions):
            request, planned = asked(sql, epsilon)
            stored = frozenset(draws(planned)[:1] if half and len(draws(planned)) > 1 else ())
            due = cost(planned, dataset, grant, stored)
            quoted[f"Q{number}"] = quote_document(planned, dataset, due)["price"]
            wanted = order(f"Q{number}", planned, dataset, CALLER, request, grant, due, NOW)
            await ledger.charge(replace(wanted, accounts=(), draws=(f"draw {number}",)))
        found = charges(await lines_of(store))
        await store.close()
        return quoted, found


ASKED = st.lists(
    st.tuples(st.sampled_from(QUESTIONS), st.sampled_from((None, D("0.1"), D("0.123456789012"))), st.booleans()),
    min_size=1,
    max_size=5,
)


@settings(max_examples=8)
@given(PLANS, ASKED)
def test_the_quoted_price_is_the_events_and_the_invoices(prices, questions):
    _one_price(prices, questions)


@pytest.mark.long
@settings(max_examples=200)
@given(PLANS, ASKED)
def test_two_hundred_quoted_prices_are_the_events_and_the_invoices(prices, questions):
    _one_price(prices, questions)


def _one_price(prices, questions):
    dataset = replace(SHOP, prices=(prices,), grants=(replace(GRANT, price_plan=prices.name),))
    quoted, found = asyncio.run(bought(dataset, questions))
    assert {charge.query_id: f"{charge.amount:f}" for charge in found} == {q: p["amount"] for q, p in quoted.items()}
    assert all(charge.plan_version == quoted[charge.query_id]["version"] for charge in found)
    (bill,) = fold(found, month("2026-11", "UTC"))
    assert f"{bill.total:f}" == f"{sum(D(p['amount']) for p in quoted.values()):f}"
    assert sum(bill.income.values()) == bill.total
    payees = [payee for payee, _ in prices.income_split] or [SHOP.provider]
    assert set(bill.income) == set(payees)


def test_a_stored_answer_is_free():
    _, planned = asked(QUESTIONS[0], None)
    due = cost(planned, SHOP, GRANT, frozenset(draws(planned)))
    assert due.free
    assert json.dumps(quote_document(planned, SHOP, due)["price"]) == json.dumps(
        {"amount": "0", "currency": "XXX", "plan": None, "version": None}
    )


def test_a_charge_names_the_tables_and_columns_that_it_read():
    request, planned = asked(QUESTIONS[3], None)
    due = cost(planned, SHOP, GRANT, frozenset())
    facts = json.loads(order("Q1", planned, SHOP, CALLER, request, GRANT, due, NOW).facts)
    assert facts["tables"] == ["customers", "purchases"]
    assert facts["columns"] == ["customers.cohort", "purchases.quantity"], "keys are joined on without a use"
