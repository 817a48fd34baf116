"""Faults of DuckDB itself: what it asserts of its own did not hold, and an opened database answers nothing more."""

import duckdb

FAULTS = (duckdb.InternalException, duckdb.FatalException)

FAULTY_RULES = "window_self_join"
"""Rules of DuckDB's optimizer that are left out: this one may give a window's sum of decimals two types, a fault."""
