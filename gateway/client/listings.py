"""Listings of the exchange, page after page: cases, grants, members, versions of a policy. No I/O here."""

from typing import Any
from urllib.parse import quote as escaped
from urllib.parse import urlencode

from gateway.client.asking import Flow, Manners, fetched

PAGE = 1000
"""How many a page has at most."""


def listed(path: str, name: str, manners: Manners, most: int | None, **asked: str | None) -> Flow[list[dict[str, Any]]]:
    """Return the documents of the listing `name` at a path, in its order: `most` of them, with None all.

    `asked` are parameters of it. Raises ValueError for fewer than one.
    """
    if most is not None and most < 1:
        raise ValueError("ask for one at least")
    found, after = list[dict[str, Any]](), None
    while True:
        limit = PAGE if most is None else min(PAGE, most - len(found))
        parameters = {name: value for name, value in {**asked, "after": after}.items() if value is not None}
        page = yield from fetched(f"{path}?{urlencode({**parameters, 'limit': limit})}", manners)
        found += page[name]
        after = page.get("cursor")
        if after is None or len(found) == most:
            return found


def versions_path(dataset: str) -> str:
    """Return where the versions of a dataset's policy are listed."""
    return f"/v1/datasets/{escaped(dataset, safe='')}/versions"
