"""A DuckDB of hostile rows for plans that are compiled."""

import duckdb
import pytest
from support.hostile import HOSTILE


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        connection.execute(HOSTILE)
        yield connection
