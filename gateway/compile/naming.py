"""What a tree asks, however its columns are numbered: a text by which releases are found again. It is no SQL."""

import re
from dataclasses import dataclass

from sqlglot import exp

_ID = re.compile(r"c[0-9]+(_[a-z0-9_]+)?")


@dataclass(frozen=True, slots=True)
class _Mark:
    text: str


_END = _Mark(")")


def told(tree: exp.Expr) -> str:
    """Return a text that two trees share only if they are the same: every node, all that it is made of, every name.

    Column ids (c7, c12_owner) are numbered in order of appearance; real names are quoted and stay. Writing SQL for it
    would take five times as long.
    """
    numbers: dict[str, str] = {}
    parts: list[str] = []
    pending: list[object] = [tree]
    while pending:
        match pending.pop():
            case _Mark(text):
                parts.append(text)
            case exp.Identifier(args=args):
                name = args["this"]
                if args.get("quoted"):
                    parts.append(f"i{name!r}")
                else:
                    parts.append(numbers.setdefault(name, f"x{len(numbers)}") if _ID.fullmatch(name) else name)
            case exp.Expr(args=args) as node:
                parts.append(f"{type(node).__name__}(")
                pending.append(_END)
                for key in sorted(args, reverse=True):
                    if args[key] is not None:
                        pending += (args[key], _Mark(f"{key}="))
            case list(values):
                pending += (_END, *reversed(values))
                parts.append("(")
            case value:
                parts.append(repr(value))
    return " ".join(parts)
