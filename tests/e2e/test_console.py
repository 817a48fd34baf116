"""The console in a real browser: a buyer asks, a supervisor watches, a provider and billing look at the same query."""

import pytest
from playwright.sync_api import expect
from support.gateways import held_up

pytestmark = pytest.mark.browser

WRONG = "SELECT cohrt, COUNT(*) AS n\nFROM customers\nGROUP BY cohrt"
RIGHT = "SELECT cohort, COUNT(*) AS n\nFROM customers\nGROUP BY cohort"
BY_DATE = (
    "SELECT DATE_TRUNC('month', purchased_on) AS month, COUNT(*) AS n, AVG(amount) AS mean FROM purchases "
    "WHERE purchased_on BETWEEN '1997-01-01' AND '1997-12-31' GROUP BY 1 ORDER BY 1"
)


def asked(page, sql):
    """Ask a question and return its id once the answer is there."""
    page.goto("/console/ask")
    page.get_by_label("SQL", exact=True).fill(sql)
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Answer", timeout=20_000)
    return page.url.rsplit("/", 1)[1]


def test_a_question_from_its_first_letters_to_the_bill(visitor, gateway):
    buyer = visitor()
    buyer.page.goto("/console/sign-in")
    found = buyer.look("sign-in")
    page = buyer.sign_in(gateway.token())
    found += buyer.look("datasets")
    page.get_by_role("link", name="A shop").click()
    expect(page.get_by_role("cell", name="1997-01, 1997-02, 1997-03")).to_be_visible()
    found += buyer.look("dataset")

    # a refusal stands at the text, and its hint mends it
    page.get_by_role("link", name="Ask").first.click()
    sql, quote = page.get_by_label("SQL", exact=True), page.locator("#quote")
    sql.fill(WRONG)
    expect(quote).to_contain_text("unknown_column")
    expect(quote.locator("mark")).to_have_text("cohrt")
    expect(page.locator("#marks mark")).to_have_text("cohrt")
    found += buyer.look("refusal")
    sql.fill(RIGHT)
    expect(quote).to_contain_text("4.50 CNY")
    expect(quote).to_contain_text("± 10")
    found += buyer.look("quote")

    # bars, and a receipt that was checked
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Answer", timeout=20_000)
    query_id = page.url.rsplit("/", 1)[1]
    expect(page.get_by_role("cell", name="1997-02")).to_be_visible()
    expect(page.locator(".chart canvas")).to_have_count(1)
    expect(page.locator("td.bar svg")).to_have_count(3)
    expect(page.locator(".badge.good")).to_contain_text("verified")
    found += buyer.look("answer")
    page.get_by_role("link", name="Show the receipt").click()
    expect(page.locator(".checks")).to_contain_text("this very answer")
    found += buyer.look("receipt")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save the receipt").click()
    assert saved.value.suggested_filename == f"{query_id}.receipt.json"

    for role, subject, organisation, place in (
        ("billing", "clerk", "acme", "Billing"),
        ("supervisor", "sam", "authority", "Supervision"),
        ("provider", "eve", "acme", "My data"),
    ):
        other = visitor()
        seen = other.sign_in(gateway.token(subject, organisation, (role,), None))
        seen.get_by_role("link", name=place, exact=True).click()
        expect(seen.get_by_text(query_id).first).to_be_visible()
        found += other.look(role)
    assert found == []


def test_dates_are_drawn_as_lines_and_the_budget_as_steps(visitor, gateway):
    buyer = visitor()
    page = buyer.sign_in(gateway.token())
    asked(page, BY_DATE)
    expect(page.locator(".chart canvas")).to_have_count(2)
    found = buyer.look("answer-by-date")
    for place in ("History", "Budget"):
        page.get_by_role("link", name=place, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(place)
        found += buyer.look(place.lower())
    expect(page.locator(".chart canvas")).to_have_count(1)
    assert found == []


def test_a_running_question_is_followed_to_its_answer_or_to_its_end(visitor, gateway):
    buyer = visitor()
    page = buyer.sign_in(gateway.token())
    for aim, button in (("1.1", None), ("1.2", "Cancel")):
        page.goto("/console/ask")
        page.get_by_label("SQL", exact=True).fill(RIGHT)
        page.get_by_label("Spend or reach").select_option("epsilon")
        page.get_by_label("How much").fill(aim)
        with held_up(gateway):
            page.get_by_role("button", name="Ask").click()
            expect(page.locator("[aria-current=step]")).to_have_text("Add noise", timeout=20_000)
            if button is None:
                assert buyer.look("running") == []
            else:
                page.get_by_role("button", name=button).click()
                expect(page.get_by_role("heading", level=1)).to_have_text("Cancelled")
        if button is None:
            expect(page.get_by_role("heading", level=1)).to_have_text("Answer", timeout=20_000)


def test_the_feed_shows_a_decision_as_it_is_made(visitor, gateway):
    watching = visitor().sign_in(gateway.token("sam", "authority", ("supervisor",), None))
    watching.goto("/console/feed")
    status, refused = gateway.ask("SELECT amount FROM purchases")
    assert (status, refused["code"]) == (400, "raw_rows")
    expect(watching.locator("#feed tbody tr").first).to_contain_text("raw_rows", timeout=5_000)
    status, answer = gateway.ask("SELECT COUNT(*) AS n FROM purchases")
    assert status == 200
    expect(watching.locator("#feed tbody tr").first).to_contain_text(answer["query_id"], timeout=5_000)


def test_a_supervisor_freezes_a_buyer_who_sees_it_and_lifts_it(visitor, gateway):
    buyer, watching = visitor(), visitor()
    page = buyer.sign_in(gateway.token("mia"))
    asked(page, RIGHT)
    feed = watching.sign_in(gateway.token("sam", "authority", ("supervisor",), None))
    feed.goto("/console/feed")
    feed.get_by_role("link", name="widgets/mia").first.click()
    expect(feed.get_by_label("Subject")).to_have_value("mia")
    feed.get_by_label("Reason", exact=True).fill("an alert")
    feed.get_by_role("button", name="Freeze").click()
    expect(feed.get_by_role("rowheader", name="widgets/mia")).to_be_visible()
    found = watching.look("freezes")
    page.goto("/console/ask")
    page.get_by_label("SQL", exact=True).fill(RIGHT)
    expect(page.locator("#quote")).to_contain_text("Your use of the gateway is frozen.")
    found += buyer.look("frozen")
    feed.get_by_label("Why the freeze of widgets/mia is lifted").fill("looked at")
    feed.get_by_role("button", name="Lift").click()
    expect(feed.get_by_text("Nothing is frozen.")).to_be_visible()
    asked(page, RIGHT)
    assert found == []


def test_the_editor_completes_names_with_the_keyboard_alone(visitor, gateway):
    page = visitor().sign_in(gateway.token())
    page.goto("/console/ask")
    sql = page.get_by_label("SQL", exact=True)
    sql.focus()
    page.keyboard.type("SELECT coh")
    expect(page.get_by_role("option", name="cohort")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type(", COUNT(*) AS n FROM cust")
    expect(page.get_by_role("option", name="customers table")).to_be_visible()
    page.keyboard.press("Control+ ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.type(" GROUP BY cohort AS n")
    page.keyboard.press("Enter")  # nothing is chosen: a line break, no word
    page.keyboard.press("Escape")
    assert sql.input_value() == "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort AS n\n"
    for _ in " AS n\n":
        page.keyboard.press("Backspace")
    expect(page.locator("#quote")).to_contain_text("± 10")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Answer", timeout=20_000)


def test_a_question_is_asked_and_answered_without_script(visitor, gateway):
    page = visitor(java_script_enabled=False).sign_in(gateway.token())
    page.goto("/console/ask")
    page.get_by_label("SQL", exact=True).fill(WRONG)
    page.get_by_role("button", name="Quote").click()
    expect(page.locator("#quote mark")).to_have_text("cohrt")
    page.get_by_label("SQL", exact=True).fill(RIGHT)
    page.get_by_role("button", name="Quote").click()
    expect(page.locator("#quote")).to_contain_text("± 10")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Answer", timeout=20_000)
    expect(page.get_by_role("cell", name="1997-02")).to_be_visible()


def test_a_token_that_is_taken_back_ends_its_session_at_once(visitor, gateway):
    token = gateway.token("bob")
    somebody = visitor()
    page = somebody.sign_in(token)
    page.goto("/console/ask")
    status, _ = gateway.call("POST", "/v1/tokens/revoke", {"subject": "bob", "organisation": "widgets"}, token=token)
    assert status == 200
    page.get_by_label("SQL", exact=True).fill(RIGHT)  # the quote of it finds nobody signed in
    page.wait_for_url("**/console/sign-in")
    page.goto("/console/datasets")
    assert page.url.endswith("/console/sign-in")
    assert ["401" in said for said in somebody.complaints] == [True]
    somebody.complaints.clear()


def test_the_pages_are_chinese_where_that_is_chosen(visitor, gateway):
    somebody = visitor()
    page = somebody.sign_in(gateway.token())
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("数据集")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    page.goto("/console/ask")
    page.get_by_label("SQL", exact=True).fill(RIGHT)
    expect(page.locator("#quote")).to_contain_text("± 10")
    expect(page.get_by_role("heading", name="预期误差（95 %）")).to_be_visible()
    assert somebody.look("ask-zh") == []
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ask")


REFUSING = {
    "no such dataset": ("/console/datasets/nothing", "unknown_dataset"),
    "no such query": ("/console/queries/nothing", "not_found"),
    "another role's page": ("/console/freezes", "forbidden"),
    "no such page": ("/console/no/such/page", "not_found"),
}


@pytest.mark.parametrize("name", REFUSING)
def test_pages_that_refuse_are_read_as_well_as_others(visitor, gateway, name):
    path, code = REFUSING[name]
    somebody = visitor()
    page = somebody.sign_in(gateway.token())
    page.goto(path)
    expect(page.locator("body")).to_contain_text(code)
    assert somebody.look(f"refused-{code}") == []
    somebody.complaints.clear()  # that the page's status is an error
