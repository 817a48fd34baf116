"""docs/performance.md and its plots, a section for each run: ratios within it, and the machine they were seen on."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from statistics import median

import pygal
from pygal.style import CleanStyle

from bench.peers import SYSTEMS
from bench.performance.ratios import Medians
from bench.performance.sweeps import Point
from bench.performance.workload import PEERS_MS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, PLOTS = DOCS / "performance.md", DOCS / "performance"
FIGURES = PLOTS / "figures.json"
MARGIN = 1.15

Raw = dict[str, Sequence[Medians] | Sequence[Point]]
"""The figures of a run by what they are of."""


def machine() -> str:
    """Return what this machine is, in words that others can compare with theirs."""
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    return f"{os.cpu_count()} cores ({cpu or platform.machine()}), {memory} GB, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def ratios(engine: str, scale: str, found: Sequence[Medians]) -> str:
    """Return the table of one engine: plain in milliseconds, the others as ratios to it and to the hand-written one."""
    lines = [
        f"### {engine}, scale factor {scale}",
        "",
        "| query | plain SQL ms | by hand | engine part | end to end | end to end / by hand | added ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        hand = f"{one.hand / one.plain:.2f}x" if one.hand is not None else "-"
        cells = [
            one.name,
            f"{one.plain:.1f}",
            hand,
            f"{one.engine / one.plain:.2f}x",
            f"{one.whole / one.plain:.2f}x",
            f"{one.whole / one.bounded:.2f}x",
            f"{one.overhead:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    middle = median(one.whole / one.bounded for one in found if one.hand is not None)
    lines += ["", f"Median of end to end over the hand-written query: **{middle:.2f}x** (aim: at most {MARGIN}x)."]
    return "\n".join(lines)


def peers(found: dict[str, Sequence[Medians]]) -> str:
    """Return our milliseconds beside those of other systems, which were measured elsewhere and earlier."""
    head = ["query", *(f"gateway on {engine}, end to end ms" for engine in found), *SYSTEMS]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    rows = zip(*found.values(), strict=True)
    lines += [
        f"| {' | '.join([row[0].name, *(f'{one.whole:,.0f}' for one in row), *PEERS_MS[row[0].name]])} |"
        for row in rows
    ]
    return "\n".join(lines)


def sweep(title: str, x: str, points: Sequence[Point]) -> str:
    """Return a sweep as a table, with the columns that it has."""
    shown = [
        ("p50 ms", "p50_ms", ".1f"),
        ("p99 ms", "p99_ms", ".1f"),
        ("requests/s", "per_second", ",.0f"),
        ("peak memory MB", "peak_mb", ",.0f"),
    ]
    kept = [one for one in shown if any(getattr(point, one[1]) for point in points)]
    head = [x, *(name for name, _, _ in kept)]
    lines = [f"### {title}", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for point in points:
        cells = [f"{point.x:,g}", *(format(getattr(point, field), form) for _, field, form in kept)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plot_ratios(engine: str, found: Sequence[Medians]) -> None:
    chart = pygal.Bar(
        title=f"{engine}: times plain SQL", style=CleanStyle, js=(), y_title="x plain SQL", logarithmic=True
    )
    chart.x_labels = [one.name for one in found]
    chart.add("by hand", [one.hand / one.plain if one.hand else None for one in found])
    chart.add("engine part", [one.engine / one.plain for one in found])
    chart.add("end to end", [one.whole / one.plain for one in found])
    _save(chart, f"ratios-{engine.lower()}")


def plot_sweep(name: str, title: str, x: str, series: Mapping[str, Sequence[Point]], field: str, y: str) -> None:
    chart = pygal.XY(title=title, style=CleanStyle, js=(), x_title=x, y_title=y, logarithmic=True)
    for label, points in series.items():
        chart.add(label, [(point.x, getattr(point, field)) for point in points])
    _save(chart, name)


def _save(chart: "pygal.graph.graph.Graph", name: str) -> None:
    PLOTS.mkdir(exist_ok=True)
    (PLOTS / f"{name}.svg").write_bytes(chart.render())


def write(section: str, tables: Sequence[str], raw: Raw) -> None:
    """Put the tables into their section of the page, and the run's figures beside it as JSON; others stay as they are.

    A section that the page has not comes last.
    """
    begin, end = f"<!-- {section}: python -m bench performance --write -->", f"<!-- end of {section} -->"
    text = PAGE.read_text()
    if begin not in text:
        text = f"{text.rstrip()}\n\n{begin}\n{end}\n"
    before, after = text.split(begin)[0], text.split(end)[1]
    seen = f"Seen on {date.today().isoformat()}: {machine()}."  # noqa: TID251, DTZ011 - a report's own day
    PAGE.write_text(f"{before}{begin}\n\n{seen}\n\n" + "\n\n".join(tables) + f"\n\n{end}{after}")
    PLOTS.mkdir(exist_ok=True)
    kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    figures = {name: [asdict(one) for one in found] for name, found in raw.items()}
    FIGURES.write_text(json.dumps({**kept, **figures}, indent=1) + "\n")
