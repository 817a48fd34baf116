"""Invoices, credit notes and statements as JSON, CSV and a page that prints. Pure, but for reading its template."""

import csv
import functools
import io
import json
from base64 import b64encode
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.metering.invoices import Statement
from gateway.metering.issuing import Issued
from gateway.metering.periods import Period

TEMPLATES = Path(__file__).parent / "templates"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell must not begin with: spreadsheets run it (OWASP, CSV injection)."""


@dataclass(frozen=True, slots=True)
class Papers:
    """The documents of one period that a reader may see. None: that kind is not the reader's."""

    period: Period
    bills: tuple[Issued, ...] | None
    statements: tuple[Statement, ...] | None


def as_json(papers: Papers) -> str:
    """Return one JSON object: the period, and `invoices` and `statements` as far as they are the reader's."""
    content: dict[str, object] = {"period": papers.period.name, "zone": papers.period.zone, "taxes": "not included"}
    if papers.bills is not None:
        content["invoices"] = [issued.document() for issued in papers.bills]
    if papers.statements is not None:
        content["statements"] = [statement.document() for statement in papers.statements]
    return json.dumps(content, ensure_ascii=False)


# -- CSV --------------------------------------------------------------------------------------------------------------


def as_csv(papers: Papers) -> str:
    """Return invoices as one row a line; to a reader of statements alone, those as one row a share (RFC 4180)."""
    rows = _bill_rows(papers) if papers.bills is not None else _share_rows(papers)
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([[_cell(value) for value in row] for row in rows])
    return out.getvalue()


def _cell(value: object) -> str:
    """Return a cell. Numbers are ours and stay numbers; a text that a spreadsheet could run is quoted for it."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) and not isinstance(value, int) else text


def _bill_rows(papers: Papers) -> list[list[object]]:
    names = "kind number corrects organisation period zone issued_at line dataset grant price_plan price_plan_version"
    rows: list[list[object]] = [[*names.split(), "queries", "epsilon", "amount", "currency"]]
    for issued in papers.bills or ():
        bill = issued.bill
        at = bill.issued_at.isoformat() if bill.issued_at is not None else None
        head = [bill.kind, bill.number, bill.corrects, bill.organisation, bill.period.name, bill.period.zone, at]
        rows += [
            [*head, line.number, line.dataset, line.grant, line.plan, line.plan_version, line.queries, line.epsilon,
             line.amount, bill.currency]
            for line in bill.lines
        ]  # fmt: skip
    return rows


def _share_rows(papers: Papers) -> list[list[object]]:
    rows: list[list[object]] = [
        ["payee", "period", "zone", "kind", "number", "organisation", "line", "dataset", "amount", "currency"]
    ]
    for statement in papers.statements or ():
        rows += [
            [statement.payee, papers.period.name, papers.period.zone, share.kind, share.number, share.organisation,
             share.line, share.dataset, share.amount, statement.currency]
            for share in statement.shares
        ]  # fmt: skip
    return rows


# -- the page ---------------------------------------------------------------------------------------------------------


@functools.cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters["money"] = lambda amount: f"{amount:,f}".replace("-", "\N{MINUS SIGN}")
    made.filters["day"] = lambda at: at.strftime("%Y-%m-%d %H:%M UTC")
    return made


@functools.cache
def style() -> str:
    """Return the page's style sheet."""
    return (TEMPLATES / "invoices.css").read_text(encoding="utf-8")


def content_security_policy() -> str:
    """Return the policy under which the page is served: its own style sheet and nothing else."""
    digest = b64encode(sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def as_html(papers: Papers) -> str:
    """Return a page that prints on A4, one document a sheet: no script, no address but its own, all values escaped."""
    template = _environment().get_template("invoices.html.jinja")
    return template.render(papers=papers, style=style())
