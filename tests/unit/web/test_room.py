"""How many questions are taken at once, and that one organisation does not take all the room."""

import asyncio

import pytest
from aiohttp.test_utils import TestClient, TestServer
from support.operations import behind

from gateway.errors import Quota
from gateway.request import Caller
from gateway.settings import Settings
from gateway.web.app import build


class Service:
    """The token names the organisation; an answer waits until it is let go."""

    def __init__(self):
        self.go = asyncio.Event()

    def quota(self, _caller):
        return Quota("free", 240, 60, 239, 12)

    async def identify(self, token):
        return Caller("ana", token)

    async def answer(self, _request, _caller, *, new=False):
        await self.go.wait()
        return b"{}"

    async def quote(self, _request, _caller):
        await self.go.wait()
        return {}


@pytest.mark.parametrize("path", ["/v1/query", "/v1/quote"])
async def test_one_organisation_has_half_of_the_room_and_the_room_ends(path):
    service = Service()
    app = build(behind(service, 4), Settings())
    async with TestClient(TestServer(app)) as client:

        async def ask(organisation):
            headers = {"Authorization": f"Bearer {organisation}"}
            reply = await client.post(path, json={"sql": "SELECT 1"}, headers=headers)
            return reply.status

        async def held(organisation):
            task = asyncio.create_task(ask(organisation))
            await asyncio.sleep(0.05)
            assert not task.done()
            return task

        taken = [await held("widgets"), await held("widgets")]
        assert await ask("widgets") == 429
        taken += [await held("others")]
        assert await ask("widgets") == 429
        taken += [await held("thirds")]
        assert await ask("others") == 429, "the room is full"
        service.go.set()
        assert await asyncio.gather(*taken) == [200] * 4
        assert await ask("widgets") == 200, "who left makes room"
