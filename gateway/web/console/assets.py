"""The console's style, script and vendored libraries, served under names that hold the hash of what they are."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from gateway.errors import GatewayError

FOLDER = Path(__file__).parent / "static"
PREFIX = "/console/static/"
FILES = (
    "console.css",
    "console.js",
    "vendor/htmx.min.js",
    "vendor/uPlot.iife.min.js",
    "vendor/uPlot.min.css",
)
_MEDIA = {".js": "text/javascript", ".css": "text/css"}
_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    media: str


class Assets:
    """Read once; a name that is asked for and is not exactly one of these is not there."""

    def __init__(self) -> None:
        self._by_name: dict[str, _Asset] = {}
        self._names: dict[str, str] = {}
        for file in FILES:
            path = FOLDER / file
            content = path.read_bytes()
            name = f"{path.stem}.{sha256(content).hexdigest()[:16]}{path.suffix}"
            self._by_name[name] = _Asset(content, _MEDIA[path.suffix])
            self._names[file] = name

    def address(self, file: str) -> str:
        """Return where a file is."""
        return PREFIX + self._names[file]

    async def serve(self, request: web.Request) -> web.Response:
        """Answer GET /console/static/{name}: it never changes under its name."""
        found = self._by_name.get(request.match_info["name"])
        if found is None:
            raise GatewayError("not_found", "There is nothing at this address.", "Load the page again.")
        return web.Response(body=found.content, content_type=found.media, charset="utf-8", headers=_IMMUTABLE)
