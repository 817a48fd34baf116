"""Prints docs/roles.md from the API's description.

`curl -s http://127.0.0.1:8080/openapi.json | python -m gateway.web.roles_page > docs/roles.md`
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from gateway.web.openapi import ROLES

NAMES = ("buyer", "provider", "reviewer", "billing", "supervisor", "arbiter")
"""The roles of a token, in the order of the columns."""

_HEAD = """# Roles

Printed from the table of routes (`python -m gateway.web.roles_page`). A test tries each address with each role alone.

A token's role opens an address; what it gives there hangs on membership, grants and whose the thing is: a provider
acts on its own datasets, a buyer sees its own queries. Whoever has none of the roles that are named gets `forbidden`,
or what is told of a thing that does not exist. "any" takes every token, also one without a role; "open" takes none.
"""


def page(document: dict[str, Any]) -> str:
    """Return the page of a description: by tag, each address with the roles that it is for."""
    tagged: dict[str, list[str]] = {}
    for tag, line in _lines(document):
        tagged.setdefault(tag, []).append(line)
    head = f"| address | {' | '.join(NAMES)} |\n|---|{'---|' * len(NAMES)}"
    return _HEAD + "".join(f"\n## {tag}\n\n{head}\n" + "\n".join(lines) + "\n" for tag, lines in tagged.items())


def _lines(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            marks = (_mark(operation.get(ROLES), name) for name in NAMES)
            yield operation["tags"][0], f"| `{method.upper()} {path}` | {' | '.join(marks)} |"


def _mark(roles: list[str] | None, name: str) -> str:
    if roles is None:
        return "open"
    if not roles:
        return "any"
    return "yes" if name in roles else "-"


if __name__ == "__main__":
    sys.stdout.write(page(json.load(sys.stdin)))
