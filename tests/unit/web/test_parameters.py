"""Query parameters: what an address does not know is refused by name, on every address that is served."""

import json
import re

import pytest
from aiohttp.test_utils import TestClient, TestServer
from support.operations import behind

from gateway.errors import GatewayError
from gateway.request import Caller
from gateway.settings import Settings
from gateway.web.app import build


class Service:
    """Knows the caller, and would answer."""

    async def identify(self, token):
        del token
        return Caller("ana", "widgets")

    async def events(self, caller, after, limit):
        del caller
        return [(str(limit), f'{{"after": "{after}"}}')]

    async def datasets(self, caller):
        del caller
        return []

    async def checkpoint(self):
        return "here"

    def __getattr__(self, name):
        async def absent(*_):
            raise GatewayError("not_found", name)

        return absent


async def asked(method, path):
    app = build(behind(Service()), Settings())
    async with TestClient(TestServer(app)) as client:
        reply = await client.request(method, path, headers={"Authorization": "Bearer x"})
        return reply.status, reply.content_type, await reply.text()


GETS = sorted({r.resource.canonical for r in build(behind(Service()), Settings()).router.routes() if r.method == "GET"})


@pytest.mark.parametrize("path", GETS)
async def test_an_unknown_parameter_is_refused_by_name_on_every_get(path):
    path = re.sub(r"\{\w+\}", "x", path)
    status, kind, body = await asked("GET", f"{path}?colour=red")
    assert (status, kind) == (400, "application/problem+json")
    document = json.loads(body)
    assert document["code"] == "bad_request"
    assert "'colour'" in document["detail"]
    assert document["hint"]


def test_the_gets_are_all_there():
    assert {"/healthz", "/v1/budget", "/v1/meter/events", "/v1/queries/{id}"} <= set(GETS)


async def test_posts_take_no_parameters_either():
    assert (await asked("POST", "/v1/query?sql=SELECT"))[0] == 400


async def test_known_parameters_are_read_and_stand_once():
    status, _, body = await asked("GET", "/v1/meter/events?after=3&limit=2")
    assert (status, json.loads(body)) == (200, {"after": "3"})
    assert (await asked("GET", "/v1/meter/events?limit=2&limit=3"))[0] == 400
    assert (await asked("GET", "/v1/meter/events?Limit=2"))[0] == 400


async def test_an_address_that_is_none_stays_so():
    assert (await asked("GET", "/nowhere?colour=red"))[0] == 404


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("name", ["%00", "Q1%00", "%0A", "Q%7F", "%ED%A0%80%0D"])
async def test_a_name_in_an_address_that_no_name_can_be_reaches_no_store(method, name, monkeypatch):
    async def reached(*_):
        raise AssertionError("PostgreSQL fails on a text with a NUL")

    monkeypatch.setattr(Service, "identify", reached)
    status, _, body = await asked(method, f"/v1/queries/{name}")
    assert (status, json.loads(body)["code"]) == (404, "not_found")
