"""Signing in and out: the cookie, whose it is, how it ends, and forms that another site sends."""

import re

import pytest
from support.consoles import OURS, Service, console, csrf, signed_in, token

from gateway.web.console.sessions import COOKIE, MAX_TOKEN_BYTES

FORMS = ("/console/ask", "/console/quote", "/console/queries/01M8/cancel")


def cookie_of(reply):
    [line] = [line for line in reply.headers.getall("Set-Cookie") if line.startswith(COOKIE)]
    return line


async def test_the_cookie_is_sealed_strict_and_ends_with_its_token():
    async with console(Service()) as client:
        line = cookie_of(await signed_in(client, token(exp=4102444800, sub="ana")))
    value, *flags = (part.strip() for part in line.split(";"))
    assert {"HttpOnly", "SameSite=Strict", "Path=/console", "expires=Fri, 01 Jan 2100 00:00:00 GMT"} == set(flags)
    sealed = value.partition("=")[2]
    assert re.fullmatch(r"[A-Za-z0-9_-]+", sealed)
    assert not any(part in sealed for part in token(sub="ana").split("."))


async def test_the_cookie_is_secure_where_the_browser_came_over_https():
    async with console(Service()) as client:
        headers = OURS | {"X-Forwarded-Proto": "https"}
        reply = await client.post("/console/sign-in", data={"token": token()}, headers=headers, allow_redirects=False)
    assert "Secure" in cookie_of(reply)


async def test_the_longest_token_makes_a_cookie_that_browsers_keep():
    longest = token(pad="x" * (MAX_TOKEN_BYTES * 3 // 4 - 60))
    assert MAX_TOKEN_BYTES - 80 < len(longest) <= MAX_TOKEN_BYTES
    async with console(Service()) as client:
        assert len(cookie_of(await signed_in(client, longest))) < 4096
        long = {"token": token(pad="x" * MAX_TOKEN_BYTES)}
        reply = await client.post("/console/sign-in", data=long, headers=OURS, allow_redirects=False)
        assert reply.status == 413
        assert "Set-Cookie" not in reply.headers


async def test_a_token_that_is_not_valid_signs_nobody_in():
    async with console(Service()) as client:
        reply = await client.post("/console/sign-in", data={"token": "a.b.c"}, headers=OURS, allow_redirects=False)
        assert reply.status == 401
        assert "Set-Cookie" not in reply.headers
        assert "a.b.c" not in await reply.text()


async def test_without_a_session_every_page_leads_to_the_door():
    async with console(Service()) as client:
        for address in ("/console", "/console/datasets", "/console/ask", "/console/feed", "/console/billing/events"):
            reply = await client.get(address, allow_redirects=False)
            assert (reply.status, reply.headers["Location"]) == (303, "/console/sign-in")
        part = await client.get("/console/feed/now", headers={"HX-Request": "true"}, allow_redirects=False)
        assert (part.status, part.headers["HX-Redirect"]) == (401, "/console/sign-in")


@pytest.mark.parametrize("value", ["", "x", "AAAA", "A" * 60, "%00", "." * 50, "é" * 4])
async def test_a_cookie_that_is_none_of_ours_is_no_session(value):
    async with console(Service()) as client:
        headers = {"Cookie": f"{COOKIE}={value}"}
        reply = await client.get("/console/datasets", headers=headers, allow_redirects=False)
        assert reply.status == 303


async def test_a_cookie_that_is_changed_or_of_another_key_is_no_session():
    async with console(Service()) as client:
        sealed = cookie_of(await signed_in(client)).partition("=")[2].partition(";")[0]
    async with console(Service()) as client:
        assert (await _datasets(client, sealed)).status == 200
        changed = sealed[:-5] + ("A" if sealed[-5] != "A" else "B") + sealed[-4:]
        assert (await _datasets(client, changed)).status == 303
    async with console(Service(), secret=b"t" * 32) as client:
        assert (await _datasets(client, sealed)).status == 303


async def _datasets(client, sealed):
    return await client.get("/console/datasets", headers={"Cookie": f"{COOKIE}={sealed}"}, allow_redirects=False)


async def test_a_token_that_is_taken_back_ends_its_session_at_the_next_request():
    service = Service()
    async with console(service) as client:
        await signed_in(client)
        assert (await client.get("/console/datasets")).status == 200
        service.revoked = True
        reply = await client.get("/console/datasets", allow_redirects=False)
        assert reply.status == 303
        assert 'gateway_session=""' in cookie_of(reply)


async def test_signing_out_forgets_the_cookie():
    async with console(Service()) as client:
        await signed_in(client)
        reply = await client.post("/console/sign-out", headers=OURS, allow_redirects=False)
        assert "Max-Age=0" in cookie_of(reply)
        assert (await client.get("/console/datasets", allow_redirects=False)).status == 303


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://{host}"},
    ],
)
@pytest.mark.parametrize("address", [*FORMS, "/console/sign-in", "/console/sign-out", "/console/language"])
async def test_a_form_that_another_site_sends_does_nothing(address, headers):
    service = Service()
    async with console(service) as client:
        await signed_in(client)
        known = await csrf(client)
        sent = {name: value.format(host=f"{client.host}:{client.port}") for name, value in headers.items()}
        form = {"csrf": known, "sql": "SELECT 1 FROM t", "now": "1", "token": token()}
        reply = await client.post(address, data=form, headers=sent, allow_redirects=False)
        assert reply.status == 403
        assert "Set-Cookie" not in reply.headers
    assert service.asked == service.quoted == []


async def test_our_own_origin_is_enough_for_a_browser_that_does_not_tell_the_site():
    async with console(Service()) as client:
        origin = {"Origin": f"http://{client.host}:{client.port}"}
        reply = await client.post("/console/sign-in", data={"token": token()}, headers=origin, allow_redirects=False)
        assert reply.status == 303


@pytest.mark.parametrize("address", FORMS)
@pytest.mark.parametrize("sent", [None, "", "0" * 64, "é"])
async def test_a_form_without_its_session_s_mark_does_nothing(address, sent):
    service = Service()
    async with console(service) as client:
        await signed_in(client)
        form = {"sql": "SELECT 1 FROM t", "now": "1"} | ({} if sent is None else {"csrf": sent})
        reply = await client.post(address, data=form, headers=OURS, allow_redirects=False)
        assert reply.status == 403
    assert service.asked == service.quoted == []


async def test_the_mark_of_another_session_does_not_hold():
    async with console(Service()) as client:
        await signed_in(client)
        other = await csrf(client)
        await signed_in(client)
        assert await csrf(client) != other
        reply = await client.post("/console/ask", data={"csrf": other, "sql": "SELECT 1 FROM t"}, headers=OURS)
        assert reply.status == 403


async def test_the_switch_of_languages_leads_nowhere_else():
    async with console(Service()) as client:
        for back, there in (
            ("/console/ask", "/console/ask"),
            ("//evil.example", "/console"),
            ("https://evil.example/console", "/console"),
            ("/console/../v1", "/console"),
            ("/console\r\nX: y", "/console"),
        ):
            form = {"to": "zh", "back": back}
            reply = await client.post("/console/language", data=form, headers=OURS, allow_redirects=False)
            assert reply.headers["Location"] == there
        assert 'lang="zh-Hans"' in await (await client.get("/console/sign-in")).text()


@pytest.mark.parametrize("body", [b"a=%ff", b"\xff", b"csrf=a&csrf=b", b"&" * 50, b"a=1&" * 40])
async def test_a_form_that_cannot_be_read_is_refused_as_a_page(body):
    async with console(Service()) as client:
        headers = OURS | {"Content-Type": "application/x-www-form-urlencoded"}
        reply = await client.post("/console/sign-in", data=body, headers=headers)
        assert reply.status in (400, 401)
        assert "<html" in await reply.text()
