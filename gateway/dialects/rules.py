"""An engine's allow-list: the rule of each node and function, and the refusal by name of what has none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from gateway.dialects.operators import Write
from gateway.dialects.typed import Typed, refused

Rule = Callable[[list[exp.Expr], Write], Typed]
"""Writes a function of some arguments."""

NodeRule = Callable[[Any, Write], Typed]

_WORDS: Mapping[type[Any], str] = {
    exp.Log: "A logarithm",
    exp.Avg: "AVG of floating point numbers",
}
_INSTEAD = {
    "REGEXP_MATCHES": "Use LIKE, starts_with, contains or split_part.",
    "AVG of floating point numbers": "Average integers or decimals: CAST(x AS DECIMAL(18, s)).",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one engine, by node and by the name of a function that has no node of its own."""

    nodes: Mapping[type[Any], NodeRule]
    functions: Mapping[str, Rule]

    def __call__(self, node: exp.Expr, write: Write) -> Typed:
        """Return an expression written for the engine. Raises Unanswered by name."""
        if isinstance(node, exp.Anonymous):
            rule = self.functions.get(node.name.upper())
            if rule is None:
                raise refused(node.name.upper(), _INSTEAD.get(node.name.upper(), ""))
            return rule(node.expressions, write)
        known = self.nodes.get(type(node))
        if known is None:
            name = _WORDS.get(type(node)) or (node.sql_name() if isinstance(node, exp.Func) else node.key.upper())
            raise refused(name, _INSTEAD.get(name, ""))
        return known(node, write)
