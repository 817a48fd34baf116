"""`gateway bill`: invoices, corrections, what-if, reports and deliveries, on the store of a gateway."""

import json
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.failures import reporting
from gateway.cli.show import console, table_of
from gateway.errors import GatewayError
from gateway.settings import Settings, from_environment

if TYPE_CHECKING:
    from gateway.metering.papers import Papers
    from gateway.metering.reports import Report, Revenue, WhatIf

app = typer.Typer(no_args_is_help=True, help="Invoices, corrections, what-if, reports and deliveries.")

State = Annotated[Path, typer.Option(help="Folder of the gateway's store.")]
Period = Annotated[str, typer.Option(help="A month in the billing time zone, as 2026-10.")]
MaybePeriod = Annotated[str | None, typer.Option(help="A month as 2026-10; all there is without it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_STATE = Path("state")


class Format(StrEnum):
    """How documents are printed."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


class Form(StrEnum):
    """Whose form events are printed in."""

    OPENMETER = "openmeter"
    LAGO = "lago"


Shown = Annotated[Format, typer.Option("--format", help="text, json, csv, or html: a page that prints.")]


def _settings(state: Path, policies: Path | None = None) -> Settings:
    return from_environment({"state": state, **({"policies": policies} if policies is not None else {})})


@app.command()
def issue(
    period: Period,
    state: State = DEFAULT_STATE,
    draft: Annotated[bool, typer.Option("--draft", help="Show what they would be; number and keep nothing.")] = False,
    form: Shown = Format.TEXT,
) -> None:
    """Issue a month's invoices: once, after its end, with gapless numbers and a leaf of the log for each."""
    from gateway.app import billing  # noqa: PLC0415 - loads the whole server

    with reporting():
        _print(billing.issue(_settings(state), period, draft=draft), form)


@app.command()
def credit(
    number: Annotated[int, typer.Argument(help="The invoice's number.")],
    reason: Annotated[str, typer.Option(help="Why, in words for the buyer.")],
    line: Annotated[list[str], typer.Option(help="A line to give back: 2, or a part of it: 2=3.50. Repeatable.")],
    state: State = DEFAULT_STATE,
    form: Shown = Format.TEXT,
) -> None:
    """Correct an invoice by a credit note over some of its lines."""
    from gateway.app import billing  # noqa: PLC0415

    with reporting():
        _print(billing.credit(_settings(state), number, _lines(line), reason), form)


def _lines(texts: Sequence[str]) -> dict[int, Decimal | None]:
    wanted: dict[int, Decimal | None] = {}
    for text in texts:
        number, _, amount = text.partition("=")
        try:
            key, value = int(number), Decimal(amount) if amount else None
        except (ValueError, InvalidOperation):
            raise GatewayError("bad_request", f"'{text}' names no line.", "Write 2, or 2=3.50.") from None
        if key in wanted or (value is not None and not value.is_finite()):
            raise GatewayError("bad_request", f"'{text}' names no line of its own.", "Name each line once.")
        wanted[key] = value
    return wanted


@app.command()
def show(period: Period, state: State = DEFAULT_STATE, form: Shown = Format.TEXT) -> None:
    """Show the invoices and credit notes of a month, and the payees' statements."""
    from gateway.app import billing  # noqa: PLC0415

    with reporting():
        _print(billing.show(_settings(state), period), form)


@app.command("put-back")
def put_back(
    file: Annotated[Path, typer.Argument(help="What `bill show --format json` printed of a month.")],
    state: State = DEFAULT_STATE,
) -> None:
    """Keep documents again that a restored store lacks; each has to be the one that the log commits to."""
    from gateway.app import billing  # noqa: PLC0415

    with reporting():
        typer.echo(f"{billing.put_back(_settings(state), file):,} documents put back")


def _print(papers: "Papers", form: Format) -> None:
    from gateway.metering.papers import as_csv, as_html, as_json  # noqa: PLC0415 - loads the template engine

    match form:
        case Format.JSON:
            print(as_json(papers))
        case Format.CSV:
            print(as_csv(papers), end="")
        case Format.HTML:
            print(as_html(papers))
        case Format.TEXT:
            _print_tables(papers)


def _print_tables(papers: "Papers") -> None:
    if not papers.bills and not papers.statements:
        console().print(f"no documents for {papers.period.name} ({papers.period.zone})", markup=False)
        return
    bills = [
        (
            one.bill.number if one.bill.number is not None else "draft",
            one.bill.kind.replace("_", " "),
            one.bill.organisation,
            sum(line.queries for line in one.bill.lines),
            f"{one.bill.total:,f} {one.bill.currency}",
        )
        for one in papers.bills or ()
    ]
    title = f"{papers.period.name} ({papers.period.zone}), without taxes"
    console().print(table_of(("number", "kind", "organisation", "queries", "total"), bills, title))
    paid = [(one.payee, f"{one.total:,f} {one.currency}") for one in papers.statements or ()]
    console().print(table_of(("payee", "due"), paid, "income"))


@app.command()
def simulate(
    plan: Annotated[str, typer.Option(help="A plan of the policies, or a .yaml file with the keys of one.")],
    period: Period,
    dataset: Annotated[str | None, typer.Option(help="Only charges on this dataset, and plans of its policy.")] = None,
    policies: Annotated[Path, typer.Option(help="Folder of the policy files.")] = Path("policies"),
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Say what a month's charges would have cost under another price plan. Changes nothing."""
    from gateway.app import billing  # noqa: PLC0415

    with reporting():
        rows = billing.simulate(_settings(state, policies), plan, period, dataset)
        if as_json:
            print(json.dumps([row.document() for row in rows], ensure_ascii=False))
            return
        headings = ("organisation", "dataset", "queries", "charged", "would be", "difference")
        console().print(table_of(headings, [_what_if(row) for row in rows], f"{period} under '{plan}'"))


def _what_if(row: "WhatIf") -> tuple[object, ...]:
    difference = "-" if row.difference is None else f"{row.difference:+,f}"
    charged = f"{row.charged:,f} {row.currency}"
    return row.organisation, row.dataset, row.queries, charged, f"{row.would_be:,f} {row.would_be_currency}", difference


@app.command()
def export(
    form: Annotated[Form, typer.Option("--for", help="openmeter or lago.")],
    period: MaybePeriod = None,
    state: State = DEFAULT_STATE,
) -> None:
    """Print charged events as OpenMeter or Lago takes them, one JSON object a line; ids make repeats harmless."""
    from gateway.app import billing  # noqa: PLC0415

    with reporting():
        for line in billing.export(_settings(state), form.value, period):
            print(line)


@app.command()
def report(
    dataset: Annotated[str, typer.Option(help="The dataset's name.")],
    period: MaybePeriod = None,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Show a dataset's revenue per epsilon, demand by table and column, and true engine cost: for its provider."""
    from gateway.app import billing  # noqa: PLC0415

    with reporting():
        made = billing.report(_settings(state), dataset, period)
        if as_json:
            print(json.dumps(made.document(), ensure_ascii=False))
        else:
            _print_report(made)


def _print_report(made: "Report") -> None:
    screen = console()
    headings = ("queries", "epsilon", "revenue", "per epsilon")
    rows = [(*_earned(one), _money(made.per_cpu_second(one), one.currency)) for one in made.revenue]
    screen.print(table_of((*headings, "per CPU second"), rows, f"{made.dataset}, {made.period or 'all there is'}"))
    buyers = [(one.organisation, *_earned(one)) for one in made.buyers]
    screen.print(table_of(("organisation", *headings), buyers, "buyers"))
    screen.print(table_of(("table", "queries"), made.tables, "demand, free repeats included"))
    screen.print(table_of(("column", "queries"), made.columns))
    refused = [*made.refusals, ("free repeats", made.repeats)]
    screen.print(table_of(("not charged", "queries"), refused))
    cost = made.cost
    figures = (cost.statements, f"{cost.cpu_ms / 1000:,.3f}", f"{cost.wall_ms / 1000:,.3f}", cost.rows)
    screen.print(table_of(("statements", "CPU s", "wall s", "rows"), [figures], "true engine cost"))


def _earned(one: "Revenue") -> tuple[object, ...]:
    return one.queries, f"{one.epsilon:f}", _money(one.amount, one.currency), _money(one.per_epsilon, one.currency)


def _money(amount: Decimal | None, currency: str) -> str:
    return "-" if amount is None else f"{amount:,f} {currency}"


@app.command()
def deliveries(state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """Show how far each sink of meter events is, and what a webhook refused for good."""
    from gateway.app import billing  # noqa: PLC0415

    with reporting():
        found = billing.deliveries(_settings(state))
        letters = [letter for one in found for letter in one.dead]
        if as_json:
            dead = [{"sink": d.sink, "sequence": d.sequence, "event": d.event, "reason": d.reason} for d in letters]
            sinks = [{"sink": one.sink, "confirmed": one.confirmed, "waiting": one.waiting} for one in found]
            print(json.dumps({"sinks": sinks, "dead_letters": dead}))
            return
        if not found:
            console().print("no sink has confirmed an event: GATEWAY_METER_FILES or GATEWAY_METER_WEBHOOK names one")
            return
        rows = [(one.sink, one.confirmed, one.waiting, len(one.dead)) for one in found]
        console().print(table_of(("sink", "confirmed", "waiting", "dead letters"), rows))
        if letters:
            refused = [(d.sink, d.sequence, d.event, d.reason, d.at) for d in letters]
            console().print(table_of(("sink", "sequence", "event", "reason", "at"), refused))
