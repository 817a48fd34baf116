"""Canonical names of columns, so that two queries that ask the same are seen to. Real names are quoted and stay."""

import re

from sqlglot import exp

_ID = re.compile(r"c[0-9]+(_[a-z0-9_]+)?")


def canonical(query: exp.Query) -> exp.Query:
    """Return a query whose column ids (c7, c12_owner) are numbered in order of appearance. Changes its argument."""
    names: dict[str, str] = {}
    for node in query.find_all(exp.Identifier, bfs=False):
        if not node.args.get("quoted") and _ID.fullmatch(node.name):
            node.set("this", names.setdefault(node.name, f"x{len(names)}"))
    return query
