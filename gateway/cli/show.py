"""How answers, quotes and errors look on a terminal. Pure rendering: rich objects out, no I/O but the console's."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.client.errors import excerpt
from gateway.errors import GatewayError
from gateway.metering.prices import FREE_CURRENCY

PLAIN_WIDTH = 116
MISSING = Text("-", style="dim")
_NUMERIC = ("BIGINT", "DECIMAL", "DOUBLE")


def console(*, error: bool = False) -> Console:
    """Return a console; where nobody watches, wide enough that tables are not broken.

    No text is markup: names and hints hold square brackets.
    """
    stream = sys.stderr if error else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else PLAIN_WIDTH, highlight=False, markup=False)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A noisy value with its interval, as numbers: `half_width` is half the interval's length."""

    value: float
    half_width: float

    @property
    def relative(self) -> float | None:
        """The half-width as a share of the value's size; None at zero."""
        return abs(self.half_width / self.value) if self.value else None


def estimates(answer: Mapping[str, Any], column: str) -> list[Estimate | None]:
    """Return the estimates of one column, one for each row; None where value or interval is missing."""
    index = [entry["name"] for entry in answer["columns"]].index(column)
    bounds = answer["intervals"]["columns"].get(column) or [None] * len(answer["rows"])
    found: list[Estimate | None] = []
    for row, interval in zip(answer["rows"], bounds, strict=True):
        if row[index] is None or interval is None:
            found.append(None)
            continue
        low, high = (float(end) for end in interval)
        found.append(Estimate(float(row[index]), (high - low) / 2))
    return found


def answer_table(answer: Mapping[str, Any], title: str = "", limit: int | None = None) -> Table:
    """Return the rows with, beside every noisy column, its 95 % interval as half-width and share."""
    table = Table(title=title or None, title_justify="left", title_style="bold")
    columns = answer["columns"]
    for column in columns:
        table.add_column(Text(column["name"]), justify="right" if column.get("noisy") else "left")
        if column.get("noisy"):
            table.add_column(Text("± 95 %", style="dim"), justify="right")
    noisy = {column["name"]: estimates(answer, column["name"]) for column in columns if column.get("noisy")}
    for number, row in enumerate(answer["rows"][:limit]):
        cells: list[Text] = []
        for column, value in zip(columns, row, strict=True):
            cells.append(_number(value) if column["type"].startswith(_NUMERIC) else _value(value))
            if column.get("noisy"):
                cells.append(_spread(noisy[column["name"]][number], whole=column["type"] == "BIGINT"))
        table.add_row(*cells)
    hidden = len(answer["rows"]) - (limit if limit is not None else len(answer["rows"]))
    if hidden > 0:
        table.caption = f"and {hidden} more rows"
    return table


def _value(value: object) -> Text:
    match value:
        case None:
            return Text("NULL", style="dim")
        case bool():
            return Text(str(value).lower())
        case int():
            return Text(f"{value:,}")
        case float():
            return Text(f"{value:,.2f}")
        case _:
            return Text(str(value))


def _number(value: object) -> Text:
    """Return a number; decimals and wide integers travel as text, and are shown with all their digits."""
    return Text(f"{Decimal(value):,}") if isinstance(value, str) else _value(value)


def _spread(estimate: Estimate | None, *, whole: bool) -> Text:
    if estimate is None:
        return MISSING
    share = "" if estimate.relative is None else f"  ({estimate.relative:.1%})"
    decimals = 0 if whole or estimate.half_width >= 100 else 2
    return Text(f"± {estimate.half_width:,.{decimals}f}{share}", style="cyan")


def cost_line(answer: Mapping[str, Any]) -> Text:
    """Return one line on what the answer cost: privacy loss and money."""
    privacy, price = answer["privacy"], answer["price"]
    line = Text("cost  ", style="dim")
    if privacy.get("stored"):
        line.append("nothing: the stored answer again", style="green")
        return line
    line.append(f"rho {privacy['rho']:.6g}, delta {privacy['delta']:.3g}")
    equivalent = privacy.get("as")
    if equivalent:
        line.append(f"  (epsilon {equivalent['epsilon']:.3g} at delta {equivalent['delta']:.2g})")
    line.append(f"  price {price_text(price)}", style="bold")
    return line


def price_text(price: Mapping[str, Any]) -> str:
    """Return an amount with its currency, or `free` where no price plan holds."""
    return "free" if price["currency"] == FREE_CURRENCY else f"{price['amount']} {price['currency']}"


def notes(answer: Mapping[str, Any]) -> list[Text]:
    """Return one line for each bound and notice of an answer: what its figures and intervals leave out."""
    lines = [*_limits(answer["privacy"].get("bounds") or {}), *answer.get("notices", ())]
    return [Text(f"note  {line}", style="yellow") for line in lines]


def _limits(bounds: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return one text for all columns of which as much of one person counts, and no more."""
    alike: dict[tuple[int | None, int | None], list[str]] = {}
    for column, bound in bounds.items():
        alike.setdefault((bound["rows"], bound["groups"]), []).append(column)
    texts = []
    for (rows, groups), columns in alike.items():
        limits = [] if rows is None else [f"at most {rows} row{'s' if rows > 1 else ''} in a cell"]
        limits += [] if groups is None else [f"at most {groups} cell{'s' if groups > 1 else ''}"]
        if limits:
            texts.append(f"of one person count {', '.join(limits)}: {', '.join(columns)}")
    return texts


def error_text(error: GatewayError, sql: str | None = None) -> Text:
    """Return code, detail, a caret under the place in the SQL, and the hint."""
    text = Text()
    text.append(error.code, style="bold red")
    text.append(f"  {error.detail}\n")
    place = error.position
    shown = None if sql is None or place is None else excerpt(sql, place.line, place.column)
    if shown is not None:
        line, caret = shown
        text.append(f"  {line}\n")
        text.append(f"  {caret}\n", style="bold red")
    if error.hint:
        text.append("hint: ", style="bold green")
        text.append(f"{error.hint}\n")
    return text


def table_of(headings: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> Table:
    """Return a plain table; numbers stand right."""
    table = Table(title=title or None, title_justify="left", title_style="bold")
    numbers = [
        all(isinstance(row[index], int | float) for row in rows) and bool(rows) for index in range(len(headings))
    ]
    for heading, number in zip(headings, numbers, strict=True):
        table.add_column(Text(heading), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_value(value) if isinstance(value, int) else Text(str(value)) for value in row))
    return table


def accuracy_line(answer: Mapping[str, Any]) -> Text:
    """Return one line on the error that was asked for, and what each column reached."""
    asked, reached = answer["accuracy"]["asked"], answer["accuracy"]["reached"]
    aim = (
        f"± {asked['half_width']:,g}" if "half_width" in asked else f"{asked['relative']:.3%} of a cell's declared size"
    )
    line = Text("error  ", style="dim")
    line.append(f"asked {aim} at {asked['confidence']:.4g}; reached ")
    shown = (f"{name} " + ("no interval" if width is None else f"± {width:,.6g}") for name, width in reached.items())
    return line.append(", ".join(shown), style="cyan")


def datasets_table(document: Mapping[str, Any]) -> Table:
    """Return one row for each dataset that the caller may use."""
    rows = [
        (entry["name"], entry["title"], entry["provider"], entry["data_version"] or "-", entry["state"])
        for entry in document["datasets"]
    ]
    return table_of(("name", "title", "provider", "data version", "state"), rows)


def budget_table(document: Mapping[str, Any]) -> Table:
    """Return one row for each account that a charge debits, in rho, with about how many queries are left."""
    rows = []
    for entry in document["datasets"]:
        for level in entry["levels"]:
            rho = level["rho"]
            figures = (f"{rho[name]:.6g}" for name in ("limit", "spent", "left"))
            rows.append((entry["dataset"], level["level"], *figures, f"{level['delta']['left']:.3g}"))
    table = table_of(("dataset", "account", "rho limit", "rho spent", "rho left", "delta left"), rows)
    counts = [
        f"{entry['dataset']}: about {entry['queries_left']} more like {entry['counted_with']}"
        for entry in document["datasets"]
    ]
    table.caption = "\n".join(counts)
    table.caption_justify = "left"
    return table
