"""Syntax trees to DuckDB's text and to copies: what sqlglot does, in a part of its time. Nothing here decides anything.

A plan is copied and written many times over: statements, what a release is called, what a buyer is told.
"""

import re
from typing import Any, TypeVar

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.generators.duckdb import DuckDBGenerator

E = TypeVar("E", bound=exp.Expr)

_DIALECT = DuckDB()
_LEAVES = frozenset((exp.Identifier, exp.Literal))
"""Nodes that hold words alone: half of a tree."""

_PLAIN_WORD = re.compile(r"[_a-zA-Z][\w]*")


def text(node: exp.Expr) -> str:
    """Return a tree as DuckDB's text. The writer may change the tree: it is the caller's own, and not used again."""
    return DuckDBGenerator(dialect=_DIALECT, comments=False).generate(node, copy=False)


def shown(node: exp.Expr) -> str:
    """Return a tree as DuckDB's text, and leave it as it is."""
    return text(copied(node))


def reference(name: str, relation: str | exp.Identifier | None = None) -> exp.Column:
    """Return a column of a relation; a name that is no plain word is quoted."""
    if relation is None:
        return exp.Column(this=identifier(name))
    return exp.Column(this=identifier(name), table=identifier(relation) if isinstance(relation, str) else relation)


def identifier(name: str) -> exp.Identifier:
    return exp.Identifier(this=name, quoted=_PLAIN_WORD.fullmatch(name) is None)


def named_in(*nodes: exp.Expr) -> dict[str, None]:
    """Return the names of all columns in some trees, each once: tree by tree, each from its top down."""
    found: dict[str, None] = {}
    for node in nodes:
        pending = [node]
        for one in pending:  # which grows
            if isinstance(one, exp.Column):
                found[one.name] = None
                continue
            for value in one.args.values():
                if isinstance(value, exp.Expr):
                    if value.__class__ not in _LEAVES:
                        pending.append(value)
                elif type(value) is list:
                    pending += [part for part in value if isinstance(part, exp.Expr)]
    return found


def copied(node: E) -> E:
    """Return a tree of one's own that is equal to another, with its places in the text."""
    root = node.__class__()
    pending: list[tuple[exp.Expr, exp.Expr]] = [(node, root)]
    while pending:
        original, twin = pending.pop()
        args: dict[str, Any] = {}
        for key, value in original.args.items():
            if isinstance(value, exp.Expr):
                args[key] = made = value.__class__()
                made.parent, made.arg_key = twin, key
                if value.__class__ in _LEAVES and value._meta is None:  # noqa: SLF001
                    made.args = value.args.copy()
                else:
                    pending.append((value, made))
            elif type(value) is list:
                args[key] = parts = []
                for place, one in enumerate(value):
                    if isinstance(one, exp.Expr):
                        made = one.__class__()
                        made.parent, made.arg_key, made.index = twin, key, place
                        pending.append((one, made))
                        parts.append(made)
                    else:
                        parts.append(one)
            else:
                args[key] = value
        twin.args = args
        if original._meta is not None:  # noqa: SLF001 - the property would make one for each node
            twin._meta = dict(original._meta)  # noqa: SLF001
    return root
