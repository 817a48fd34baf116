"""How a quote looks on a terminal: levels of error beside their cost, the cells to expect, a coarser question."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text


def quote_table(document: Mapping[str, Any]) -> Table:
    """Return one row for each level of error: what to ask with, its cost, and each noisy column's half-width."""
    confidence = document["expected"]["confidence"]
    table = Table(title=f"expected half-widths at {confidence:.4g}", title_justify="left", title_style="bold")
    columns = list(document["expected"]["half_width"])
    for heading in ("ask with", "epsilon", "rho", "price", *columns):
        table.add_column(Text(heading), justify="left" if heading == "ask with" else "right", overflow="fold")
    for level in document["levels"]:
        price = level["price"]
        costs = (f"{level['epsilon']:.4g}", f"{level['rho']:.4g}", f"{price['amount']} {price['currency']}")
        if level["stored"]:
            costs = ("stored", "0", price["amount"])
        widths = (_width(level["columns"][name]["half_width"]) for name in columns)
        style = "bold" if level["asked"] else ""
        table.add_row(*(Text(cell, style=style) for cell in (_ask(level["ask"]), *costs, *widths)))
    reasons = {
        f"{name}: {found['reason']}"
        for level in document["levels"]
        for name, found in level["columns"].items()
        if "reason" in found
    }
    table.caption = "\n".join(sorted(reasons)) or None
    table.caption_justify = "left"
    return table


def _ask(ask: Mapping[str, Any]) -> str:
    if "epsilon" in ask:
        return f"epsilon {ask['epsilon']:g}"
    shown = {name: value for name, value in ask["accuracy"].items() if (name, value) != ("confidence", 0.95)}
    return " ".join(f"{name.replace('_', '-')} {value:g}" for name, value in shown.items())


def _width(width: float | None) -> str:
    if width is None:
        return "seen with the answer"
    return f"± {width:,.0f}" if width >= 1_000 else f"± {width:,.4g}"


def cells_lines(document: Mapping[str, Any]) -> list[Text]:
    """Return what to expect of the cells of each measurement with keys, and where that is poor a coarser question."""
    lines = [_cells(cells) for cells in document["cells"]]
    proposal = document["proposal"]
    if proposal is not None:
        lines.append(Text(f"coarser  {proposal['change']}:", style="bold green"))
        lines.append(Text(f"  {proposal['sql']}"))
        lines += [_cells(cells) for cells in proposal["cells"]]
        widths = (f"{name} {_width(width)}" for name, width in proposal["half_width"].items())
        lines.append(Text("  " + ", ".join(widths), style="cyan"))
    return lines


def _cells(cells: Mapping[str, Any]) -> Text:
    known = cells["plausible"] is not None
    said = [f"about {cells['plausible']:,} plausible cells" if known else "no domain is declared for its keys"]
    if known:
        said.append(f"of {cells['units_per_cell']:,g} people each if all are alike")
    if cells["least_units"] is not None:
        least = f"a cell shows from about {cells['least_units']:,} people"
        said.append(f"{least}: {cells['can_hold_them']:,} can hold as many")
        if cells["expected_to_pass"] is not None:
            said.append(f"{cells['expected_to_pass']:,} are expected to pass")
    if cells["relative_error"] is not None:
        said.append(f"error of the best column {cells['relative_error']:.0%} of a cell")
    poor = cells["useful"] is False
    line = Text("cells  ", style="dim").append("; ".join(said), style="yellow" if poor else "")
    return line.append(": nothing useful is expected", style="bold yellow") if poor else line
