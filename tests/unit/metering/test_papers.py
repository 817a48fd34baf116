"""Documents as JSON, CSV and a page: nothing that an outsider wrote is run, nothing from elsewhere is loaded."""

import csv
import io
import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal as D
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from gateway.metering.invoices import CREDIT_NOTE, INVOICE, Bill, Line, statements
from gateway.metering.issuing import Issued
from gateway.metering.papers import Papers, as_csv, as_html, as_json, content_security_policy
from gateway.metering.periods import month

PERIOD = month("2026-10", "Asia/Shanghai")
EVIL = '<script>alert("x")</script>'
LINE = Line(1, EVIL, "g", "standard", "sha256:" + "a" * 64, 1200, D("120.000000000"), D("1234.50"), {"acme": D("1234.50"), "=cmd|' /C calc'!A0": D("0.00")})  # fmt: skip
INVOICED = Bill(
    INVOICE, 7, "=HYPERLINK(1)", "CNY", PERIOD, (LINE,), "sha256:" + "b" * 64, datetime(2026, 11, 1, tzinfo=UTC)
)
NOTE = Bill(
    CREDIT_NOTE, 8, "@org", "CNY", PERIOD,
    (replace(LINE, dataset="shop", queries=0, amount=D("-3.50"), income={"acme": D("-3.50")}),),
    None, datetime(2026, 11, 2, tzinfo=UTC), 7, f"wrong & {EVIL}",
)  # fmt: skip
BILLS = (Issued(INVOICED, "ab" * 16, 12), Issued(NOTE, "cd" * 16, 13))
PAPERS = Papers(PERIOD, BILLS, statements((INVOICED, NOTE)))


class Page(HTMLParser):
    VOID = frozenset({"meta", "br", "col"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.words, self.styles = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.styles if self.open[-1:] == ["style"] else self.words).append(data)


PAGE = Page(as_html(PAPERS))


def test_the_page_is_whole_and_runs_and_loads_nothing():
    assert PAGE.open == []
    assert not {"script", "img", "link", "iframe", "form", "object", "a"} & set(PAGE.tags)
    names = {name for _, name, _ in PAGE.attributes}
    assert not {"src", "href", "style", "action"} & names
    assert not any(name.startswith("on") for name in names)
    assert "url(" not in "".join(PAGE.styles)
    assert "@import" not in "".join(PAGE.styles)


def test_what_outsiders_wrote_stands_as_text():
    words = "".join(PAGE.words)
    assert words.count(EVIL) == 4, "dataset in line and two shares, reason in the note"
    assert "=HYPERLINK(1)" in words


def test_the_policy_lets_in_the_pages_own_style_and_nothing_else():
    (style,) = PAGE.styles
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in content_security_policy()
    assert content_security_policy().startswith("default-src 'none'")


def test_the_page_can_be_read_by_everybody_and_prints_on_a4():
    assert ("html", "lang", "en") in PAGE.attributes
    assert PAGE.tags.count("caption") == PAGE.tags.count("table") == 6
    scoped = [tag for tag, name, _ in PAGE.attributes if (tag, name) == ("th", "scope")]
    assert len(scoped) == PAGE.tags.count("th")
    assert {"h1", "h2", "h3", "main"} <= set(PAGE.tags)
    (style,) = PAGE.styles
    assert "size: A4" in style
    assert "@media print" in style


def test_a_document_of_many_pages_names_itself_on_each_and_totals_once():
    page = as_html(PAPERS)
    heads = [head.partition("</thead>")[0] for head in page.split("<thead>")[1:]]
    told = [head for head in heads if 'class="again"' in head]
    assert len(told) == len(heads) - 2, "all but the two short tables of payees"
    assert "Invoice 7, =HYPERLINK(1), 2026-10" in told[0]
    (style,) = PAGE.styles
    printed = style.partition("@media print")[2]
    assert "thead { display: table-header-group; }" in printed
    assert "tfoot { display: table-row-group; }" in printed, "a group of the foot would end every page with the total"
    assert "counter(pages)" in style


def test_the_page_shows_the_figures():
    words = " ".join(" ".join(PAGE.words).split())
    assert "Invoice 7" in words
    assert "1,234.50 CNY" in words
    assert "Credit note 8" in words
    assert "\N{MINUS SIGN}3.50 CNY" in words
    assert "2026-09-30 16:00 UTC" in words, "the month of the zone"
    assert "Statement for acme" in words
    assert "1,231.00 CNY" in words


def test_an_empty_period_and_a_draft():
    assert "There is nothing" in as_html(Papers(PERIOD, (), ()))
    draft = as_html(Papers(PERIOD, (Issued(replace(INVOICED, number=None, issued_at=None)),), None))
    assert "Invoice (draft)" in draft
    assert "Statement for" not in draft


def rows(papers):
    return list(csv.DictReader(io.StringIO(as_csv(papers))))


def test_no_cell_is_run_and_numbers_stay_numbers():
    invoice, note = rows(PAPERS)
    assert invoice["organisation"] == "'=HYPERLINK(1)"
    assert note["organisation"] == "'@org"
    assert (D(invoice["amount"]), D(note["amount"]), note["corrects"]) == (D("1234.50"), D("-3.50"), "7")
    assert invoice["issued_at"] == "2026-11-01T00:00:00+00:00"
    assert "\r\n" in as_csv(PAPERS)


@pytest.mark.parametrize("begin", list("=+-@\t\r"))
def test_every_dangerous_beginning_is_quoted(begin):
    bill = replace(INVOICED, organisation=f"{begin}1+1")
    assert rows(Papers(PERIOD, (Issued(bill),), None))[0]["organisation"] == f"'{begin}1+1"


def test_shares_are_for_a_reader_of_statements_alone():
    found = rows(replace(PAPERS, bills=None))
    assert [(row["payee"], row["amount"]) for row in found] == [
        ("'=cmd|' /C calc'!A0", "0.00"),
        ("acme", "1234.50"),
        ("acme", "-3.50"),
    ]


def test_json_has_what_the_reader_may_see():
    content = json.loads(as_json(PAPERS))
    assert [one["document"]["total"] for one in content["invoices"]] == ["1234.50", "-3.50"]
    assert content["invoices"][0]["receipt"] == {"log_index": 12, "salt": "ab" * 16}
    assert content["statements"][1]["total"] == "1231.00"
    assert "statements" not in json.loads(as_json(replace(PAPERS, statements=None)))
    assert "invoices" not in json.loads(as_json(replace(PAPERS, bills=None)))
