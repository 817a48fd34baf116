"""What is not HTTP, and what HTTP we do not speak: answered as a problem document, without one byte of what came."""

import asyncio
import json
import logging

import pytest
from support.operations import behind

from gateway.settings import Settings
from gateway.web.app import build, serve

SECRET = b"s3cr3t-t0ken"
HEAD = b"POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\n"

NOT_HTTP = {
    "no request line": SECRET + b"\r\n\r\n",
    "bad version": b"GET /healthz HTTP/" + SECRET + b"\r\n\r\n",
    "bad method": b"G@T" + SECRET + b" /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00" + SECRET + b"\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SECRET,
    "bad address": b"GET http://[" + SECRET + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "bad header name": b"GET /healthz HTTP/1.1\r\nHost: x\r\nBad Name" + SECRET + b": y\r\n\r\n",
    "header without colon": b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + SECRET + b"\r\n\r\n",
    "control character": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + SECRET + b"\x00\r\n\r\n",
    "bad length": HEAD + b"Content-Length: " + SECRET + b"\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n" + SECRET,
    "length and chunks": HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" + SECRET,
    "unknown transfer": HEAD + b"Transfer-Encoding: " + SECRET + b"\r\n\r\n",
    "bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + SECRET + b"\r\n{}\r\n0\r\n\r\n",
    "unknown expectation": HEAD + b"Expect: " + SECRET + b"\r\nContent-Length: 2\r\n\r\n{}",
    "long line": b"GET /" + SECRET * 1000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "long header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + SECRET * 1000 + b"\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\n" + b"".join(b"A%d: %b\r\n" % (n, SECRET) for n in range(500)) + b"\r\n",
}


class Service:
    async def identify(self, token):
        del token


async def exchanged(*sent):
    settings = Settings(port=0, head_timeout_s=5.0)
    parts = behind(Service())
    app = build(parts, settings)
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(app, parts.questions, settings, address.set_result, stop))
    try:
        host, port = (await address).removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for part in sent:
            writer.write(part)
            await asyncio.sleep(0.1)
        answer = await asyncio.wait_for(reader.read(), 5)  # to the end: the connection is closed
        writer.close()
    finally:
        stop.set()
        await task
    return answer


@pytest.mark.parametrize("name", NOT_HTTP)
async def test_what_cannot_be_read_is_a_problem_without_its_bytes(name, caplog):
    caplog.set_level(logging.DEBUG)
    answer = await exchanged(NOT_HTTP[name])
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert b"content-type: application/problem+json" in lines, answer
    assert b"cache-control: no-store" in lines
    document = json.loads(body)
    assert document["code"] == ("too_large" if name.startswith("long") else "bad_request")
    assert head.split()[1] == str(document["status"]).encode()
    assert document["hint"]
    assert SECRET not in answer
    assert SECRET.decode() not in caplog.text


@pytest.mark.parametrize("broken", [SECRET + b"\r\n{}\r\n0\r\n\r\n", b"2\r\n{}" + SECRET])
async def test_a_body_that_breaks_on_its_way_is_a_problem_without_its_bytes(broken, caplog):
    caplog.set_level(logging.DEBUG)
    answer = await exchanged(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n", broken)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    assert json.loads(body)["code"] == "bad_request"
    assert SECRET not in answer
    assert SECRET.decode() not in caplog.text
