"""Policy text to a document: strict YAML 1.2, every problem with its path, line and fix. Pure: takes text."""

import difflib
import hashlib
import io
import json
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.anchor import anchor_attrib
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarfloat import ScalarFloat

from gateway.catalog.document import PolicyDocument
from gateway.catalog.reserved import FIX, MESSAGE, misused
from gateway.catalog.shallow import MAX_DEPTH, ShallowRoundTripScanner
from gateway.errors import GatewayError, Position

MAX_BYTES = 1024 * 1024

RESERVED = frozenset(
    {"time_quantum", "reuse_across_buyers", "refresh", "refill", "retention", "minimum",
     "recipient_jurisdiction", "max_matches"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `path` such as tables.purchases.columns.amount.bounds, `line` from 1, and what to write instead."""

    path: str
    line: int | None
    message: str
    fix: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.path}: {self.message}. {self.fix}".strip()


class PolicyErrors(GatewayError):
    """A policy that does not hold, with all of its problems."""

    def __init__(self, name: str, problems: tuple[Problem, ...]) -> None:
        position = next((Position(p.line, 1) for p in problems if p.line), None)
        text = "\n".join(f"{name}: {problem}" for problem in problems)
        super().__init__("policy_invalid", text, problems[0].fix, position)
        self.problems = problems

    def __reduce__(self) -> tuple[type[GatewayError], tuple[str, str, str, Position | None]]:
        return GatewayError, (self.code, self.detail, self.hint, self.position)


@dataclass(frozen=True, slots=True)
class PolicyLines:
    """Where the parts of a policy file stand, for problems that are found after reading it."""

    name: str
    tree: CommentedMap

    def line(self, path: str) -> int:
        """Return the line, from 1, of the deepest part of a dotted path that the file has."""
        return _locate(self.tree, _parts(self.tree, path))[0] or 1


def _parts(node: Any, path: str) -> list[Any]:
    """Return the keys of a dotted path as far as they are there; a key may hold dots itself."""
    if isinstance(node, CommentedSeq):
        index, _, rest = path.partition(".")
        inside = index.isdigit() and int(index) < len(node)
        return [int(index), *_parts(node[int(index)], rest)] if inside else []
    if isinstance(node, CommentedMap):
        for key in sorted(node, key=lambda key: -len(str(key))):
            if path == str(key) or path.startswith(f"{key}."):
                return [key, *_parts(node[key], path[len(str(key)) + 1 :])]
    return []


def parse(text: str, name: str) -> PolicyDocument:
    """Return the policy of a YAML text. Raises PolicyErrors as `read` does."""
    return read(text, name)[0]


def read(text: str, name: str) -> tuple[PolicyDocument, PolicyLines]:
    """Return the policy of a YAML text, and where its parts stand.

    Raises PolicyErrors with every problem found: syntax, unknown keys, wrong types, missing parts, reserved names.
    """
    if len(text.encode()) > MAX_BYTES:
        raise PolicyErrors(name, (Problem("file", None, "the file is larger than 1 MiB", "Split it by dataset."),))
    tree = _yaml(text, name)
    try:
        document, lines = PolicyDocument.model_validate(_plain(tree)), PolicyLines(name, tree)
    except ValidationError as error:
        raise PolicyErrors(name, tuple(_problem(tree, e) for e in error.errors())) from None
    reserved = tuple(Problem(path, lines.line(path), MESSAGE, FIX) for path in misused(document))
    if reserved:
        raise PolicyErrors(name, reserved)
    return document, lines


def _yaml(text: str, name: str) -> CommentedMap:
    reader = YAML(typ="rt", pure=True)
    reader.Scanner = ShallowRoundTripScanner
    reader.version = (1, 2)
    try:
        tree = reader.load(io.StringIO(text))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        # of a key that stands twice the library prints both values
        message = (error.problem or "not YAML").splitlines()[0].partition(" with value ")[0]
        raise PolicyErrors(name, (Problem("file", line, message, "Mend the YAML at this line."),)) from None
    except YAMLError:
        raise PolicyErrors(name, (Problem("file", None, "not YAML", "Write one YAML mapping."),)) from None
    except ValueError:  # a date that there is not: the library says neither which nor where
        raise PolicyErrors(name, (_no_such_day(text),)) from None
    except RecursionError:
        raise PolicyErrors(name, (_DEEP,)) from None
    if not isinstance(tree, CommentedMap):
        raise PolicyErrors(name, (Problem("file", 1, "not a mapping", "Begin with `dataset: name`."),))
    if "&" in text and any(word.startswith(("&", "*")) for word in text.split()):
        raise PolicyErrors(name, (_SHARED,))
    _refuse_shared(tree, name)
    return tree


_SHARED = Problem("file", None, "anchors and aliases are not read", "Write the value out where it is used.")
_DEEP = Problem("file", None, f"it is nested more than {MAX_DEPTH} deep", "No policy is as deep as that.")


def _refuse_shared(tree: CommentedMap, name: str) -> None:
    """Refuse anchors that stand within brackets as well, and what is nested too deep. Raises PolicyErrors."""
    waiting: list[tuple[Any, int]] = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise PolicyErrors(name, (_DEEP,))
        if getattr(node, anchor_attrib, None) is not None and node.anchor.value is not None:
            raise PolicyErrors(name, (_SHARED,))
        if isinstance(node, CommentedMap):
            waiting += [(one, depth + 1) for pair in node.items() for one in pair]
        elif isinstance(node, CommentedSeq):
            waiting += [(one, depth + 1) for one in node]


_DAY = re.compile(r"(?<![\w-])(\d{4})-(\d\d?)-(\d\d?)(?![\w-])")


def _no_such_day(text: str) -> Problem:
    fix = "Write a day that there is, as 2026-12-31."
    for number, line in enumerate(text.splitlines(), 1):
        for found in _DAY.finditer(line):
            try:
                date(*(int(part) for part in found.groups()))
            except ValueError:
                return Problem("file", number, f"there is no day {found[0]}", fix)
    return Problem("file", None, "a number, day or time in it is none", fix)


def _plain(node: Any) -> Any:
    """Return plain Python values; numbers with a point become exact decimals."""
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    if isinstance(node, ScalarFloat | float):
        return Decimal(repr(float(node)))
    if isinstance(node, bool):
        return bool(node)
    return int(node) if isinstance(node, int) else node


def _problem(tree: CommentedMap, error: Any) -> Problem:
    location = [part for part in error["loc"] if not (isinstance(part, str) and part in _UNION_TAGS)]
    path = ".".join(str(part) for part in location)
    line, parent = _locate(tree, location)
    key = next((part for part in reversed(location) if isinstance(part, str)), "")
    if error["type"] == "extra_forbidden":
        if key in RESERVED:
            return Problem(path, line, "this key is reserved and not served yet", "Leave it out for now.")
        known = _keys_at(location[:-1])
        close = difflib.get_close_matches(key, known, n=1)
        return Problem(
            path,
            line,
            "this key is not known",
            f"Did you mean `{close[0]}`?" if close else f"Known: {', '.join(known)}.",
        )
    if error["type"] == "missing":
        return Problem(path, parent, "this key is missing", f"Add `{key}:`.")
    if error["type"] in _SHAPES:
        return Problem(path, line, *_SHAPES[error["type"]])
    look = f"Look at `{key}` in policies/README.md."
    if error["type"] in ("literal_error", "enum") and isinstance(error["input"], str):
        words = re.findall(r"'([^']+)'", error["ctx"]["expected"])
        close = difflib.get_close_matches(error["input"], words, n=1)
        look = f"Did you mean `{close[0]}`?" if close else look
    return Problem(path, line, error["msg"].rstrip("."), look)


_MAPPING = ("it is not a mapping", "Write `{key: value}`, or one `key: value` a line, indented below.")
_LIST = ("it is not a list", "Write `[one, two]`, or one `- item` a line, indented below.")
_SHAPES = {"model_type": _MAPPING, "dict_type": _MAPPING, "tuple_type": _LIST, "list_type": _LIST}


_UNION_TAGS = frozenset({"bool", "int", "date", "str", "decimal", "function-before[<lambda>(), decimal]"})


def _locate(tree: Any, location: list[Any]) -> tuple[int | None, int | None]:
    """Return the line of the last part that is there, and that of its parent."""
    line: int | None = 1
    parent: int | None = 1
    node = tree
    for part in location:
        if isinstance(node, CommentedMap) and part in node:
            parent, line = line, node.lc.key(part)[0] + 1
            node = node[part]
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            parent, line = line, node.lc.item(part)[0] + 1
            node = node[part]
        else:
            return line, line
    return line, parent


def _keys_at(location: list[Any]) -> list[str]:
    """Return the keys that a policy may have at a place."""
    node: Any = PolicyDocument.model_json_schema(by_alias=True)
    root = node
    for part in location:
        node = _resolve(node, root)
        node = (
            node.get("items", node)
            if isinstance(part, int)
            else node.get("properties", {}).get(part, _named_freely(node))
        )
    return sorted(_resolve(node, root).get("properties", {}))


def _named_freely(node: Any) -> Any:
    """Return the schema of values under keys that the policy's writer names: tables, columns, price plans."""
    patterns = node.get("patternProperties", {})
    return next(iter(patterns.values()), node.get("additionalProperties", {}))


def _resolve(node: Any, root: Any) -> Any:
    while isinstance(node, dict) and ("$ref" in node or "anyOf" in node):
        node = root["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node["anyOf"][0]
    return node if isinstance(node, dict) else {}


def canonical_text(document: PolicyDocument) -> bytes:
    """Return the one JSON text of a policy, which its version is the hash of."""
    content = document.model_dump(mode="json", by_alias=True)
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def policy_version(document: PolicyDocument) -> str:
    """Return the hash of the policy's canonical form: what charges, receipts and stored releases name."""
    return f"sha256:{hashlib.sha256(canonical_text(document)).hexdigest()}"
