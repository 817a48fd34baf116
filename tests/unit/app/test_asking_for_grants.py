"""Names of datasets are tried out no faster than anything else that is free."""

from types import SimpleNamespace

import pytest
from support.shop import CALLER, NOW

from gateway.app.granting import GrantService
from gateway.errors import GatewayError
from gateway.ports import FixedClock


class Pace:
    """A minute that holds two decisions."""

    def __init__(self):
        self.counted = 0

    def admit(self, _caller):
        if self.counted >= 2:
            raise GatewayError("too_many_requests", "No more.", "Later.")

    async def count(self, _caller):
        self.counted += 1


async def test_a_name_that_is_not_served_counts_as_a_decision():
    books = SimpleNamespace(grants=None, keys=None, crossings=None)
    service = GrantService(books, dict, "gw", lambda: "G1", FixedClock(NOW), Pace())
    codes = []
    for name in ("a", "b", "c"):
        with pytest.raises(GatewayError) as caught:
            await service.request(CALLER, name, "a study", {})
        codes.append(caught.value.code)
    assert codes == ["unknown_dataset", "unknown_dataset", "too_many_requests"]
