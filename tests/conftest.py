"""What concerns every test: which of them coverage follows, and what is closed before the interpreter ends."""

import gc
import importlib
import pkgutil
import sys

import pytest
from hypothesis import settings

settings.register_profile("untimed", settings(), deadline=None)  # how long a case takes hangs on the machine
settings.load_profile("untimed")

FOLLOWED = (
    "tests/golden/", "tests/privacy/ownership/", "tests/privacy/test_early_warning.py",
    "tests/privacy/test_measurements.py", "tests/privacy/test_privacy_rules.py", "tests/unit/app/", "tests/unit/ledger/",
    "tests/unit/pipeline/test_pipeline.py", "tests/unit/policy/", "tests/unit/privacy/",
    "tests/unit/store/test_catching_up.py", "tests/unit/store/test_dump.py",
)  # fmt: skip
"""Tests that coverage follows: they reach what it asks, and a test that is followed takes up to twice as long.

Of one on both stores it follows the one on SQLite: what it asks knows of no store.
"""


def pytest_collection(session):
    """Load what coverage is asked of while it follows; what a collection loads besides, it does not follow."""
    if _following(session):
        for name in ("ledger", "policy", "privacy"):
            package = importlib.import_module(f"gateway.{name}")
            for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                importlib.import_module(module.name)
        _follow(session, wanted=False)


def pytest_collection_finish():
    """Leave what a collection of tests has made to itself: ten thousand of them are no garbage."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """Have coverage follow a test with its fixtures, or leave it alone."""
    _follow(item, wanted=item.nodeid.startswith(FOLLOWED) and "[postgres" not in item.nodeid)
    return (yield)


def _controller(node):
    """Return what starts and stops coverage, None where it was not asked for."""
    plugin = node.config.pluginmanager.getplugin("_cov")
    return plugin and plugin.cov_controller


def _following(node):
    controller = _controller(node)
    return controller is not None and controller.started


def _follow(node, *, wanted):
    controller = _controller(node)
    if controller is not None and controller.started != wanted:
        (controller.resume if wanted else controller.pause)()


def pytest_sessionfinish():
    for name, cache in (
        ("support.neighbours", "pair"),
        ("test_private_keys", "database"),
        ("test_properties", "reader"),
    ):
        if name in sys.modules:
            getattr(sys.modules[name], cache).cache_clear()
    gc.unfreeze()
    gc.collect()
