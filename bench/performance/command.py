"""`python -m bench performance`: the whole of it takes about half an hour on two quiet cores."""

import argparse

from bench.performance import page, ratios, sweeps
from bench.performance.engines import on_duckdb, on_postgres
from bench.performance.sweeps import SIZED


def main(arguments: list[str]) -> None:
    """Print the tables; with --write, put them into docs/performance.md with their plots."""
    parser = argparse.ArgumentParser("python -m bench performance", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put tables and plots into docs/")
    parser.add_argument("--scale", default="1", help="scale factor of W1 to W8 (default 1)")
    parser.add_argument("--rounds", type=int, default=ratios.ROUNDS, help="interleaved runs of each query")
    parser.add_argument("--engine", choices=["duckdb", "postgresql"], help="one engine alone (default: both)")
    parser.add_argument("--ratios-only", action="store_true", help="W1 to W8 alone")
    asked = parser.parse_args(arguments)
    timed, tables = {}, []
    for open_, name in ((on_duckdb, "DuckDB"), (on_postgres, "PostgreSQL")):
        if asked.engine in (None, name.lower()):
            with open_(asked.scale) as engine:
                timed[name] = ratios.measure(engine, asked.scale, asked.rounds)
            tables.append(page.ratios(name, asked.scale, timed[name]))
            print(tables[-1], flush=True)
    if asked.ratios_only:
        return
    tables.append("### Beside other systems\n\n" + page.peers(timed))
    sized, grouped, loaded = sweeps.by_size(), sweeps.by_groups(), sweeps.by_buyers()
    ours, bare = sweeps.stored()
    tables += [page.sweep(f"{name} against the size of the data", "scale factor", sized[name]) for name in SIZED]
    tables.append(page.sweep("A count against its cells (scale factor 1)", "cells", grouped))
    tables.append(page.sweep("New questions (W1, scale factor 0.1) by buyers at once", "at once", loaded))
    tables.append(page.sweep("A stored answer by buyers at once", "at once", ours))
    tables.append(page.sweep("A bare handler with the same check of the token", "at once", bare))
    print("\n\n".join(tables[1:]))
    if asked.write:
        for name, medians in timed.items():
            page.plot_ratios(name, medians)
        page.plot_sweep("size", "Time against size", "scale factor", sized, "p50_ms", "ms")
        page.plot_sweep("cells", "Time against cells", "cells", {"count": grouped}, "p50_ms", "ms")
        page.plot_sweep(
            "stored", "Stored answers", "buyers at once", {"gateway": ours, "bare handler": bare}, "per_second", "1/s"
        )
        raw = {f"by size, {name}": points for name, points in sized.items()}
        page.write(
            tables,
            {
                **{f"W1 to W8, {name}": found for name, found in timed.items()},
                **raw,
                "cells": grouped,
                "new": loaded,
                "stored": ours,
                "bare": bare,
            },
        )
