"""What a provider types to see the work on its data: the running queries, and how far the engine is with each."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote as escaped

import typer

from gateway.cli.ask import DEFAULT_URL, Json, Token, Url, client, printed
from gateway.cli.failures import reporting
from gateway.cli.show import console, table_of

_MEGABYTE = 1_000_000


def running(
    name: Annotated[str, typer.Argument(help="The dataset's name in its policy.")],
    token: Token,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show the charged queries that run on a dataset, and how far the engine of the gateway that is asked is."""
    with reporting(as_json=as_json):
        reply = client(url, token).get(f"/v1/datasets/{escaped(name, safe='')}/running")
        if printed(reply, as_json=as_json):
            return
        rows = [(one["charged_at"], one["buyer"], one["query_id"], _told(one)) for one in reply.json()["queries"]]
        console().print(table_of(("charged at", "buyer", "query", "engine"), rows) if rows else "nothing runs")


def _told(query: Mapping[str, Any]) -> str:
    """Return how far a query is, in words."""
    if query["abandoned"]:
        return "nobody works on it: its buyer's next try takes it over"
    if "engine" not in query:
        return "between two statements, or on another replica"
    engine = query["engine"]
    words = [f"{engine['elapsed_ms'] / 1000:.1f} s"]
    if "cpu_ms" in engine:
        words.append(f"{engine['cpu_ms'] / 1000:.1f} s of processor time")
    if "memory_bytes" in engine:
        words.append(f"{engine['memory_bytes'] / _MEGABYTE:,.0f} MB of memory")
    if "read_bytes" in engine:
        words.append(f"{engine['read_bytes'] / _MEGABYTE:,.1f} MB read")
    if "tasks" in engine:
        words.append(f"{engine['tasks']['done']} of {engine['tasks']['known']} tasks")
    if "processes" in engine:
        words.append(f"{engine['processes']} at work")
    if "waits_for" in engine:
        words.append(f"waits for {engine['waits_for']}")
    return ", ".join(words)
