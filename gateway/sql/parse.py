"""Text to one syntax tree: a single query, within limits of size and depth. Refusals name construct and place."""

import hashlib
from itertools import pairwise
from typing import Any

from sqlglot import TokenType, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.tokenizer_core import Token

from gateway.errors import GatewayError, Position
from gateway.sql.limits import ASKED, Limits, tokenize

MAX_TREE_DEPTH = 100

_STATEMENTS = "INSERT, UPDATE, DELETE, CREATE, COPY, SET, EXPLAIN and other commands are never run."


def parse(text: str, dialect: str) -> exp.Query:
    """Return the syntax tree of one query in the buyer's dialect: a SELECT, a set operation, or one in parentheses.

    Raises GatewayError `sql_too_long`, `sql_too_deep`, `sql_syntax` or `sql_not_select`.
    """
    return parsed(text, dialect)[0]


def parse_constants(text: str, dialect: str) -> exp.Query:
    """Return the syntax tree of SELECT and constants, as `parse` does; in it DECIMAL '1.5' is a cast of a text."""
    return _tree(tokenize(text, dialect), text, dialect)


def parsed(text: str, dialect: str, most: Limits = ASKED) -> tuple[exp.Query, str]:
    """Return the syntax tree and the fingerprint of one query. Raises what `parse` raises."""
    tokens = tokenize(text, dialect, most)
    _refuse_typed_decimals(tokens, dialect)
    return _tree(tokens, text, dialect), _fingerprint(tokens)


def _tree(tokens: list[Token], text: str, dialect: str) -> exp.Query:
    try:
        parser = Dialect.get_or_raise(dialect).parser(error_level=ErrorLevel.RAISE)
        statements = [tree for tree in parser.parse(tokens, text) if tree is not None]
    except RecursionError:
        raise _too_deep() from None
    except SqlglotError as error:
        raise _syntax(error, tokens) from None
    except Exception:  # noqa: BLE001 - the parser's own mistakes on odd input; every one is the buyer's text
        raise _syntax(SqlglotError(), tokens) from None
    if len(statements) != 1:
        detail = f"The text holds {len(statements)} statements." if statements else "The text holds no statement."
        raise GatewayError("sql_not_select", detail, "Send exactly one SELECT in each request.")
    tree = statements[0]
    if not isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery):
        detail = f"A {tree.key.upper()} statement is not a SELECT. {_STATEMENTS}"
        raise GatewayError("sql_not_select", detail, "Write SELECT ... FROM ... GROUP BY ...")
    _mark(tree, dialect)
    return tree


def _refuse_typed_decimals(tokens: list[Token], dialect: str) -> None:
    """Refuse DECIMAL '1.5' where it has the digits that are written: the parser makes a cast to whole numbers of it."""
    if dialect == "duckdb":  # a cast there as well
        return
    for word, after in pairwise(tokens):
        if word.token_type is TokenType.DECIMAL and after.token_type is TokenType.STRING:
            hint = "Write the number itself, without quotes: 1.5."
            at = Position(word.line, max(1, word.col - (word.end - word.start)))
            raise GatewayError("unsupported_sql", f"{word.text.upper()} before a text is not answered.", hint, at)


def _fingerprint(tokens: list[Token]) -> str:
    """Return a hash of the SQL with every literal left out: for meter events and reports."""
    literals = (TokenType.NUMBER, TokenType.STRING, TokenType.RAW_STRING, TokenType.NATIONAL_STRING)
    words = ["?" if t.token_type in literals else t.text.casefold() for t in tokens]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


def dialect_of(node: exp.Expr) -> str:
    """Return the dialect that a function, operator, query or join was written in: it means what it does there."""
    return str(node.meta.get("dialect", "duckdb"))


def _too_deep() -> GatewayError:
    hint = "Remove needless parentheses, or name parts of the query in WITH."
    return GatewayError("sql_too_deep", "The SQL is nested too deeply.", hint)


def _syntax(error: SqlglotError, tokens: list[Token]) -> GatewayError:
    described = getattr(error, "errors", None) or [{}]
    line, column = described[0].get("line"), described[0].get("col")
    where = Position(line, column) if line and column else None
    hint = "Check the spelling at this place, and that `dialect` names the dialect you write."
    if where is not None and _lists_keys(tokens, where):
        hint = "Put a key that compares or combines into parentheses of its own: CUBE ((a > 3), b)."
    return GatewayError("sql_syntax", "The SQL does not parse.", hint, where)


def _lists_keys(tokens: list[Token], where: Position) -> bool:
    """Tell whether a place is straight within the parentheses of ROLLUP or CUBE, where only arithmetic is read."""
    opened: list[bool] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if (token.line, token.col) >= (where.line, where.column):
            break
        if token.token_type is TokenType.L_PAREN:
            opened.append(before is not None and before.token_type in (TokenType.ROLLUP, TokenType.CUBE))
        elif token.token_type is TokenType.R_PAREN and opened:
            opened.pop()
    return bool(opened) and opened[-1]


def _mark(tree: exp.Expr, dialect: str) -> None:
    """Note in each node where it starts, and the dialect where it matters. Refuses deep trees without recursion.

    Chains of AND and OR count once, as they are flattened later.
    """
    pending: list[tuple[exp.Expr, int, int]] = [(tree, 1, 0)]
    order: list[tuple[exp.Expr, int]] = []
    while pending:
        node, depth, above = pending.pop()
        if depth > MAX_TREE_DEPTH:
            raise _too_deep()
        here = len(order)
        order.append((node, above))
        if isinstance(node, exp.Func | exp.Binary | exp.Interval | exp.Query | exp.Values | exp.Join):
            node.meta["dialect"] = dialect
        for child in node.iter_expressions():
            chained = isinstance(node, exp.Connector) and type(child) is type(node)
            pending.append((child, depth if chained else depth + 1, here))
    first: list[tuple[int, int] | None] = [None] * len(order)
    for here in reversed(range(len(order))):  # children before their parents
        node, above = order[here]
        meta = node.meta
        at = _earlier(_own_place(meta), first[here])
        for key in ("line", "col", "start", "end"):  # all that is noted is copied whenever the node is
            meta.pop(key, None)
        if at is not None:
            meta["at"] = at
            first[above] = _earlier(first[above], at)


def _earlier(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    return one if other is None or (one is not None and one <= other) else other


def _own_place(meta: dict[str, Any]) -> tuple[int, int] | None:
    if meta.get("line") and meta.get("col"):
        return meta["line"], max(1, meta["col"] - (meta["end"] - meta["start"]))
    return None


def place(node: exp.Expr | None) -> Position | None:
    """Return where a node stands in the SQL: the first of its words that carries a place."""
    if node is None:
        return None
    best: tuple[int, int] | None = None
    pending = [node]
    while pending:
        current = pending.pop()
        at = current.meta.get("at")
        if at is None:
            pending.extend(current.iter_expressions())
        elif best is None or at < best:
            best = at
    return None if best is None else Position(*best)


def whole_number(node: exp.Expr) -> int | None:
    """Return the value of a literal whole number of up to ten digits, else None."""
    plain = isinstance(node, exp.Literal) and not node.is_string and len(node.name) <= 10
    return int(node.name) if plain and node.name.isascii() and node.name.isdigit() else None


def refuse_other_parts(node: exp.Expr, *understood: str) -> None:
    """Refuse a node that carries any part besides those understood, so that nothing is dropped in silence.

    Raises GatewayError `unsupported_sql`.
    """
    for part, content in node.args.items():
        if part not in understood and content not in (None, False, [], ""):
            name = part.rstrip("_").replace("_", " ").upper()
            detail = f"{name} of {node.key.upper()} is not answered."
            raise GatewayError("unsupported_sql", detail, "Leave this part out.", place(node))
