"""`python -m bench performance`: W1 to W8 on both engines (about twelve minutes on two quiet cores), then the sweeps.

The sweeps are short, each is written as soon as it is done, and each can be asked for alone with `--sweep`:
size (a minute; the first time three more, to make the data), cells (three minutes), new (one), stored (two).
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.performance import page, ratios, sweeps
from bench.performance.engines import on_duckdb, on_postgres
from bench.performance.page import Raw
from bench.performance.ratios import Medians
from bench.performance.sweeps import Point

ENGINES = {"DuckDB": on_duckdb, "PostgreSQL": on_postgres}


def main(arguments: list[str]) -> None:
    """Print the tables; with --write, put each into its section of docs/performance.md with its plot."""
    parser = argparse.ArgumentParser("python -m bench performance", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put tables and plots into docs/")
    parser.add_argument("--scale", default="1", help="scale factor of W1 to W8 (default 1)")
    parser.add_argument("--rounds", type=int, default=ratios.ROUNDS, help="interleaved runs of each query")
    parser.add_argument("--engine", choices=[name.lower() for name in ENGINES], help="one engine alone (default: both)")
    parser.add_argument("--ratios-only", action="store_true", help="W1 to W8 alone, without the sweeps")
    parser.add_argument("--sweep", action="append", choices=list(SWEEPS), help="this sweep alone; may come again")
    asked = parser.parse_args(arguments)
    if not asked.sweep:
        _ratios(asked.scale, asked.rounds, asked.engine, write=asked.write)
    if not asked.ratios_only:
        for name in asked.sweep or SWEEPS:
            swept = SWEEPS[name]()
            _shown(name, swept.tables, swept.raw, write=asked.write)
            if asked.write:
                for plot in swept.plots:
                    page.plot_sweep(*plot)


def _shown(section: str, tables: Sequence[str], raw: Raw, *, write: bool) -> None:
    print("\n\n".join(tables), flush=True)
    if write:
        page.write(section, tables, raw)


def _ratios(scale: str, rounds: int, engine: str | None, *, write: bool) -> None:
    """Time W1 to W8 on each engine that is asked for; beside other systems where both are."""
    found: dict[str, Sequence[Medians]] = {}
    for name, opened in ENGINES.items():
        if engine in (None, name.lower()):
            with opened(scale) as timed:
                found[name] = ratios.measure(timed, scale, rounds)
            _shown(
                name.lower(), [page.ratios(name, scale, found[name])], {f"W1 to W8, {name}": found[name]}, write=write
            )
            if write:
                page.plot_ratios(name, found[name])
    if len(found) == len(ENGINES):
        _shown("others", ["### Beside other systems\n\n" + page.peers(found)], {}, write=write)


Plot = tuple[str, str, str, Mapping[str, Sequence[Point]], str, str]
"""What `page.plot_sweep` takes."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What came of one sweep."""

    tables: list[str]
    raw: Raw
    plots: list[Plot]


def _size() -> Swept:
    found = sweeps.by_size()
    tables = [page.sweep(f"{name} against the size of the data", "scale factor", found[name]) for name in found]
    plots: list[Plot] = [
        ("size", "Time against size", "scale factor", found, "p50_ms", "ms"),
        ("memory", "Memory against size", "scale factor", found, "peak_mb", "MB"),
    ]
    return _swept(tables, {f"by size, {name}": points for name, points in found.items()}, plots)


def _cells() -> Swept:
    found = sweeps.by_groups()
    table = page.sweep("A count against its cells (scale factor 1)", "cells", found)
    return _swept(
        [table], {"cells": found}, [("cells", "Time against cells", "cells", {"count": found}, "p50_ms", "ms")]
    )


def _new() -> Swept:
    found = sweeps.by_buyers()
    table = page.sweep("New questions (W1, scale factor 0.1) by buyers at once", "at once", found)
    plots: list[Plot] = [
        ("new", "New questions (W1)", "buyers at once", {"answered": found}, "per_second", "1/s"),
        ("new-p99", "New questions (W1), p99", "buyers at once", {"p99": found}, "p99_ms", "ms"),
    ]
    return _swept([table], {"new": found}, plots)


def _stored() -> Swept:
    found = sweeps.stored()
    tables = [page.sweep(f"Stored answers by buyers at once: {way}", "at once", found[way]) for way in found]
    raw: Raw = {f"stored, {way}": points for way, points in found.items()}
    return _swept(tables, raw, [("stored", "Stored answers", "buyers at once", found, "per_second", "1/s")])


def _swept(tables: list[str], raw: Raw, plots: list[Plot]) -> Swept:
    drawn = ", ".join(f"[{name}](performance/{name}.svg)" for name, *_ in plots)
    return Swept([*tables, f"Drawn: {drawn}."], raw, plots)


SWEEPS: dict[str, Callable[[], Swept]] = {"size": _size, "cells": _cells, "new": _new, "stored": _stored}
