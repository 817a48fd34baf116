"""A question on its way: what its form says, whether it is worth a quote yet, and where a refusal points."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import GatewayError, Position
from gateway.request import Request
from gateway.web.console.forms import key_of, number_of, text_of
from gateway.web.reading import read_request

AIMS = ("default", "epsilon", "half_width", "relative")
"""How a question says what it may cost, or which error it is to reach."""

_MORE_COMES = frozenset(",.+-*/%=<>|(") | {
    "select", "from", "where", "group", "order", "by", "having", "join", "on", "using", "and", "or", "not", "in", "as",
    "like", "between", "case", "when", "then", "else", "distinct", "with", "union", "all", "limit", "is", "left",
    "inner",
}  # fmt: skip
"""What no question ends with."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """The members of the editor's form, as they were written."""

    sql: str = ""
    dataset: str = ""
    purpose: str = ""
    dialect: str = "duckdb"
    aim: str = "default"
    amount: str = ""

    def body(self) -> dict[str, Any]:
        """Return what a body of the API would hold. Raises GatewayError `bad_request`."""
        named = {"dataset": self.dataset, "purpose": self.purpose}
        body: dict[str, Any] = {"sql": self.sql, "dialect": self.dialect} | {k: v for k, v in named.items() if v}
        if self.aim not in AIMS:
            raise GatewayError("bad_request", "What the question aims at is not known.", f"One of: {', '.join(AIMS)}.")
        if self.aim == "epsilon":
            body["epsilon"] = number_of(self.amount)
        elif self.aim != "default":
            body["accuracy"] = {self.aim: number_of(self.amount)}
        return body

    def request(self, nonce: str = "", *, sandbox: bool = False) -> Request:
        """Return the question under the key of its form, of true rows or of synthetic ones.

        Raises GatewayError `bad_request`.
        """
        body = self.body() | ({"sandbox": True} if sandbox else {})
        return read_request(body, key_of(nonce, body))


def read_sketch(form: Mapping[str, str]) -> Sketch:
    """Return the sketch of a form."""
    return Sketch(
        text_of(form, "sql"), form.get("dataset", ""), form.get("purpose", "").strip(), form.get("dialect", "duckdb"),
        form.get("aim", "default"), form.get("amount", ""),
    )  # fmt: skip


def unfinished(sql: str) -> bool:
    """Tell whether a text is still being written: open quotes or brackets, no table yet, an end that asks for more.

    A quote that is refused is a leaf of the log; what anyone can see is half a question is not asked about.
    """
    bare = _without_quotes(sql)
    if bare is None or bare.count("(") > bare.count(")"):
        return True
    words = re.findall(r"\w+|[^\w\s]", bare.casefold())
    if "select" not in words or "from" not in words[words.index("select") :]:
        return True
    return words[-1] in _MORE_COMES


def _without_quotes(sql: str) -> str | None:
    """Return a text with a letter for each quoted part and no comments; None where one is open. Linear in the text."""
    kept, at = [], 0
    while at < len(sql):
        letter, two = sql[at], sql[at : at + 2]
        if letter in "'\"" or two == "/*":
            closing = letter if two != "/*" else "*/"
            end = sql.find(closing, at + len(closing))
            if end < 0:
                return None
            kept.append("q" if two != "/*" else " ")
            at = end + len(closing)
        elif two == "--":
            end = sql.find("\n", at)
            at = end if end >= 0 else len(sql)
        else:
            kept.append(letter)
            at += 1
    return "".join(kept)


@dataclass(frozen=True, slots=True)
class Place:
    """The line that a refusal is about, cut at the word that it points to."""

    line: int
    column: int
    before: str
    word: str
    after: str


def place_of(sql: str, position: Position | None) -> Place | None:
    """Return the place of a position in a text; None where the refusal names none, or one that is not in it."""
    lines = sql.split("\n")
    if position is None or not 1 <= position.line <= len(lines):
        return None
    text = lines[position.line - 1]
    at = min(max(position.column - 1, 0), len(text))
    found = re.match(r"\w+|\S", text[at:])
    end = at + (len(found[0]) if found else 0)
    return Place(position.line, position.column, text[:at], text[at:end], text[end:])
