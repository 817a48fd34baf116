"""The words of a short command, read one after another. Queries are no commands: they are parsed in a worker."""

import re
from dataclasses import dataclass

from gateway.errors import GatewayError, Position

_SKIPPED = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_WORD = re.compile(
    r"""(?P<name>[A-Za-z_][\w@:]*)|"(?P<quoted>[^"]++(?:""[^"]*+)*+)"|'(?P<string>[^']*+(?:''[^']*+)*+)'"""
    r"""|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<sign>=>|[^\s\w])"""
)
KINDS = ("name", "quoted", "string", "number", "sign")


@dataclass(frozen=True, slots=True)
class Word:
    kind: str
    text: str


class Words:
    """A place in a text, and what comes next there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._at = self._skip(0)

    def _skip(self, at: int) -> int:
        found = _SKIPPED.match(self.text, at)
        return found.end() if found else at

    @property
    def rest(self) -> str:
        """What is not read yet."""
        return self.text[self._at :]

    def _next(self) -> tuple[Word | None, int]:
        found = _WORD.match(self.text, self._at)
        if found is None:
            return None, self._at
        kind = found.lastgroup or ""
        text = found[kind]
        if kind == "quoted":
            text = text.replace('""', '"')
        elif kind == "string":
            text = text.replace("''", "'")
        return Word(kind, text), self._skip(found.end())

    def take(self, *words: str) -> bool:
        """Read these words, or signs, if they all come next."""
        before = self._at
        for word in words:
            found, after = self._next()
            if found is None or found.kind not in ("name", "sign") or found.text.upper() != word:
                self._at = before
                return False
            self._at = after
        return True

    def expect(self, *words: str) -> None:
        """Read these words. Raises GatewayError `sql_syntax`."""
        if not self.take(*words):
            raise self.wrong(f"{' '.join(words)} is expected here.")

    def _of(self, what: str, *kinds: str) -> str:
        found, after = self._next()
        if found is None or found.kind not in kinds:
            raise self.wrong(f"A {what} is expected here.")
        self._at = after
        return found.text

    def name(self) -> str:
        """Read a name. Raises `sql_syntax`."""
        return self._of("name", "name", "quoted")

    def names(self, most: int) -> tuple[str, ...]:
        """Read up to `most` names with dots between them. Raises `sql_syntax`."""
        found = [self.name()]
        while len(found) < most and self.take("."):
            found.append(self.name())
        return tuple(found)

    def string(self) -> str:
        """Read a text in quotes. Raises `sql_syntax`."""
        return self._of("text in quotes", "string")

    def value(self) -> str:
        """Read a text in quotes, a number, true or false as text. Raises `sql_syntax`."""
        return self._of("value", "string", "number", "name")

    def end(self) -> None:
        """Read the end, and a semicolon before it. Raises `sql_syntax`."""
        self.take(";")
        if self.rest:
            raise self.wrong("The statement should end here.")

    def wrong(self, detail: str) -> GatewayError:
        """Return the error of what comes next."""
        before = self.text[: self._at]
        where = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
        return GatewayError("sql_syntax", detail, "See docs/trino.md for the statements that are answered.", where)
