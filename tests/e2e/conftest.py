"""A gateway of the module, or of one test that may kill it."""

import pytest
from support.gateways import POLICY, Gateway


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    made = Gateway(tmp_path_factory.mktemp("gateway"))
    made.make_data()
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def own(tmp_path):
    """Make a gateway of this test's own: it may be killed, and its data replaced."""
    made = []

    def make(policy=POLICY, **environment):
        gateway = Gateway(tmp_path, policy, **environment)
        gateway.make_data()
        made.append(gateway)
        return gateway.start()

    yield make
    for gateway in made:
        if gateway.process.poll() is None:
            gateway.stop()
