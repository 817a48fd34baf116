"""Faults of DuckDB itself: what it asserts of its own did not hold, and an opened database answers nothing more."""

import duckdb

FAULTS = (duckdb.InternalException, duckdb.FatalException)
