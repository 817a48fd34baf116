"""What concerns every test: connections that are kept for speed are closed before the interpreter ends."""

import gc
import sys


def pytest_sessionfinish():
    for name, cache in (("support.neighbours", "pair"), ("test_properties", "reader")):
        if name in sys.modules:
            getattr(sys.modules[name], cache).cache_clear()
    gc.collect()
