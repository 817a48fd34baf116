"""What DuckDB says of a policy's tables, asked in the test's own process: where that it is asked apart is not the matter."""

from contextlib import closing

from gateway.app.policies import source_of
from gateway.catalog.inspection import order
from gateway.engines.duckdb_source import connect, stamp_of
from gateway.engines.duckdb_worker import inspect


def inspected_here(document, base):
    """Stand in for gateway.app.offline.inspect_policy."""
    path = source_of(document, base).path
    with closing(connect(path, 500, 1)) as connection:
        return inspect(connection, order(document), stamp_of(path))
