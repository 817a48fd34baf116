"""Regular expressions: the part that means the same everywhere, read strictly and written for RE2 (linear time).

What is not understood is refused by name: back references, looking around, word borders, flags inside the pattern.
"""

from dataclasses import dataclass

MAX_PATTERN = 256
"""Signs of a pattern."""

MAX_ATOMS = 1_000
"""Single-sign tests of a pattern with its repetitions written out: bounds what an engine compiles."""

MAX_NESTING = 10

_SPECIAL = frozenset("\\^$.|?*+()[]{}")
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": "\\t\\n\\f\\r "}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class Unreadable(Exception):
    """The pattern holds something that is refused: what it is, and what to write instead."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(what)
        self.what = what
        self.instead = instead


@dataclass(frozen=True, slots=True)
class Flavour:
    """What a dialect means by the signs that differ: `dot` and `end` in RE2, and the short classes that are ASCII."""

    dot: str
    end: str
    shorthand: frozenset[str]


FLAVOURS = {
    "duckdb": Flavour("[^\\n]", "\\z", frozenset("dws")),
    "postgres": Flavour("(?s:.)", "\\z", frozenset()),
    "trino": Flavour("[^\\n]", "\\n?\\z", frozenset()),
    "spark": Flavour(
        "[^\\n\\r\\x{85}\\x{2028}\\x{2029}]", "(?:\\r\\n|[\\n\\r\\x{85}\\x{2028}\\x{2029}])?\\z", frozenset("dw")
    ),
}


def translate(pattern: str, dialect: str) -> str:
    """Return a regular expression of the dialect in RE2. Raises Unreadable."""
    return _Reader(pattern, FLAVOURS[dialect], similar=False).read()


def translate_similar(pattern: str) -> str:
    """Return an SQL pattern of SIMILAR TO (% and _ beside | * + ? {} () []) in RE2, for whole texts."""
    return f"\\A(?:{_Reader(pattern, FLAVOURS['postgres'], similar=True).read()})\\z"


@dataclass(slots=True)
class _Reader:
    """Reads a pattern from left to right. Each method returns the RE2 text and the number of atoms of what it read."""

    pattern: str
    flavour: Flavour
    similar: bool
    at: int = 0
    depth: int = 0

    def read(self) -> str:
        if len(self.pattern) > MAX_PATTERN:
            raise Unreadable(f"The pattern has more than {MAX_PATTERN} signs", "Test several shorter patterns.")
        text, _ = self._alternatives()
        if self.at < len(self.pattern):
            raise Unreadable("A ) closes nothing", "Escape it with a backslash.")
        return text

    def _peek(self) -> str:
        return self.pattern[self.at] if self.at < len(self.pattern) else ""

    def _take(self) -> str:
        sign = self._peek()
        if not sign:
            raise Unreadable("The pattern ends too early", "Close every ( and [.")
        self.at += 1
        return sign

    def _alternatives(self) -> tuple[str, int]:
        texts, atoms = [], 0
        while True:
            text, count = self._sequence()
            texts.append(text)
            atoms += count
            if self._peek() != "|":
                return "|".join(texts), atoms
            self.at += 1

    def _sequence(self) -> tuple[str, int]:
        texts, atoms = [], 0
        while (sign := self._peek()) and sign not in "|)":
            text, count, repeats = self._atom()
            if repeats:
                text, count = self._repeated(text, count)
            texts.append(text)
            atoms += count
            if atoms > MAX_ATOMS:
                detail = f"With its repetitions written out the pattern has more than {MAX_ATOMS:,} signs"
                raise Unreadable(detail, "Repeat less often.")
        return "".join(texts), atoms

    def _atom(self) -> tuple[str, int, bool]:
        sign = self._take()
        if sign == "(":
            return self._group()
        if sign == "[":
            return self._class(), 1, True
        if sign == "\\":
            return self._escape(), 1, True
        if self.similar:
            if sign in "%_":
                return ("(?s:.*)", 1, False) if sign == "%" else (self.flavour.dot, 1, True)
            if sign in "^$.":
                return _quoted(sign), 1, True
        if sign == ".":
            return self.flavour.dot, 1, True
        if sign in "^$":
            return ("\\A" if sign == "^" else f"(?:{self.flavour.end})"), 1, False
        if sign in "*+?{":
            raise Unreadable(f"A {sign} repeats nothing", "Escape it with a backslash.")
        if sign in "]}":
            raise Unreadable(f"A {sign} closes nothing", "Escape it with a backslash.")
        return _quoted(sign), 1, True

    def _group(self) -> tuple[str, int, bool]:
        if self._peek() == "?":
            if self.pattern[self.at : self.at + 2] != "?:":
                raise Unreadable(
                    "(?...) other than (?:...) is refused", "Use plain groups; for (?i) write ILIKE or ~*."
                )
            self.at += 2
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise Unreadable(f"Groups are nested more than {MAX_NESTING} deep", "Write a flatter pattern.")
        text, count = self._alternatives()
        if self._take() != ")":
            raise Unreadable("A group is not closed", "Close every (.")
        self.depth -= 1
        return f"(?:{text})", max(count, 1), True

    def _repeated(self, text: str, count: int) -> tuple[str, int]:
        sign = self._peek()
        if not sign or sign not in "*+?{":
            return text, count
        self.at += 1
        times = sign
        if sign == "{":
            times, most = self._counts()
            count *= max(most, 1)
        following = self._peek()
        if following and following in "*+?{":
            raise Unreadable(f"A second repetition {following} is refused", "Whether a text matches does not need it.")
        return f"(?:{text}){times}", count

    def _counts(self) -> tuple[str, int]:
        """Return {m}, {m,} or {m,n}, and the largest number of copies that it writes out."""
        end = self.pattern.find("}", self.at)
        low, comma, high = self.pattern[self.at : end if end >= 0 else self.at].partition(",")
        whole = all(part.isascii() and part.isdigit() and len(part) <= 3 for part in (low, high or "0"))
        if not whole or (high and int(low) > int(high)):
            raise Unreadable("A { does not start {m}, {m,} or {m,n}", "Escape it with a backslash.")
        self.at = end + 1
        return f"{{{int(low)}{comma}{int(high) if high else ''}}}", int(high or low) + (1 if comma and not high else 0)

    def _escape(self) -> str:
        sign = self._take()
        if sign.lower() in _CLASSES:
            if sign.lower() not in self.flavour.shorthand:
                instead = "Write the signs out: [0-9] for \\d, [0-9A-Za-z_] for \\w, [ \\t\\n\\r\\f] for \\s."
                raise Unreadable(f"\\{sign} is not only ASCII in this dialect", instead)
            return f"[{'^' if sign.isupper() else ''}{_CLASSES[sign.lower()]}]"
        return _quoted(self._escaped(sign))

    @staticmethod
    def _escaped(sign: str) -> str:
        if sign in _CONTROLS:
            return _CONTROLS[sign]
        if sign.isascii() and not sign.isalnum():
            return sign
        if sign.isdigit():
            raise Unreadable("A back reference is refused", "Write the alternatives out.")
        raise Unreadable(f"\\{sign} is refused", "Write the signs themselves; \\b and \\B differ between dialects.")

    def _class(self) -> str:
        negated = self._peek() == "^"
        self.at += negated
        parts: list[str] = []
        while (sign := self._take()) != "]" or not parts:
            if sign in "[]" or (sign == "&" and self._peek() == "&"):
                raise Unreadable(f"A {sign} inside [...] is refused", "Escape it with a backslash.")
            if sign == "\\" and self._peek().lower() in _CLASSES and self._peek().lower() in self.flavour.shorthand:
                if self._peek().isupper():
                    raise Unreadable("A negated class inside [...] is refused", "Write the signs out.")
                parts.append(_CLASSES[self._take()])
                continue
            first = self._escaped(self._take()) if sign == "\\" else sign
            last = first
            if self._peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                last = self._take()
                if last == "[":
                    raise Unreadable("A [ inside [...] is refused", "Escape it with a backslash.")
                last = self._escaped(self._take()) if last == "\\" else last
            if last < first:
                raise Unreadable("A range inside [...] runs backwards", "Write the lower sign first.")
            parts.append(_quoted(first) if first == last else f"{_quoted(first)}-{_quoted(last)}")
        return f"[{'^' if negated else ''}{''.join(parts)}]"


def _quoted(sign: str) -> str:
    """Return one sign so that RE2 reads it as itself, inside [...] and outside."""
    if sign.isascii() and (sign.isalnum() or sign in " _"):
        return sign
    if ord(sign) < 0x80 and sign.isprintable():
        return f"\\{sign}"
    return f"\\x{{{ord(sign):x}}}"
