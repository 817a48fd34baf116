"""`python -m bench performance`: the whole of it takes about half an hour on two quiet cores."""

import argparse
from collections.abc import Sequence

from bench.performance import page, ratios, sweeps
from bench.performance.engines import on_duckdb, on_postgres
from bench.performance.ratios import Medians
from bench.performance.sweeps import SIZED, Point

Raw = dict[str, Sequence[Medians] | Sequence[Point]]


def main(arguments: list[str]) -> None:
    """Print the tables; with --write, put them into docs/performance.md with their plots."""
    parser = argparse.ArgumentParser("python -m bench performance", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put tables and plots into docs/")
    parser.add_argument("--scale", default="1", help="scale factor of W1 to W8 (default 1)")
    parser.add_argument("--rounds", type=int, default=ratios.ROUNDS, help="interleaved runs of each query")
    parser.add_argument("--engine", choices=["duckdb", "postgresql"], help="one engine alone (default: both)")
    parser.add_argument("--ratios-only", action="store_true", help="W1 to W8 alone, without the sweeps")
    asked = parser.parse_args(arguments)
    timed = _timed(asked.scale, asked.rounds, asked.engine)
    tables = [page.ratios(name, asked.scale, found) for name, found in timed.items()]
    tables.append("### Beside other systems\n\n" + page.peers(timed))
    raw: Raw = {f"W1 to W8, {name}": found for name, found in timed.items()}
    print(tables[-1], flush=True)
    if not asked.ratios_only:
        swept, points = _swept()
        print("\n\n".join(swept))
        tables += swept
        raw |= points
    if asked.write:
        for name, found in timed.items():
            page.plot_ratios(name, found)
        page.write(tables, raw)


def _timed(scale: str, rounds: int, engine: str | None) -> dict[str, Sequence[Medians]]:
    """Time W1 to W8 on each engine that is asked for."""
    found: dict[str, Sequence[Medians]] = {}
    for opened, name in ((on_duckdb, "DuckDB"), (on_postgres, "PostgreSQL")):
        if engine in (None, name.lower()):
            with opened(scale) as timed:
                found[name] = ratios.measure(timed, scale, rounds)
            print(page.ratios(name, scale, found[name]), flush=True)
    return found


def _swept() -> tuple[list[str], Raw]:
    """Sweep sizes, cells and buyers; draw the plots."""
    sized, grouped, loaded = sweeps.by_size(), sweeps.by_groups(), sweeps.by_buyers()
    stored = sweeps.stored()
    tables = [page.sweep(f"{name} against the size of the data", "scale factor", sized[name]) for name in SIZED]
    tables.append(page.sweep("A count against its cells (scale factor 1)", "cells", grouped))
    tables.append(page.sweep("New questions (W1, scale factor 0.1) by buyers at once", "at once", loaded))
    tables += [page.sweep(f"Stored answers by buyers at once: {way}", "at once", stored[way]) for way in stored]
    page.plot_sweep("size", "Time against size", "scale factor", sized, "p50_ms", "ms")
    page.plot_sweep("cells", "Time against cells", "cells", {"count": grouped}, "p50_ms", "ms")
    page.plot_sweep("stored", "Stored answers", "buyers at once", stored, "per_second", "1/s")
    points: Raw = {f"by size, {name}": found for name, found in sized.items()}
    points |= {f"stored, {way}": stored[way] for way in stored}
    return tables, {**points, "cells": grouped, "new": loaded}
