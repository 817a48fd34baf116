"""Whole tasks in a real browser: a buyer tries, asks for real, fits a model and disputes; an arbiter decides."""

import json
from decimal import Decimal

import pytest
from playwright.sync_api import expect
from support.gateways import POLICY, Gateway

pytestmark = pytest.mark.browser

MODELS = (
    "  - {name: models, to: {organisation: widgets}, mode: modelling, purposes: [research], price_plan: standard}\n"
)
TASKS = (
    POLICY.replace("grants:\n", "grants:\n" + MODELS)
    .replace("epsilon: 50", "epsilon: 500")
    .replace("max_epsilon: 2", "max_epsilon: 20")
    .replace("bounds: [0, 50]", "bounds: [0, 9]")  # where the values lie: a model stands out of its noise
)
WRONG, RIGHT = "SELECT cohrt, COUNT(*) AS n FROM customers GROUP BY 1", "SELECT COUNT(*) AS n FROM purchases"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    made = Gateway(tmp_path_factory.mktemp("tasks"), TASKS)
    made.make_data()
    made.start()
    yield made
    assert made.stop() == 0


def refused(somebody):
    """Forget that the statuses of pages were errors; all else that was complained of is kept."""
    somebody.complaints[:] = [said for said in somebody.complaints if "the server responded with a status" not in said]


def cases(gateway):
    return json.loads(gateway.call("GET", "/v1/cases")[1])["cases"]


def test_a_buyer_tries_on_synthetic_rows_and_asks_for_real_with_the_same_text(visitor, gateway):
    spent, buyer = gateway.spent(), visitor()
    page = buyer.sign_in(gateway.token())
    page.get_by_role("link", name="Sandbox").click()
    expect(page.get_by_role("region", name="Synthetic rows: purchases").get_by_role("row")).to_have_count(6)
    sql, answer = page.get_by_label("SQL", exact=True), page.locator("#quote")
    sql.fill(WRONG)
    page.get_by_role("button", name="Try").click()
    expect(answer).to_contain_text("unknown_column", timeout=20_000)
    expect(page.locator("#marks mark")).to_have_text("cohrt")
    expect(sql).to_have_value(WRONG)
    sql.fill(RIGHT)
    page.get_by_role("button", name="Try").click()
    expect(answer.locator("td.bar svg")).to_have_count(1, timeout=20_000)
    expect(answer).to_contain_text("no figure here says anything of the data")
    assert abs(int(answer.locator("td.n").first.inner_text().replace(",", "")) - 1000) < 300  # as many as are declared
    found = buyer.look("sandbox")
    assert gateway.spent() == spent
    page.get_by_role("button", name="Ask for real").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ask")
    expect(sql).to_have_value(RIGHT)
    expect(page.locator("#quote")).to_contain_text("4.50 CNY")
    assert gateway.spent() == spent
    refused(buyer)
    assert found == []


def test_a_buyer_fits_a_model_for_what_it_was_quoted_and_once(visitor, gateway):
    buyer = visitor()
    page = buyer.sign_in(gateway.token())
    page.get_by_role("link", name="Models").click()
    page.get_by_label("quantity is a feature").check()
    page.get_by_label("amount is the target").check()
    epsilon = page.get_by_label("Epsilon")
    epsilon.fill("21")
    page.get_by_role("button", name="Quote").click()
    expect(page.locator("#epsilon-fault")).to_contain_text("epsilon_too_large")
    expect(epsilon).to_have_attribute("aria-invalid", "true")
    expect(epsilon).to_have_value("21")
    found = buyer.look("model-refused")
    epsilon.fill("20")
    page.get_by_role("button", name="Quote").click()
    quoted = page.locator("#quote dd.large").first
    expect(quoted).to_have_text("400.50 CNY")
    expect(page.get_by_label("quantity is a feature")).to_be_checked()
    page.get_by_role("button", name="Fit").click()
    fitted = page.locator("#fitted")
    expect(fitted.locator("dd.large").first).to_have_text("400.50 CNY", timeout=20_000)
    expect(fitted.get_by_role("rowheader")).to_have_text(["(intercept)", "quantity"])
    expect(fitted.locator("path.dot")).to_have_count(2)
    expect(fitted.locator("line:not(.zero)")).to_have_count(2 * 3)  # a bar and its two ends
    shown = fitted.get_by_role("cell").all_inner_texts()
    found += buyer.look("model-fitted")
    spent = gateway.spent()
    page.reload()  # the form is sent again
    expect(fitted.get_by_role("rowheader")).to_have_text(["(intercept)", "quantity"], timeout=20_000)
    assert (fitted.get_by_role("cell").all_inner_texts(), gateway.spent()) == (shown, spent)
    page.get_by_role("link", name="Its answer and receipt").click()
    expect(page.locator(".badge.good")).to_contain_text("verified")
    refused(buyer)
    assert found == []


def test_a_model_of_ones_own_select_is_fitted_without_script(visitor, gateway):
    page = visitor(java_script_enabled=False).sign_in(gateway.token())
    page.goto("/console/models")
    page.get_by_label("Kind").select_option("Contingency table")
    page.get_by_label("Rows of").select_option("a SELECT of my own")
    page.get_by_role("button", name="Show its columns").click()
    page.get_by_label("SELECT of the rows").fill("SELECT cohort FROM customers")
    page.get_by_label("Features").fill("cohort")
    page.get_by_label("Epsilon").fill("2")
    page.get_by_role("button", name="Fit").click()
    rows = page.get_by_role("region", name="Cells").get_by_role("rowheader")
    expect(rows).to_have_text(["1997-01", "1997-02", "1997-03"], timeout=20_000)


@pytest.fixture
def answer(gateway):
    status, found = gateway.ask("SELECT COUNT(*) AS n FROM purchases WHERE quantity < 5", epsilon=0.3)
    assert (status, found["price"]["amount"]) == (200, "6.50")
    return found


def opened(page, answer):
    """Open a case from an answer's page, after a query that is nobody's was refused and nothing else was lost."""
    page.goto(f"/console/queries/{answer['query_id']}")
    page.get_by_role("link", name="Dispute it").click()
    query = page.get_by_label("Query")
    expect(query).to_have_value(answer["query_id"])
    query.fill("nobody's")
    page.get_by_label("Reason").fill("wider than the quote said")
    page.get_by_role("button", name="Open a case").click()
    expect(page.locator("#query_id-fault")).to_contain_text("not_found")
    expect(page.get_by_label("Reason")).to_have_value("wider than the quote said")
    query.fill(answer["query_id"])
    page.get_by_role("button", name="Open a case").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Case")


def decided(page, amount, charged):
    """Decide a case, after more than was charged was refused and the finding was not lost."""
    finding, refund = page.get_by_label("Finding"), page.get_by_label(f"Refund in CNY, at most {charged}")
    finding.fill("The quote was met\nin two cities.")
    refund.fill("7")
    page.get_by_role("button", name="Decide").click()
    expect(page.locator("#refund-fault")).to_contain_text(f"At most {charged} CNY was charged.")
    expect(finding).to_have_value("The quote was met in two cities.")
    refund.fill(amount)
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_text("court/jo")).to_be_visible()
    expect(page.get_by_role("button", name="Decide")).to_have_count(0)


def test_a_buyer_disputes_an_answer_and_an_arbiter_decides_on_the_evidence(visitor, gateway, answer):
    buyer, judge = visitor(), visitor()
    page = buyer.sign_in(gateway.token())
    opened(page, answer)
    (case,) = cases(gateway)
    assert (case["query_id"], page.url.rsplit("/", 1)[1]) == (answer["query_id"], case["case_id"])
    bench = judge.sign_in(gateway.token("jo", "court", ("arbiter",), None))
    found = judge.look("cases")
    bench.get_by_role("link", name=case["case_id"]).click()
    found += judge.look("case")
    bench.get_by_role("link", name="Look at the evidence").click()
    expect(bench.locator(".badge.good")).to_contain_text("verified")
    expect(bench.get_by_text(answer["query_id"]).first).to_be_visible()
    found += judge.look("evidence")
    with bench.expect_download() as saved:
        bench.get_by_role("link", name="Save the evidence").click()
    assert saved.value.suggested_filename == f"{case['case_id']}.zip"
    bench.goto(f"/console/cases/{case['case_id']}")
    decided(bench, "2.50", "6.50")
    page.reload()
    expect(page.get_by_text("2.50 CNY")).to_be_visible()
    (case,) = cases(gateway)
    assert Decimal(case["decision"]["refund"]) == Decimal("2.50")
    refused(buyer)
    refused(judge)
    assert found == []
