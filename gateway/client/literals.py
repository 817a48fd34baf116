"""Values bound to the question marks of a statement, as literals: so that no value is ever read as SQL.

What cannot be written so that it means the same in the buyer's dialect is refused by name, and so is a statement in
which it is not certain where a text or comment ends.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import count
from math import isfinite

BIGINT = range(-(2**63), 2**63)
MOST_DIGITS = 18
"""Decimal digits of a literal that the gateway keeps exactly; longer ones it reads as DOUBLE."""

_PART = re.compile(
    r"""
    '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*`   # texts and names
    | --[^\n]* | /\*.*?\*/                      # comments
    | (?P<mark>\?)
    | (?P<open>['"`] | /\* | \{\# | \$\w*\$)    # what does not end, or hides text in a way not read here
    | [^'"`?$/{-]+ | .
    """,
    re.VERBOSE | re.DOTALL,
)


class NotBound(Exception):
    """A statement or a value with which no certain statement can be made; the text names it."""


def bind(sql: str, values: Sequence[object], dialect: str) -> str:
    """Return a statement with each `?` outside of texts, names and comments replaced by a value.

    Raises NotBound, and ValueError for another number of marks than values.
    """
    parts: list[str] = []
    marks = count()
    for found in _PART.finditer(sql):
        part = found[0]
        if found["mark"]:
            _check_before(sql[max(0, found.start() - 1) : found.start()])
            index = next(marks)
            parts.append(literal(values[index], dialect) if index < len(values) else part)
        else:
            _check(part, dialect, opened=found["open"] is not None)
            parts.append(part)
    marked = next(marks)
    if marked != len(values):
        raise ValueError(f"the statement has {marked} question marks, and {len(values)} values are given")
    return "".join(parts)


def _check(part: str, dialect: str, *, opened: bool) -> None:
    """Refuse a part of a statement that the gateway may read as ending elsewhere."""
    if opened:
        raise NotBound(f"{part} that is not closed, or quotes in its own way, cannot stand beside bound values")
    if part[0] in "'\"`" and "\\" in part:
        raise NotBound("a backslash in a quoted text cannot stand beside bound values: bind the text")
    if part[0] == "`" and dialect != "spark":
        raise NotBound("a name in backticks cannot stand beside bound values: quote it with double quotes")
    if part.startswith("/*") and "/*" in part[2:]:
        raise NotBound("a comment within a comment cannot stand beside bound values")


def _check_before(letter: str) -> None:
    """Refuse a mark that makes one word or text with what stands before it: E'...' quotes in its own way."""
    if letter and (letter.isalnum() or letter in "_&$?'\"`"):
        raise NotBound(f"a question mark right after {letter} cannot be bound: put a space between them")


def literal(value: object, dialect: str) -> str:
    """Return a value as SQL. Raises NotBound, which names its type and never shows it."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            if value not in BIGINT:
                raise NotBound("an integer beyond 64 bits cannot be bound")
            return _signed(int.__repr__(value))
        case float():
            if not isfinite(value):
                raise NotBound("NaN and infinities cannot be bound")
            written = float.__repr__(value)  # NumPy's floats are floats, and call themselves otherwise
            return _signed(written if "e" in written else f"{written}e0")
        case Decimal():
            return _signed(_digits(value))
        case str():
            return _text(value, dialect)
        case datetime():
            if value.tzinfo is not None:
                raise NotBound("a datetime with a time zone cannot be bound: give it without, in the data's own zone")
            return f"TIMESTAMP '{value.isoformat(' ')}'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case _:
            raise NotBound(f"a value of type {type(value).__name__} cannot be bound")


def _signed(number: str) -> str:
    """Return a number that stays one after a minus: two of them would begin a comment."""
    return f"({number})" if number.startswith("-") else number


def _digits(value: Decimal) -> str:
    if not value.is_finite():
        raise NotBound("NaN and infinities cannot be bound")
    written = f"{value:f}"
    if sum(letter.isdigit() for letter in written) > MOST_DIGITS:
        raise NotBound(f"a Decimal of more than {MOST_DIGITS} digits would be read as DOUBLE, and cannot be bound")
    return written


def _text(value: str, dialect: str) -> str:
    if dialect == "spark":  # reads a backslash as an escape, and two quotes as two texts
        value = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{value}'"
    return "'" + value.replace("'", "''") + "'"
