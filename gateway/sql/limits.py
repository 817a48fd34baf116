"""What SQL text may cost before it is parsed: bytes, tokens, nesting, IN lists. Linear in the text."""

from dataclasses import dataclass

from sqlglot import TokenType
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token

from gateway.errors import GatewayError, Position

DIALECTS = ("duckdb", "postgres", "trino", "spark")
MAX_BYTES = 64 * 1024
MAX_DEPTH = 30
MAX_IN_LIST = 1_000
MAX_OPEN_JOINS = 8
"""Joins that wait for their ON at once: with each more, the parser tries about half as many ways again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a question may be: words and signs, the relations that it reads, and leaves of its plan.

    A leaf counts as often as something above reads it.
    """

    tokens: int = 5_000
    relations: int = 128
    weight: int = 4_096


ASKED = Limits()
COMPOSED = Limits(tokens=12_000, relations=1_024, weight=40_000)
"""The same of a question that the gateway writes itself: it is long, but no buyer chooses how it is nested."""

_OPEN = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
_CLOSE = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}


def tokenize(text: str, dialect: str, most: Limits = ASKED) -> list[Token]:
    """Return the tokens of a text that keeps within the limits, without its comments (an engine never sees them).

    Raises GatewayError `sql_too_long`, `sql_too_deep` or `sql_syntax`.
    """
    size = len(text.encode())
    if size > MAX_BYTES:
        detail = f"The SQL has {size:,} bytes; at most {MAX_BYTES:,} are read."
        raise GatewayError("sql_too_long", detail, "Shorten the query, for example its IN lists.")
    try:
        tokens = Dialect.get_or_raise(dialect).tokenize(text)
    except TokenError:
        hint = "Look for a quote or comment that is not closed."
        raise GatewayError("sql_syntax", "The SQL cannot be split into words.", hint) from None
    if len(tokens) > most.tokens:
        detail = f"The SQL has {len(tokens):,} words and signs; at most {most.tokens:,} are read."
        raise GatewayError("sql_too_long", detail, "Use a range or a join with a public table.")
    _check_nesting(tokens)
    _check_gaps(tokens)
    _check_joins(tokens)
    for token in tokens:
        token.comments.clear()
    return tokens


def _check_nesting(tokens: list[Token]) -> None:
    stack: list[list[int]] = []  # for each open bracket: [is it an IN list, commas so far]
    unary = 0
    for before, token in zip([None, *tokens], tokens, strict=False):
        kind = token.token_type
        unary = unary + 1 if kind in (TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE) else 0
        if kind in _OPEN:
            is_in = before is not None and before.token_type is TokenType.IN
            stack.append([int(is_in), 0])
        elif kind in _CLOSE and stack:
            stack.pop()
        elif kind is TokenType.COMMA and stack:
            stack[-1][1] += 1
            if stack[-1][0] and stack[-1][1] >= MAX_IN_LIST:
                detail = f"An IN list has more than {MAX_IN_LIST:,} members."
                hint = "Write a range with BETWEEN, or join a public table that holds the list."
                raise GatewayError("sql_too_long", detail, hint, place_of(token))
        if len(stack) > MAX_DEPTH or unary > MAX_DEPTH:
            detail = f"The SQL is nested more than {MAX_DEPTH} deep."
            hint = "Remove needless parentheses, or name parts of the query in WITH."
            raise GatewayError("sql_too_deep", detail, hint, place_of(token))


_BEFORE_ITEMS = {
    TokenType.COMMA, TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.SELECT, TokenType.VALUES, TokenType.GROUP_BY,
    TokenType.PARTITION_BY, TokenType.ORDER_BY,
}  # fmt: skip
_WANTING = {TokenType.GROUP_BY, TokenType.PARTITION_BY, TokenType.ON, TokenType.USING}
_ENDING = {
    TokenType.R_PAREN, TokenType.SEMICOLON, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.QUALIFY,
    TokenType.ORDER_BY, TokenType.LIMIT, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT,
    TokenType.JOIN, TokenType.INNER, TokenType.CROSS, TokenType.NATURAL, TokenType.COMMA, None,
}  # fmt: skip


def _check_gaps(tokens: list[Token]) -> None:
    """Refuse an empty member of a list, and a GROUP BY, ON or the like with nothing after it.

    The parser leaves both out in silence: in substr(t, , 2) the length would become the start. A comma after a list's
    last member is let through: it changes nothing.
    """
    for index, token in enumerate(tokens):
        kind = token.token_type
        following = [one.token_type for one in tokens[index + 1 : index + 3]]
        first = following[0] if following else None
        empty = kind in _BEFORE_ITEMS and first is TokenType.COMMA
        wanting = kind in _WANTING and first in _ENDING
        if empty or wanting or (kind is TokenType.USING and following == [TokenType.L_PAREN, TokenType.R_PAREN]):
            what = "A comma with nothing before it" if empty else f"Nothing stands after {token.text.upper()}"
            where = place_of(tokens[index + 1] if empty else token)
            raise GatewayError("sql_syntax", f"{what}.", "Write what is missing, or leave it out.", where)


_UNCONDITIONAL = {TokenType.CROSS, TokenType.NATURAL}


def _check_joins(tokens: list[Token]) -> None:
    """Refuse many joins without a condition: a JOIN b JOIN c ON .. ON .. is SQL, and is read by trying."""
    waiting = 0
    for index, token in enumerate(tokens):
        if token.token_type in (TokenType.ON, TokenType.USING):
            waiting = max(waiting - 1, 0)
        elif token.token_type is TokenType.JOIN:
            # NATURAL LEFT OUTER JOIN is the longest that needs none
            waiting += not any(one.token_type in _UNCONDITIONAL for one in tokens[max(index - 3, 0) : index])
        if waiting > MAX_OPEN_JOINS:
            detail = f"More than {MAX_OPEN_JOINS} joins stand without ON."
            raise GatewayError(
                "sql_syntax", detail, "Write ON or USING behind each JOIN, or CROSS JOIN.", place_of(token)
            )


def place_of(token: Token) -> Position:
    """Return where a token starts (the tokenizer counts to its last character)."""
    return Position(token.line, max(1, token.col - len(token.text) + 1))
