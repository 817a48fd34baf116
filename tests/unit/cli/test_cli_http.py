"""The command line's HTTP client against a small real server."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gateway.cli.http import Client, Unreachable
from gateway.errors import GatewayError, Position


class Answers(BaseHTTPRequestHandler):
    """Replies what the test put under the path; remembers what was asked."""

    def reply(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        status, headers, body = self.server.replies[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = reply  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = HTTPServer(("127.0.0.1", 0), Answers)
    server.asked, server.replies = [], {}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(server):
    return Client(f"http://127.0.0.1:{server.server_port}/", "secret-token")


def problem(**members):
    return json.dumps({"title": "A title", "detail": "what", "hint": "instead", **members}).encode()


def test_a_post_carries_token_key_and_json(server, client):
    server.replies["/v1/query"] = (200, {}, b'{"n": 1}')
    reply = client.post("/v1/query", {"sql": "SELECT 1", "epsilon": 0.25}, "key-1")
    assert reply.json() == {"n": 1}
    method, _, headers, body = server.asked[0]
    assert method == "POST"
    assert headers["Authorization"] == "Bearer secret-token"
    assert headers["Idempotency-Key"] == "key-1"
    assert json.loads(body) == {"sql": "SELECT 1", "epsilon": 0.25}


def test_json_lines_are_read_one_by_one(server, client):
    server.replies["/e"] = (200, {}, b'{"a":1}\n\n{"a":2}\n')
    assert client.get("/e").lines() == [{"a": 1}, {"a": 2}]


def test_a_problem_becomes_the_same_error(server, client):
    server.replies["/x"] = (400, {}, problem(code="raw_rows", position={"line": 2, "column": 7}))
    with pytest.raises(GatewayError) as caught:
        client.get("/x")
    error = caught.value
    assert (error.code, error.detail, error.hint, error.position) == ("raw_rows", "what", "instead", Position(2, 7))


@pytest.mark.parametrize(("status", "code"), [(418, "bad_request"), (599, "internal")])
def test_a_code_of_a_newer_server_keeps_its_name(server, client, status, code):
    server.replies["/x"] = (status, {}, problem(code="from_the_future"))
    with pytest.raises(GatewayError, match="from_the_future: what") as caught:
        client.get("/x")
    assert caught.value.code == code


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"code": 3}', b'"text"', b'{"code": ["x"], "detail": "d"}'])
def test_an_unreadable_problem_is_internal(server, client, body):
    server.replies["/x"] = (502, {}, body)
    with pytest.raises(GatewayError) as caught:
        client.get("/x")
    assert caught.value.code == "internal"


def test_a_redirect_is_not_followed_with_the_token(server, client):
    server.replies["/x"] = (307, {"Location": "/elsewhere"}, b"")
    server.replies["/elsewhere"] = (200, {}, b"{}")
    with pytest.raises(GatewayError):
        client.get("/x")
    assert [path for _, path, _, _ in server.asked] == ["/x"]


def test_a_proxy_of_the_environment_does_not_see_the_token(server, client, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    server.replies["/x"] = (200, {}, b"{}")
    assert client.get("/x").status == 200


def test_no_gateway_at_the_address():
    with pytest.raises(Unreachable):
        Client("http://127.0.0.1:9", "t").get("/v1/budget")


def test_a_server_that_speaks_no_http_is_no_gateway():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk():
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail ready\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(Unreachable):
            Client(f"http://127.0.0.1:{listening.getsockname()[1]}", "t").get("/v1/budget")
        thread.join()


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1", "file:///etc/hostname", "nonsense", "http://", "", "http://[::1", "http://127.0.0.1:port",
     "http://127.0.0.1:99999", "http://127.0.0.1:0", "http://a b/", "http://h\n/", "http://127.0.0.1/?x=1", "http://me:hush@127.0.0.1:9",
     "http://[me:hush@", "127.0.0.1:8080", "http://é"],
)  # fmt: skip
def test_what_is_no_address_is_a_usage_error(url):
    with pytest.raises(GatewayError) as caught:
        Client(url, "t").get("/v1/budget")
    assert caught.value.code == "settings_invalid"
    assert "--url http://" in caught.value.hint
    assert "hush" not in str(caught.value)
