"""The client needs little: what importing it loads, and that no other part of the gateway comes with it."""

import subprocess
import sys

SCRIPT = """
import importlib, pkgutil, sys
import gateway.client
first = {name.partition('.')[0] for name in sys.modules}
for found in pkgutil.iter_modules(gateway.client.__path__):
    importlib.import_module(f'gateway.client.{found.name}')
ours = {name for name in sys.modules if name.startswith('gateway')}
print(sorted(name for name in ours if not name.startswith(('gateway.client', 'gateway.evidence.offline'))))
print(sorted(first & {'aiohttp', 'duckdb', 'numpy', 'opendp', 'pandas', 'polars', 'pyarrow', 'pydantic', 'rich', 'sqlglot', 'typer'}))
"""


def test_importing_the_client_loads_nothing_else_of_the_gateway():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['gateway', 'gateway.evidence']", "[]"]
