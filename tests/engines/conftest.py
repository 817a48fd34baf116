"""What several files of engines ask: a DuckDB file of three rows and its engine, and a provider's PostgreSQL."""

import pytest
from support.duckdb_files import make
from support.postgres import Provider

from gateway.engines.duckdb_engine import DuckDBEngine
from gateway.workers.forking import Forking, can_fork
from gateway.workers.pool import Pool
from gateway.workers.role import Role
from gateway.workers.starting import Fresh


@pytest.fixture
def file(tmp_path):
    return make(tmp_path / "data.duckdb")


@pytest.fixture(scope="session")
def starting():
    """Return how an engine's process comes to be, as in a gateway: forked where the system can."""
    if not can_fork():
        yield Fresh()
        return
    with Forking(("gateway.engines.duckdb_worker",)) as forking:
        yield forking


@pytest.fixture
async def engine(starting):
    """Return an engine of DuckDB with one process."""
    role = Role("engine", "gateway.engines.duckdb_worker:make", {"memory_mb": 64, "threads": 1})
    pool = Pool(role, 1, 0, lambda _line: None, starting=starting)
    await pool.start()
    yield DuckDBEngine(pool, 20.0)
    await pool.close()


@pytest.fixture
async def provider():
    """Return a database in PostgreSQL, of three rows that the gateway's role may read, and its engine."""
    made = await Provider().made()
    yield made
    await made.close()
