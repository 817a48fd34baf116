"""What an expression of literals comes to in DuckDB, and how one is refused."""

from functools import cache

import duckdb
import pytest

from gateway.errors import GatewayError
from support.functions import resolved


@cache
def engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def value(sql: str, dialect: str = "duckdb"):
    """Return what an expression of literals comes to."""
    return engine().execute(f"SELECT {resolved(sql, dialect).node.sql('duckdb')}").fetchone()[0]


def refusal(sql: str, dialect: str = "duckdb") -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        resolved(sql, dialect)
    assert caught.value.hint
    return caught.value
