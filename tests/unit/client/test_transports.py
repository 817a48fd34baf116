"""Both transports against a small server that may say anything: the same calls, the same replies, the same limits."""

import asyncio
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.clients import document

from gateway.client import Retries, connect, connect_async
from gateway.client.aio import Streaming
from gateway.client.blocking import Blocking
from gateway.client.errors import BadReply, GatewayError, RateLimited, Refused, Unauthenticated, Unreachable
from gateway.client.wire import Call, Lost

TOKEN = "t"
FAST = Retries(times=2, first_s=0.01)


class Answers(BaseHTTPRequestHandler):
    """Replies the next of the server's list; remembers what was asked."""

    protocol_version = "HTTP/1.1"

    def reply(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        replies = self.server.replies
        status, headers, body = replies.pop(0) if len(replies) > 1 else replies[0]
        if status is None:  # the connection is lost, after as much as the body holds
            self.wfile.write(body)
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = reply  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.asked, server.replies, server.url = [], [], f"http://127.0.0.1:{server.server_port}/below"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def blocking(url, call, token=TOKEN, **known):
    return Blocking(url, **known).send(call, token)


def streaming(url, call, token=TOKEN, **known):
    async def run():
        transport = Streaming(url, **known)
        try:
            return await transport.send(call, token)
        finally:
            await transport.close()

    return asyncio.run(run())


@pytest.fixture(params=[blocking, streaming])
def send(request):
    return request.param


def test_a_call_and_its_reply(server, send):
    server.replies = [(418, {"Retry-After": "3"}, b"body")]
    found = send(
        server.url, Call("POST", "/v1/query", b"{}", {"Idempotency-Key": "k", "Content-Type": "application/json"})
    )
    assert (found.status, found.headers["retry-after"], found.body) == (418, "3", b"body")
    method, path, headers, body = server.asked[0]
    assert (method, path, body) == ("POST", "/below/v1/query", b"{}")
    expected = {
        "Authorization": "Bearer t",
        "Idempotency-Key": "k",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }
    assert expected.items() <= headers.items()
    assert "Cookie" not in headers


def test_a_redirect_is_a_reply_and_no_proxy_is_asked(server, send, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    server.replies = [(307, {"Location": f"{server.url}/elsewhere", "Set-Cookie": "a=b"}, b"")]
    assert send(server.url, Call("GET", "/x")).status == 307
    assert len(server.asked) == 1


def test_a_reply_that_is_too_large_or_compressed_is_not_read(server, send):
    server.replies = [(200, {}, b"x" * 100_000)]
    with pytest.raises(BadReply, match="more than 1,000 bytes"):
        send(server.url, Call("GET", "/x"), max_reply_bytes=1000)
    assert len(send(server.url, Call("GET", "/x"), max_reply_bytes=100_000).body) == 100_000
    server.replies = [(200, {"Content-Encoding": "gzip"}, b"x")]
    with pytest.raises(BadReply, match="compressed"):
        send(server.url, Call("GET", "/x"))


@pytest.mark.parametrize("said", [b"", b"220 mail\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
                                  b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf"])  # fmt: skip
def test_a_reply_that_is_not_whole_is_lost(server, send, said):
    server.replies = [(None, {}, said)]
    with pytest.raises(Lost):
        send(server.url, Call("GET", "/x"))


def test_a_reply_that_drips_or_never_comes_is_lost_in_time(send):
    for drip in (b"", b"x"):
        over = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def talk(listening=listening, drip=drip, over=over):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1000)
                    if drip:
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                    try:
                        while connection.send(drip or b"") is not None and not over.wait(0.05):
                            pass
                    except OSError:
                        pass

            thread = threading.Thread(target=talk)
            thread.start()
            with pytest.raises(Lost, match="no gateway answers"):
                send(f"http://127.0.0.1:{listening.getsockname()[1]}", Call("GET", "/x", timeout_s=0.3))
            over.set()
            thread.join()


def test_nobody_at_the_address(send):
    with pytest.raises(Lost, match="no gateway answers at http://127.0.0.1:9"):
        send("http://127.0.0.1:9", Call("GET", "/x"))


# -- the clients above them ---------------------------------------------------------------------------------------------


def ask_blocking(url, token=TOKEN, work=lambda client: client.budget(), **known):
    with connect(url, token, retries=FAST, progress=False, **known) as client:
        return work(client)


def ask_streaming(url, token=TOKEN, work=lambda client: client.budget(), **known):
    async def run():
        async with connect_async(url, token, retries=FAST, progress=False, **known) as client:
            return await work(client)

    return asyncio.run(run())


@pytest.fixture(params=[ask_blocking, ask_streaming])
def ask(request):
    return request.param


BUDGET = (200, {}, b'{"datasets": [{"dataset": "shop"}]}')
STALE = (401, {}, b'{"code": "unauthenticated", "title": "t", "detail": "d"}')


def test_documents_by_their_paths(server, ask):
    for reply, work, path, expected in (
        (BUDGET, lambda c: c.budget(), "/v1/budget", [{"dataset": "shop"}]),
        (BUDGET, lambda c: c.datasets(), "/v1/datasets", [{"dataset": "shop"}]),
        ((200, {}, b'{"name": "a b"}'), lambda c: c.dataset("a b/?"), "/v1/datasets/a%20b%2F%3F", {"name": "a b"}),
        (
            (200, {}, b'{"queries": []}'),
            lambda c: c.history(limit=3, before="Q&"),
            "/v1/queries?limit=3&before=Q%26",
            [],
        ),
    ):
        server.replies = [reply]
        assert ask(server.url + "/", work=work) == expected
        assert server.asked[-1][:2] == ("GET", f"/below{path}")


def test_listings_are_read_page_after_page(server, ask):
    for work, path in (
        (lambda c: c.cases(), "/v1/cases?"),
        (lambda c: c.grants(), "/v1/grants?"),
        (lambda c: c.members(state="applied"), "/v1/members?state=applied&"),
        (lambda c: c.versions("a b"), "/v1/datasets/a%20b/versions?"),
    ):
        name = path.partition("?")[0].rpartition("/")[2]
        pages = [{name: [{"n": 1}, {"n": 2}], "cursor": "a-b_"}, {name: [{"n": 3}], "cursor": None}]
        server.replies = [(200, {}, json.dumps(page).encode()) for page in pages]
        assert ask(server.url, work=work) == [{"n": 1}, {"n": 2}, {"n": 3}]
        asked = [one[1] for one in server.asked[-2:]]
        assert asked == [f"/below{path}limit=1000", f"/below{path}after=a-b_&limit=1000"]
    server.replies = [(200, {}, b'{"cases": [{"n": 1}, {"n": 2}], "cursor": "more"}')]
    assert ask(server.url, work=lambda c: c.cases(limit=2)) == [{"n": 1}, {"n": 2}]
    assert server.asked[-1][1] == "/below/v1/cases?limit=2"
    with pytest.raises(ValueError, match="one at least"):
        ask(server.url, work=lambda c: c.cases(limit=0))


def test_a_token_that_is_given_by_a_function_is_renewed_once_it_is_stale(server, ask):
    given = iter(["one", "two", "three"])
    server.replies = [BUDGET, STALE, BUDGET, BUDGET]
    work = (lambda c: [c.budget() for _ in range(3)]) if ask is ask_blocking else thrice
    ask(server.url, lambda: next(given), work=work)
    sent = [headers["Authorization"] for _, _, headers, _ in server.asked]
    assert sent == ["Bearer one", "Bearer one", "Bearer two", "Bearer two"]


async def thrice(client):
    return [await client.budget() for _ in range(3)]


def test_a_token_that_stays_stale_or_is_a_text_is_unauthenticated(server, ask):
    server.replies = [STALE]
    for token, times in ((lambda: "x", 2), ("x", 1)):
        server.asked.clear()
        with pytest.raises(Unauthenticated):
            ask(server.url, token)
        assert len(server.asked) == times


def test_a_token_may_come_from_a_coroutine(server):
    async def token():
        return "later"

    server.replies = [BUDGET]
    ask_streaming(server.url, token)
    assert server.asked[0][2]["Authorization"] == "Bearer later"


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "é"])
def test_a_token_that_no_header_holds_is_refused_unseen(ask, token):
    for given in (token, lambda: token):
        with pytest.raises(GatewayError) as caught:
            ask("http://127.0.0.1:9", given)
        assert "a\r\nX" not in str(caught.value)
    with pytest.raises(Unauthenticated, match="no text"):
        ask("http://127.0.0.1:9", lambda: None)


@pytest.mark.parametrize("url", ["ftp://h", "nonsense", "", "http://me:hush@h", "http://h/?x=1", "http://h:0"])
def test_what_is_no_address_is_refused_at_once(url):
    for make in (connect, connect_async):
        with pytest.raises(GatewayError, match="is no address of a gateway") as caught:
            make(url, "t")
        assert "hush" not in str(caught.value)


def test_lost_connections_and_busy_gateways_are_asked_again_with_one_key(server, ask):
    body = json.dumps(document()).encode()
    busy = (429, {"Retry-After": "0"}, b'{"code": "too_many_running", "title": "t"}')
    server.replies = [(None, {}, b""), busy, (200, {}, body)]
    found = ask(server.url, work=lambda c: c.query("SELECT 1", verify=False))
    assert found.body == body
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in server.asked}
    assert (len(server.asked), len(keys)) == (3, 1)
    server.replies = [busy]
    with pytest.raises(RateLimited):
        ask(server.url, work=lambda c: c.query("SELECT 1", verify=False))
    server.replies = [(400, {}, b'{"code": "raw_rows", "title": "t"}')]
    with pytest.raises(Refused):
        ask(server.url, work=lambda c: c.quote("SELECT 1"))
    with pytest.raises(GatewayError, match="idempotency key is empty or holds"):
        ask(server.url, work=lambda c: c.query("SELECT 1", idempotency_key="a b"))
    with pytest.raises(Unreachable):
        ask("http://127.0.0.1:9")
