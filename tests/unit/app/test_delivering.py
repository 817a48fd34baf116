"""Which sinks the settings name, and where a webhook's secret comes from."""

import asyncio
import contextlib
import json

import pytest
from sqlalchemy import select

from gateway.app.delivering import delivering, holder, sinks
from gateway.errors import GatewayError
from gateway.settings import Settings
from gateway.store.tables import facts

HOOK = "https://billing.example/events"


def test_sinks_are_those_that_the_settings_name(tmp_path):
    assert sinks(Settings()) == []
    both = sinks(Settings(meter_files=tmp_path, meter_webhook=HOOK, meter_secret="s" * 32))
    assert [sink.name for sink in both] == ["files", "webhook"]


def test_a_secret_may_stand_in_a_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text("f" * 32 + "\n")
    (sink,) = sinks(Settings(meter_webhook=HOOK, meter_secret_file=path))
    assert sink._secret == b"f" * 32
    path.write_text("tiny\n")
    for place in (path, tmp_path / "absent"):
        with pytest.raises(GatewayError, match="settings_invalid") as caught:
            sinks(Settings(meter_webhook=HOOK, meter_secret_file=place))
        assert "tiny" not in caught.value.detail + caught.value.hint


@contextlib.asynccontextmanager
async def running(store, settings):
    with holder(settings.state) as name:
        async with delivering(store, settings, name):
            yield


async def test_without_a_sink_nothing_runs(store, tmp_path):
    async with running(store, Settings(state=tmp_path / "other")):
        await asyncio.sleep(0.1)
    assert await store.read(lambda c: c.execute(select(facts).where(facts.c.name.startswith("delivery"))).all()) == []


async def test_alerts_have_a_webhook_and_a_secret_of_their_own(tmp_path):
    path = tmp_path / "secret"
    path.write_text("f" * 32)
    named = {"alert_webhook": "https://watch.example/alerts", "alert_secret_file": path}
    found = sinks(Settings(meter_webhook=HOOK, meter_secret="s" * 32, **named))
    assert [(sink.name, sink._secret) for sink in found] == [("webhook", b"s" * 32), ("alerts", b"f" * 32)]
    for wrong in ({"alert_secret_file": None}, {"alert_webhook": "http://watch.example"}, {"alert_webhook": None}):
        with pytest.raises(GatewayError, match="settings_invalid"):
            Settings(**{**named, **wrong})
    path.write_text("short")
    with pytest.raises(GatewayError, match="settings_invalid"):
        sinks(Settings(**named))


async def test_a_second_gateway_of_one_folder_neither_delivers_beside_the_first_nor_ends_it(store, tmp_path):
    settings = Settings(state=tmp_path / "other", meter_files=tmp_path / "meter")
    wanted = select(facts.c.value).where(facts.c.name == "delivery:files")

    async def held():
        row = await store.read(lambda c: c.execute(wanted).scalar())
        return None if row is None else json.loads(row)["holder"]

    async with asyncio.timeout(60):
        for _ in range(2):  # one after the other has the folder's own name, and need not wait for its own lease
            async with running(store, settings):
                while await held() is None:
                    await asyncio.sleep(0.01)
                async with running(store, settings):
                    await asyncio.sleep(0.2)
                assert await held() == (tmp_path / "other" / "keys" / "replica.id").read_text()


async def test_a_stopped_gateway_gives_its_sinks_up(store, tmp_path):
    settings = Settings(state=tmp_path / "other", meter_files=tmp_path / "meter")
    held = select(facts.c.value).where(facts.c.name == "delivery:files")
    async with running(store, settings):
        async with asyncio.timeout(60):
            while not await store.read(lambda c: c.execute(held).scalar()):
                await asyncio.sleep(0.01)
    assert await store.read(lambda c: c.execute(held).scalar()) is None
