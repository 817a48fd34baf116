"""How commands list a page of the exchange, and say that there is more."""

from typing import Annotated
from urllib.parse import urlencode

import typer

from gateway.client.wire import Reply

USUAL, MOST = 100, 1000

Limit = Annotated[int, typer.Option(min=1, max=MOST, help="How many, at most.")]
After = Annotated[str | None, typer.Option(help="The cursor of the page before.")]


def page(path: str, limit: int, after: str | None, **asked: str | None) -> str:
    """Return the path of a page of a listing; `asked` are more of its parameters."""
    given = {name: value for name, value in {**asked, "after": after}.items() if value is not None}
    return f"{path}?{urlencode({**given, 'limit': limit})}"


def told_more(reply: Reply) -> None:
    """Say on standard error how the listing goes on, where it does."""
    cursor = reply.json()["cursor"]
    if cursor is not None:
        typer.echo(f"there are more: --after {cursor}", err=True)
