"""A command that asks over HTTP starts at once: the parts of a server that take a second to load stay unloaded."""

import importlib.util
import subprocess
import sys

HEAVY = {"aiohttp", "alembic", "asyncpg", "duckdb", "jwt", "numpy", "opendp", "pyarrow", "pydantic", "sqlalchemy", "sqlglot"}  # fmt: skip


def test_the_commands_load_no_part_of_a_server():
    assert all(importlib.util.find_spec(name) for name in HEAVY), "they go by these names"
    script = f"import sys, gateway.cli.main; print(sorted(sys.modules.keys() & {HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
