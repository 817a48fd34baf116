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

    def make(policy=POLICY, *, beside=(), **environment):
        """Start it with policies of other datasets beside, each as its file's name and text."""
        gateway = Gateway(tmp_path, policy, **environment)
        for name, text in beside:
            (gateway.policies / name).write_text(text)
        gateway.make_data()
        made.append(gateway)
        return gateway.start()

    yield make
    for gateway in made:
        if gateway.process.poll() is None:
            gateway.stop()


@pytest.fixture(scope="module")
def chrome():
    from support.browsers import browser  # tests without a browser do not load what drives one

    with browser() as started:
        yield started


@pytest.fixture
def visitor(chrome, gateway):
    """Return what opens a browser of somebody's own; no page may complain, and none asks elsewhere."""
    from support.browsers import Visitor

    made = []

    def make(**context):
        made.append(Visitor(chrome, gateway.url, **context))
        return made[-1]

    yield make
    for one in made:
        one.context.close()
        assert one.complaints == []
        assert [address for address in one.asked if not address.startswith((gateway.url, "data:"))] == []
