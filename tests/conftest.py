"""What concerns every test: which of them coverage follows, and what is closed before the interpreter ends."""

import gc
import sys

UNFOLLOWED = (
    "tests/clients/", "tests/e2e/", "tests/engines/", "tests/operations/", "tests/privacy/test_generated.py",
    "tests/privacy/test_interval_coverage.py", "tests/privacy/test_neighbours.py", "tests/privacy/test_noise_audit.py",
    "tests/privacy/test_properties.py", "tests/privacy/test_tpch_neighbours.py",
)  # fmt: skip
"""Tests that coverage does not follow: planning takes twice as long where it does, and the others reach what it asks."""


def pytest_collection_modifyitems(items):
    for item in items:
        if item.nodeid.startswith(UNFOLLOWED):
            item.add_marker("no_cover")


def pytest_sessionfinish():
    for name, cache in (("support.neighbours", "pair"), ("test_properties", "reader")):
        if name in sys.modules:
            getattr(sys.modules[name], cache).cache_clear()
    gc.collect()
