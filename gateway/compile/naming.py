"""What a tree asks, however its columns are numbered: a text by which releases are found again. It is no SQL."""

import re

from sqlglot import exp

from gateway.sql.writing import text

_QUOTED_OR_ID = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\bc[0-9]+(?:_[a-z0-9_]+)?\b""")
"""Literals and quoted names, which stay as they are, and column ids."""


def told(tree: exp.Expr) -> str:
    """Return a text that two trees share only if they ask the same: their SQL with its columns numbered anew.

    Column ids (c7, c12_owner) are numbered in order of appearance; real names are quoted and stay. The tree is the
    caller's own, and not used again.
    """
    numbers: dict[str, str] = {}

    def numbered(found: re.Match[str]) -> str:
        part = found[0]
        return part if part[0] in "'\"" else numbers.setdefault(part, f"#{len(numbers)}")

    return _QUOTED_OR_ID.sub(numbered, text(tree))
