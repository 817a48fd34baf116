"""The door looks once at an idempotency key, and hands on what it found."""

import pytest
from aiohttp.test_utils import TestClient, TestServer
from support.operations import behind

from gateway.errors import Quota
from gateway.ledger.model import Looked
from gateway.request import Caller
from gateway.settings import Settings
from gateway.web.app import build


class Service:
    """Its look finds what the test says."""

    def __init__(self, looked):
        self.looked, self.looks, self.asked = looked, 0, []

    def quota(self, _caller):
        return Quota("free", 240, 60, 239, 12)

    async def identify(self, _token):
        return Caller("ana", "widgets")

    async def given(self, _request, _caller):
        self.looks += 1
        return self.looked

    async def answer(self, _request, _caller, *, new=False):
        self.asked.append(new)
        return b'{"query_id": "Q1"}'


@pytest.mark.parametrize(
    ("key", "looked", "looks", "asked"),
    [
        ("k", Looked(new=True), 1, [True]),
        ("k", Looked(), 1, [False]),  # somebody works on it, or it is refused: the path says which
        ("k", Looked(b'{"query_id": "Q1"}'), 1, []),
        (None, Looked(new=True), 0, [False]),
    ],
)
async def test_what_the_door_found_is_handed_on(key, looked, looks, asked):
    service = Service(looked)
    headers = {"Authorization": "Bearer t"} | ({"Idempotency-Key": key} if key else {})
    async with TestClient(TestServer(build(behind(service), Settings()))) as client:
        reply = await client.post("/v1/query", json={"sql": "SELECT 1"}, headers=headers)
        assert (reply.status, await reply.json()) == (200, {"query_id": "Q1"})
    assert (service.looks, service.asked) == (looks, asked)
