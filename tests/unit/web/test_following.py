"""Who waits for a question or follows it: bounded in number and in time, and what breaks ends the stream cleanly."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from aiohttp.test_utils import TestClient, TestServer
from support.operations import behind

from gateway.app.tracking import CURRENT
from gateway.errors import Quota, StoreUnavailable
from gateway.request import Caller
from gateway.settings import Settings
from gateway.stages import Stage
from gateway.web import queries
from gateway.web.app import build
from gateway.web.trino.addresses import Addresses


class Service:
    """The token names the organisation. Q1 runs in another process; what is asked here is Q2, until it is let go."""

    def __init__(self):
        self.statements = SimpleNamespace(key=b"k" * 32)
        self.go = asyncio.Event()
        self.broken = False

    def quota(self, _caller):
        return Quota("free", 240, 60, 239, 12)

    async def identify(self, token):
        return Caller("ana", token)

    async def query(self, _caller, query_id):
        if self.broken:
            raise StoreUnavailable
        return {"query_id": query_id, "state": "RUNNING"}

    async def answer(self, _request, _caller, *, new=False):
        question = CURRENT.get()
        question.paid("Q2")
        question.enter(Stage.EXECUTE)
        await self.go.wait()
        return b'{"query_id": "Q2"}'


@pytest.fixture
async def served(monkeypatch):
    monkeypatch.setattr(queries, "LOOK_EVERY_S", 0.01)
    service = Service()
    stood = behind(service, 4)
    async with TestClient(TestServer(build(stood, Settings()))) as client:
        yield service, client
        stood.questions.draining = True


def get(client, path, organisation="widgets"):
    return client.get(path, headers={"Authorization": f"Bearer {organisation}"})


async def ask(client):
    body = {"sql": "SELECT 1", "wait_timeout": 0}
    assert (await client.post("/v1/query", json=body, headers={"Authorization": "Bearer widgets"})).status == 202


async def told(reply):
    return [json.loads(line[6:]) for line in (await reply.text()).splitlines() if line.startswith("data: ")]


async def test_one_organisation_follows_so_many_at_once_and_others_can(served):
    _, client = served
    open_ = [await get(client, "/v1/queries/Q1/events") for _ in range(2)]
    refused = await get(client, "/v1/queries/Q1/events")
    assert refused.status == 429
    assert (await refused.json())["code"] == "too_many_requests"
    assert (await get(client, "/v1/queries/Q1")).status == 200, "to look is no wait"
    open_ += [await get(client, "/v1/queries/Q1/events", "others")]
    assert [reply.status for reply in open_] == [200] * 3
    for reply in open_:
        reply.close()


async def test_who_waits_for_an_answer_counts_as_well(served):
    service, client = served
    await ask(client)
    waiting = [asyncio.create_task(get(client, "/v1/queries/Q2?wait_timeout=9")) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert (await get(client, "/v1/queries/Q2?wait_timeout=9")).status == 429
    assert (await get(client, "/v1/queries/Q2/events")).status == 429
    service.go.set()
    assert [reply.status for reply in await asyncio.gather(*waiting)] == [200, 200]
    assert (await get(client, "/v1/queries/Q2?wait_timeout=9")).status == 200, "and the room is given back"


async def test_a_stream_about_another_process_ends_and_may_be_opened_again(served, monkeypatch):
    monkeypatch.setattr(queries, "MOST_FOLLOWED_S", 0.05)
    _, client = served
    reply = await get(client, "/v1/queries/Q1/events")
    assert await asyncio.wait_for(told(reply), 5) == [{"query_id": "Q1", "state": "RUNNING"}]


async def test_a_store_that_goes_away_ends_the_stream_and_writes_no_second_answer_into_it(served):
    service, client = served
    reply = await get(client, "/v1/queries/Q1/events")
    service.broken = True
    assert "HTTP/1.1" not in await asyncio.wait_for(reply.text(), 5)


async def test_who_leaves_a_stream_leaves_nothing_behind(served, monkeypatch):
    monkeypatch.setattr(queries, "BEAT_EVERY_S", 0.01)
    _, client = served
    await ask(client)
    before = len(asyncio.all_tasks())
    for _ in range(5):
        reply = await get(client, "/v1/queries/Q2/events")
        await reply.content.readline()
        reply.close()
    await asyncio.sleep(0.3)
    assert len(asyncio.all_tasks()) <= before


@pytest.mark.parametrize("query_id", ["Q1", "Q2"], ids=["of another process", "of this one"])
async def test_who_waits_for_a_page_of_trino_s_protocol_counts_as_well(served, query_id):
    service, client = served
    await ask(client)
    path = Addresses(service.statements.key).page(Caller("ana", "widgets"), query_id, 0, intervals=False)
    waiting = [asyncio.create_task(get(client, f"{path}?maxWait=9s")) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert (await get(client, f"{path}?maxWait=9s")).status == 429
    service.go.set()
    for task in waiting:
        task.cancel()


async def test_the_mark_of_a_page_is_not_one_of_an_address_that_holds_its_page(served):
    service, client = served
    path = Addresses(service.statements.key).page(Caller("ana", "widgets"), "Q1", 0, intervals=True)
    held = path.replace("/i", "/s").rpartition("/")[0] + "/i"
    assert (await get(client, held)).status == 404
