"""The Python client against a real gateway: sync, async, DB-API, retries, interrupts, and receipts that do not hold."""

import asyncio
import datetime as dt
import json
import re
import signal
import subprocess
import sys
import threading
import warnings
from decimal import Decimal
from pathlib import Path

import aiohttp
import pandas as pd
import pytest
from aiohttp import web
from support.gateways import Gateway, eventually, held_up, releasing_or_none
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.client import (
    QueryCancelled,
    RateLimited,
    ReceiptError,
    Refused,
    Retries,
    connect,
    connect_async,
    dbapi,
)

COUNT = "SELECT COUNT(*) AS n FROM purchases WHERE quantity > "
BY_COHORT = (
    "SELECT cohort, COUNT(*) AS n, SUM(amount) AS s FROM purchases JOIN customers USING (customer_id) GROUP BY cohort"
)
FAST = Retries(first_s=0.01, most_s=5)


@pytest.fixture
def client(gateway):
    with connect(gateway.url, gateway.token(), progress=False) as made:
        yield made


def test_an_answer_with_its_types_intervals_cost_and_receipt(gateway, client):
    before = gateway.spent()
    found = client.query(BY_COHORT)
    assert [(c.name, c.type, c.noisy) for c in found.columns] == [
        ("cohort", "VARCHAR", False), ("n", "BIGINT", True), ("s", "DECIMAL(38,2)", True),
    ]  # fmt: skip
    for (_, n, s), low_high, spread in zip(found, found.intervals["n"], found.intervals["s"], strict=True):
        assert low_high[0] <= n <= low_high[1]
        assert isinstance(s, Decimal)
        assert spread[0] <= s <= spread[1]
    assert abs(gateway.spent() - before - found.privacy.rho) < 1e-9
    assert (str(found.price), found.receipt.charged.amount) == ("4.50 CNY", Decimal("4.50"))
    assert found.receipt.log_index == found.document["receipt"]["log_index"]
    assert found.to_pandas(intervals=True).shape == (len(found), 7)
    assert found.to_polars()["s"].to_list() == [row[2] for row in found]
    again = client.query(BY_COHORT)
    assert (again.rows, again.privacy.stored, str(again.price)) == (found.rows, True, "free")
    assert again.receipt.since == found.receipt.tree_size
    assert client.query(BY_COHORT, verify=False).receipt is None


def test_documents_quotes_and_history(client):
    assert [one["name"] for one in client.datasets()] == ["shop"]
    assert client.dataset("shop")["title"] == "A shop"
    assert client.budget()[0]["dataset"] == "shop"
    quote = client.quote(f"{COUNT}1", epsilon=0.3)
    found = client.query(f"{COUNT}1", epsilon=Decimal("0.3"), row_limit=10, purpose="research", dialect="postgres")
    assert (found.price, found.privacy.rho) == (quote.price, quote.privacy.rho)
    assert client.history(limit=1)[0]["query_id"] == found.query_id
    assert client.history(limit=1, before=found.query_id) != client.history(limit=1)
    aimed = client.query(f"{COUNT}9", accuracy={"half_width": 30})
    assert aimed.document["accuracy"]["reached"]["n"] <= 30


def test_a_refusal_shows_the_place_and_costs_nothing(gateway, client):
    before = gateway.spent()
    with pytest.raises(Refused) as caught:
        client.query("SELECT COUNT(*) AS n\nFROM purchases\nWHERE amount > 3")
    assert caught.value.code == "column_use"
    assert str(caught.value).splitlines()[1:3] == ["  WHERE amount > 3", "        ^"]
    assert "hint: " in str(caught.value)
    with pytest.raises(Refused, match="unknown_dataset"):
        client.dataset("absent")
    assert gateway.spent() == before


async def test_many_at_once_in_one_loop(gateway):
    async with connect_async(gateway.url, gateway.token, progress=False) as client:
        found = await asyncio.gather(*(client.query(f"{COUNT}{n}") for n in (2, 3, 4, 5)))
        assert {one.receipt.origin for one in found} == {"gateway"}
        assert len({one.receipt.log_index for one in found}) == 4
        assert (await client.quote(f"{COUNT}2")).privacy.stored
        assert [one["name"] for one in await client.datasets()] == ["shop"]
        assert (await client.dataset("shop"))["name"] == "shop"
        assert {one["query_id"] for one in await client.history(limit=4)} == {one.query_id for one in found}
        with pytest.raises(Refused):
            await client.query("SELECT amount FROM purchases")


def test_threads_may_share_a_client(gateway, client):
    found = gateway.together([lambda n=n: client.query(f"{COUNT}{n}") for n in (6, 7, 8)])
    assert len({one.receipt.log_index for one in found}) == 3


# -- what stands between them -------------------------------------------------------------------------------------------


class Between:
    """A server in a thread that passes calls on; `meet` decides what becomes of each."""

    def __init__(self, url):
        self.behind, self.meet, self.calls = url, self.pass_on, []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self.loop).result(timeout=20)

    async def _start(self):
        self.session = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._met)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"

    async def _met(self, request):
        self.calls.append((request.method, request.path, request.headers.get("Idempotency-Key")))
        return await self.meet(request)

    async def pass_on(self, request, change=lambda path, body: body):
        headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Content-Length")}
        asked = self.session.request(
            request.method, self.behind + str(request.rel_url), data=await request.read(), headers=headers
        )
        async with asked as reply:
            kept = {n: v for n, v in reply.headers.items() if n in ("Content-Type", "Location", "Gateway-Query-Id")}
            return web.Response(body=change(request.path, await reply.read()), status=reply.status, headers=kept)

    def close(self):
        async def end():
            await self.runner.cleanup()
            await self.session.close()

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(timeout=20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def between(gateway):
    made = Between(gateway.url)
    yield made
    made.close()


def ask(url, token, sql, **options):
    with connect(url, token, retries=FAST, progress=False, **options) as client:
        return client.query(sql)


def ask_async(url, token, sql, **options):
    async def run():
        async with connect_async(url, token, retries=FAST, progress=False, **options) as client:
            return await client.query(sql)

    return asyncio.run(run())


@pytest.mark.parametrize(("asking", "number"), [(ask, 20), (ask_async, 21)])
def test_a_question_is_paid_once_however_often_it_is_sent(gateway, between, asking, number):
    before = gateway.spent()

    async def trouble(request):
        told = len([call for call in between.calls if call[0] == "POST"])
        if told == 1 and request.method == "POST":
            return web.json_response({"code": "overloaded", "title": "t"}, status=503, headers={"Retry-After": "0"})
        if told == 2 and request.method == "POST":
            await between.pass_on(request)  # answered and charged, and nobody hears of it
            request.transport.close()
        return await between.pass_on(request)

    between.meet = trouble
    found = asking(between.url, gateway.token(), f"{COUNT}{number}")
    posts = [call for call in between.calls if call[0] == "POST"]
    assert len(posts) == 3
    assert len({key for _, _, key in posts}) == 1
    assert abs(gateway.spent() - before - found.privacy.rho) < 1e-9
    assert found.receipt.charged.amount == Decimal("4.50")


def test_a_gateway_that_stays_busy_is_left_alone(gateway, between):
    async def busy(_):
        return web.json_response({"code": "rate_limited", "title": "t"}, status=429, headers={"Retry-After": "60"})

    between.meet = busy
    with pytest.raises(RateLimited) as caught:
        ask(between.url, gateway.token(), f"{COUNT}22")
    assert (caught.value.retry_after_s, len(between.calls)) == (60, 1)


def other_key(path, body):
    """Return a receipt that names another key than the one that signed."""
    if not path.endswith("/receipt"):
        return body
    return json.dumps({**json.loads(body), "public_key": "ab" * 32}).encode()


def other_leaf(path, body):
    return body.replace(b'\\"amount\\":\\"4.50\\"', b'\\"amount\\":\\"4.40\\"') if path.endswith("/receipt") else body


def other_answer(path, body):
    return body if path.endswith("/receipt") else body.replace(b'"noisy": true', b'"noisy":  true')


def other_salt(path, body):
    return json.dumps({**json.loads(body), "salt": "00" * 16}).encode() if path.endswith("/receipt") else body


CHANGES = (other_answer, other_leaf, other_key, other_salt)


@pytest.mark.parametrize(
    ("change", "words"),
    [*zip(CHANGES, ("another answer", "inclusion proof", "another name or key", "another SQL"), strict=True)],
)
@pytest.mark.parametrize(("asking", "number"), [(ask, 30), (ask_async, 40)])
def test_a_change_on_the_way_is_noticed(gateway, between, change, words, asking, number):
    async def meet(request):
        return await between.pass_on(request, change)

    between.meet = meet
    with pytest.raises(ReceiptError, match=words) as caught:
        asking(between.url, gateway.token(), f"{COUNT}{number + CHANGES.index(change)}")
    assert caught.value.answer
    assert caught.value.idempotency_key


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Another gateway, with a log of its own; questions are held up in it."""
    made = Gateway(tmp_path_factory.mktemp("other"))
    made.make_data()
    made.start()
    yield made
    assert made.stop() == 0


def test_another_log_than_before_is_noticed(gateway, other, tmp_path):
    kept = tmp_path / "kept.json"
    first = ask(gateway.url, gateway.token(), f"{COUNT}24", checkpoint_file=kept)
    key = first.receipt.document["public_key"]
    for known, words in (
        ({"checkpoint_file": kept}, "no longer the one of"),
        ({"log_key": key}, "another name or key"),
    ):
        with pytest.raises(ReceiptError, match=words):
            ask(other.url, other.token(), f"{COUNT}24", **known)
    second = ask(gateway.url, gateway.token(), f"{COUNT}25", checkpoint_file=kept)
    assert second.receipt.since == first.receipt.tree_size
    assert not ask(gateway.url, gateway.token(), f"{COUNT}25", log_key=key).receipt.first_use


def test_a_key_that_is_replaced_is_followed_from_the_one_that_was_known(other, tmp_path):
    kept = tmp_path / "kept.json"
    first = ask(other.url, other.token(), f"{COUNT}25", checkpoint_file=kept)
    key, rotate = first.receipt.document["public_key"], ["evidence", "rotate-key", "--state", str(other.state)]
    for number, step in ((26, rotate), (27, [*rotate, "--retire"])):
        assert CliRunner().invoke(app, step).exit_code == 0
        found = ask(other.url, other.token(), f"{COUNT}{number}", checkpoint_file=kept, log_key=key)
        assert found.receipt.document["public_key"] != key
    assert found.receipt.since > first.receipt.tree_size
    assert len(json.loads(kept.read_text())["keys"]) == 2
    stranger = tmp_path / "stranger.json"
    with pytest.raises(ReceiptError, match="another name or key"):
        ask(other.url, other.token(), f"{COUNT}27", checkpoint_file=stranger, log_key="ab" * 32)


# -- questions that take their time -------------------------------------------------------------------------------------

INTERRUPTED = """
import sys
from gateway.client import connect
url, token, sql = sys.argv[1:]
connect(url, token, progress=lambda seen: print(seen.stage, flush=True)).query(sql)
"""


@pytest.fixture
def held(other):
    """Return the other gateway, which finishes nothing until the test is over."""
    assert eventually(lambda: len(releasing_or_none(other)) >= 2), "those that a question took with it are there again"
    with held_up(other):
        yield other


def last(gateway):
    with connect(gateway.url, gateway.token()) as client:
        return client.history(limit=1)[0]["state"]


def test_an_interrupt_cancels_the_question_and_says_what_was_charged(held):
    command = [sys.executable, "-c", INTERRUPTED, held.url, held.token(), f"{COUNT}1"]
    asking = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert asking.stdout.readline() == "release\n"
    asking.send_signal(signal.SIGINT)
    _, said = asking.communicate(timeout=20)
    assert asking.returncode != 0
    assert "KeyboardInterrupt" in said
    assert re.search(r"is cancelled\. It stays charged: rho 0\.0\d+, delta 0, 4\.50 CNY\.", said), said
    assert last(held) == "CANCELLED"


async def test_a_cancelled_task_cancels_its_question_and_says_what_was_charged(held):
    stages = []
    async with connect_async(held.url, held.token(), progress=lambda seen: stages.append(seen.stage)) as client:
        asking = asyncio.create_task(client.query(f"{COUNT}2", idempotency_key="mine"))
        assert await asyncio.to_thread(eventually, lambda: "release" in stages)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await asking
        assert "It stays charged: rho" in caught.value.__notes__[0]
        assert last(held) == "CANCELLED"
        with pytest.raises(QueryCancelled):
            await client.query(f"{COUNT}2", idempotency_key="mine")


def test_a_question_that_is_ended_elsewhere_says_what_stays_charged(held):
    client, failed, stages = connect(held.url, held.token()), [], []

    def asking():
        with pytest.raises(QueryCancelled) as caught:
            client.query(f"{COUNT}3", progress=lambda seen: stages.append(seen.stage))
        failed.append(caught.value)

    thread = threading.Thread(target=asking)
    thread.start()
    assert eventually(lambda: "release" in stages)
    ended = client.cancel(client.history(limit=1)[0]["query_id"])
    thread.join(timeout=20)
    assert (ended.state, ended.charged.amount) == ("CANCELLED", Decimal("4.50"))
    assert failed[0].charged == ended.charged


def test_a_question_that_goes_on_is_answered(other):
    assert eventually(lambda: len(releasing_or_none(other)) >= 2)
    stages = []
    with held_up(other) as _, connect(other.url, other.token()) as client:
        found = []
        thread = threading.Thread(target=lambda: found.append(client.query(f"{COUNT}4", progress=stages.append)))
        thread.start()
        assert eventually(lambda: any(seen.stage == "release" and seen.elapsed_s >= 1 for seen in stages))
    thread.join(timeout=20)
    assert found[0].receipt.charged.amount == Decimal("4.50")


# -- DB-API -------------------------------------------------------------------------------------------------------------


def test_dbapi_binds_values_and_pandas_reads_it(gateway):
    connection = dbapi.connect(gateway.url, gateway.token(), dataset="shop", epsilon=0.1)
    cursor = connection.cursor()
    for sql, values, kind in (
        ("SELECT COUNT(*) AS n FROM purchases WHERE purchased_on > ?", [dt.date(1997, 3, 1)], int),
        ("SELECT COUNT(*) AS n FROM purchases WHERE purchased_on > ?", [dt.datetime(1997, 3, 1, 2)], int),
        ("SELECT COUNT(*) AS n FROM purchases WHERE basket <> ? -- ?", ["it's ?"], int),
        ("SELECT SUM(quantity) - ? AS n FROM purchases", [-2.5], float),
        ("SELECT SUM(quantity) * ? AS n FROM purchases", [Decimal("1.50")], Decimal),
    ):
        ((value,),) = cursor.execute(sql, values).fetchall()
        assert type(value) is kind
        assert cursor.result.receipt is not None
    sql = "SELECT cohort, COUNT(*) AS n FROM customers WHERE cohort IN (?, ?) GROUP BY cohort ORDER BY cohort"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pandas tests only SQLAlchemy, and says so
        frame = pd.read_sql(sql, connection, params=["1997-01", "1997-02"])
        with pytest.raises(pd.errors.DatabaseError, match="raw_rows|rollback"):
            pd.read_sql("SELECT amount FROM purchases", connection)
    assert list(frame.columns) == ["cohort", "n"]
    assert set(frame["cohort"]) <= {"1997-01", "1997-02"}
    with pytest.raises(dbapi.ProgrammingError, match="raw_rows"):
        cursor.execute("SELECT amount FROM purchases")


def test_the_examples_of_the_page_run(gateway, tmp_path, capsys):
    page = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 7
    known = {"url": gateway.url, "token": gateway.token(), "folder": tmp_path}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pandas tests only SQLAlchemy, and says so
        for block in blocks:
            exec(compile(block, "docs/client.md", "exec"), known)  # noqa: S102 - our own page
    assert list(known["frame"].columns) == ["cohort", "n"]
    assert known["exact"].document["accuracy"]["reached"]["n"] <= 50
    said = capsys.readouterr().out
    assert "raw_rows" in said
    assert "SELECT amount FROM purchases" in said
