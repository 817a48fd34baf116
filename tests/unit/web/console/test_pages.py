"""Every page with hostile names in it: nothing of them runs, nothing is asked of elsewhere, the policy is strict."""

import html
import re
from html.parser import HTMLParser

import pytest
from support.consoles import CASE_ID, HOSTILE, OURS, QUERY_ID, Service, console, csrf, signed_in

from gateway.errors import GatewayError, Position
from gateway.web.console.assets import FILES, FOLDER
from gateway.web.console.pages import POLICY

PAGES = (
    "/console/datasets",
    "/console/datasets/shop",
    "/console/ask",
    f"/console/ask?sql={html.escape('x')}%3Cscript%3Ealert(1)%3C/script%3E&dataset=%22%3E%3Cscript%3E",
    "/console/sandbox",
    "/console/sandbox?sql=%3Cscript%3Ealert(1)%3C/script%3E&dataset=%22%3E%3Cscript%3E",
    "/console/sandbox/rows?dataset=shop",
    "/console/models",
    "/console/models?table=",
    "/console/queries",
    f"/console/queries/{QUERY_ID}",
    f"/console/queries/{QUERY_ID}/receipt",
    f"/console/queries/{QUERY_ID}/progress",
    "/console/budget",
    "/console/provider",
    "/console/versions",
    f"/console/versions/shop/sha256:{'0' * 64}?replay=yes",
    "/console/feed",
    "/console/feed/now",
    "/console/freezes?scope=buyer&organisation=%3Cscript%3Ealert(1)%3C/script%3E&subject=%22%3E%3Cscript%3E",
    "/console/members",
    "/console/cases?query_id=%22%3E%3Cscript%3E",
    f"/console/cases/{CASE_ID}",
    f"/console/cases/{CASE_ID}/evidence",
    "/console/billing",
    "/console/nothing",
    "/console/sign-in",
)
VOID = {"meta", "link", "input", "img", "br", "hr", "col"}


class Read(HTMLParser):
    """Reads a page as a browser would: elements and their attributes."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))


async def read(client, address):
    reply = await client.get(address)
    return reply, await reply.text()


@pytest.mark.parametrize("address", PAGES)
async def test_nothing_of_a_hostile_name_runs(address):
    async with console(Service()) as client:
        await signed_in(client)
        reply, text = await read(client, address)
    assert reply.headers["Content-Security-Policy"] == POLICY
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.content_type == "text/html"
    assert HOSTILE not in text
    assert "54439" not in text  # {{ 7777 * 7 }} is a text and no template
    for tag, attributes in Read(text).elements:
        assert tag not in ("img", "iframe", "object", "embed", "base", "style")
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "hx-on", "srcdoc")]
        assert not [name for name in attributes if name.startswith(("hx-on", "hx-vals", "hx-vars"))]
        if tag == "script":
            assert attributes["src"].startswith("/console/static/")
        for name in ("src", "href", "action", "formaction", "hx-get", "hx-post"):
            assert re.match(r"/console\b|#|data:,", attributes.get(name, "#")), (tag, attributes)


@pytest.mark.parametrize("address", PAGES)
async def test_every_page_is_whole_in_both_languages(address):
    async with console(Service()) as client:
        await signed_in(client)
        for language, tag in (("en", "en"), ("zh", "zh-Hans")):
            reply = await client.get(address, headers={"Accept-Language": language})
            text = await reply.text()
            assert reply.status in (200, 400), text
            assert ("<html" not in text) or f'<html lang="{tag}">' in text


async def test_the_policy_lets_nothing_in_but_our_own_files():
    assert "unsafe" not in POLICY
    assert POLICY.startswith("default-src 'none'")
    for part in ("script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:",
                 "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"):  # fmt: skip
        assert part in POLICY


async def test_files_never_change_under_their_names():
    async with console(Service()) as client:
        _, text = await read(client, "/console/sign-in")
        addresses = re.findall(r'"(/console/static/[^"]+)"', text)
        assert len(addresses) == len(FILES)
        for address in addresses:
            reply = await client.get(address)
            assert reply.status == 200
            assert "immutable" in reply.headers["Cache-Control"]
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
        for wrong in ("console.css", "..%2f..%2fpages.py", "console.0000000000000000.css"):
            assert (await client.get(f"/console/static/{wrong}")).status == 404


def test_our_own_script_needs_no_leave_that_the_policy_refuses():
    text = (FOLDER / "console.js").read_text(encoding="utf-8")
    assert not re.search(r"\beval\b|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|https?:", text)


async def test_a_refusal_stands_at_the_text():
    service = Service()
    service.refusal = GatewayError("unknown_column", "There is no such column.", "Look.", Position(2, 3))
    async with console(service) as client:
        await signed_in(client)
        form = {"csrf": await csrf(client), "sql": "SELECT a\r\nFROM <b>\r\n", "now": "1", "dataset": "shop"}
        part = await (await client.post("/console/quote", data=form, headers=OURS | {"HX-Request": "true"})).text()
        assert "<html" not in part
        assert 'data-line="2" data-column="3" data-length="2"' in part
        assert "</span>FR<mark>OM</mark> &lt;b&gt;</pre>" in part
        whole = await (await client.post("/console/quote", data=form, headers=OURS)).text()
        assert "<html" in whole
        assert "SELECT a\nFROM &lt;b&gt;" in whole
        assert service.quoted[0].sql == "SELECT a\nFROM <b>\n"


async def test_what_is_not_there_is_a_page_and_a_quote_that_is_loaded_again_the_editor():
    async with console(Service()) as client:
        await signed_in(client)
        reply, text = await read(client, "/console/elsewhere/x")
        assert (reply.status, "<html" in text) == (404, True)
        reply = await client.get("/console/quote", allow_redirects=False)
        assert (reply.status, reply.headers["Location"]) == (303, "/console/ask")


async def test_half_a_question_is_quoted_only_when_that_is_asked_for():
    service = Service()
    async with console(service) as client:
        await signed_in(client)
        form = {"csrf": await csrf(client), "sql": "SELECT COUNT(*) FROM", "dataset": "shop"}
        part = OURS | {"HX-Request": "true"}
        await client.post("/console/quote", data=form, headers=part)
        assert service.quoted == []
        await client.post("/console/quote", data=form | {"now": "1"}, headers=part)
        assert len(service.quoted) == 1


async def test_a_form_that_is_sent_twice_asks_once_and_another_text_is_another_question():
    service = Service()
    async with console(service) as client:
        await signed_in(client)
        form = {"csrf": await csrf(client), "nonce": "0" * 32, "sql": "SELECT 1 FROM t"}
        for sql in ("SELECT 1 FROM t", "SELECT 1 FROM t", "SELECT 2 FROM t"):
            reply = await client.post("/console/ask", data=form | {"sql": sql}, headers=OURS, allow_redirects=False)
            assert reply.status == 303
            assert reply.headers["Location"] == f"/console/queries/{QUERY_ID}"
    keys = [request.idempotency_key for request in service.asked]
    assert keys[0] == keys[1] != keys[2]


async def test_a_failure_of_ours_is_a_page_and_says_nothing_of_itself(caplog):
    class Broken(Service):
        async def datasets(self, _caller):
            raise RuntimeError("a secret")

    async with console(Broken()) as client:
        await signed_in(client)
        reply, text = await read(client, "/console/datasets")
    assert reply.status == 500
    assert "<html" in text
    assert "a secret" not in text
    assert "unexpected failure at /console/datasets" in caplog.text


@pytest.mark.parametrize(
    ("role", "shown"),
    [("buyer", {"datasets", "ask", "sandbox", "models", "queries", "budget", "cases", "billing"}),
     ("provider", {"datasets", "provider", "versions", "alerts", "freezes", "cases", "billing"}),
     ("supervisor", {"feed", "alerts", "freezes", "members", "cases"}), ("billing", {"billing"}),
     ("reviewer", {"members"}), ("arbiter", {"cases"})],
)  # fmt: skip
async def test_a_role_is_shown_its_own_pages_and_refused_the_others(role, shown):
    async with console(Service(role)) as client:
        await signed_in(client)
        _, text = await read(client, "/console/nothing")
        assert set(re.findall(r'<li><a href="/console/([a-z]+)"', text)) == shown
        for page in {
            "ask",
            "sandbox",
            "models",
            "cases",
            "queries",
            "budget",
            "provider",
            "versions",
            "feed",
            "alerts",
            "freezes",
            "members",
        } - shown:
            assert (await client.get(f"/console/{page}")).status == 403


async def test_requests_and_grants_stand_on_the_pages_of_their_parties():
    for role, address in (("buyer", "/console/datasets/shop"), ("provider", "/console/provider")):
        async with console(Service(role)) as client:
            await signed_in(client)
            _, text = await read(client, address)
            assert text.count("Requested</td>") == text.count("Expired</td>") == 1
            assert ("gateway grant sign" in text) is (role == "provider")
