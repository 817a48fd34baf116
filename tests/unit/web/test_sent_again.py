"""What is sent again is read once; what it means hangs on all that was sent, and on who sent it."""

import pytest
from aiohttp.test_utils import TestClient, TestServer
from support.operations import behind

from gateway.errors import Quota
from gateway.ledger.model import Looked
from gateway.request import Caller
from gateway.settings import Settings
from gateway.web import queries
from gateway.web.app import build

ANSWER = b'{"query_id": "Q1", "columns": [{"name": "n", "type": "BIGINT"}], "rows": [[1]], "notices": []}'
SHORT, LONG = "SELECT 1", f"SELECT 1 -- {'x' * queries.SHORT_BYTES}"


class Service:
    """Keeps what it is asked; who asks is whose name the token is."""

    def __init__(self):
        self.asked = []

    def quota(self, _caller):
        return Quota("free", 240, 60, 239, 12)

    async def identify(self, token):
        return Caller(token, "widgets")

    async def given(self, request, caller):
        self.asked.append((request, caller))
        return Looked(ANSWER)

    async def answer(self, request, caller, *, new=False):
        self.asked.append((request, caller))
        return ANSWER


@pytest.fixture
async def asking():
    service = Service()
    async with TestClient(TestServer(build(behind(service), Settings()))) as client:

        async def ask(sql, name="ana", key=None, accept="*/*"):
            headers = {"Authorization": f"Bearer {name}", "Accept": accept} | ({"Idempotency-Key": key} if key else {})
            reply = await client.post("/v1/query", json={"sql": sql}, headers=headers)
            assert reply.status == 200, await reply.text()
            return reply.content_type, *service.asked[-1]

        queries._read_again.cache_clear()
        yield ask


async def test_the_same_bytes_are_read_once_for_each_who_sends_them(asking):
    first, again, other = await asking(SHORT), await asking(SHORT), await asking(SHORT, "ben")
    assert first[1] is again[1]
    assert first[1] is not other[1]
    assert first[1] == other[1]
    assert (first[2].subject, other[2].subject) == ("ana", "ben")


async def test_another_key_or_format_is_read_for_itself(asking):
    plain, keyed, csv = await asking(SHORT), await asking(SHORT, key="k"), await asking(SHORT, accept="text/csv")
    assert [one[1].idempotency_key for one in (plain, keyed, csv)] == [None, "k", None]
    assert [one[0] for one in (plain, keyed, csv)] == ["application/json", "application/json", "text/csv"]


async def test_what_is_long_is_not_kept(asking):
    first, again = await asking(LONG), await asking(LONG)
    assert first[1] is not again[1]
    assert first[1] == again[1]


async def test_what_is_refused_is_refused_again(asking):
    for _ in range(2):
        with pytest.raises(AssertionError, match="bad_request"):
            await asking(" ")
