"""Front door to the description of the API: /openapi.json for programs, /docs for people."""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.web.openapi import document
from gateway.web.routes import ANYONE, Route, replies

TAG = "operations"
_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True, undefined=StrictUndefined, trim_blocks=True,
)  # fmt: skip
_STYLE, _PAGE = _PAGES.get_template("docs.css"), _PAGES.get_template("docs.html")


class DocumentDoor:
    """The handlers of the API's description, which is made once."""

    def __init__(self, described: Sequence[Route]) -> None:
        every = [route for route in (*described, *self.routes()) if route.documented]
        made = document(every)
        self._json = json.dumps(made, ensure_ascii=False).encode()
        style = _STYLE.render()
        self._page = _PAGE.render(style=style, routes=every, schemas=_shown(made)).encode()
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self._policy = f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'"

    def routes(self) -> list[Route]:
        """Return its addresses."""
        page = replies("a page", {"type": "string"}, "text/html")
        return [
            Route("GET", "/openapi.json", self.openapi, TAG, "this API as OpenAPI 3.1", ANYONE,
                  replies=replies("the document", {"type": "object"})),
            Route("GET", "/docs", self.page, TAG, "this API as a page", ANYONE, replies=page),
        ]  # fmt: skip

    async def openapi(self, _request: web.Request) -> web.Response:
        """Answer GET /openapi.json."""
        return web.Response(body=self._json, content_type="application/json")

    async def page(self, _request: web.Request) -> web.Response:
        """Answer GET /docs."""
        headers = {"Content-Security-Policy": self._policy}
        return web.Response(body=self._page, content_type="text/html", charset="utf-8", headers=headers)


def _shown(made: dict[str, dict[str, dict[str, object]]]) -> dict[str, str]:
    schemas = made["components"]["schemas"]
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) for name, schema in schemas.items()}
