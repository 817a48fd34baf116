"""Text to one syntax tree: a single SELECT, within limits of size and depth. Refusals name construct and place."""

import hashlib

from sqlglot import TokenType, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, SqlglotError

from gateway.errors import GatewayError, Position
from gateway.sql.limits import tokenize

MAX_TREE_DEPTH = 100

_STATEMENTS = "INSERT, UPDATE, DELETE, CREATE, COPY, SET, EXPLAIN and other commands are never run."


def parse(text: str, dialect: str) -> exp.Select:
    """Return the syntax tree of one SELECT in the buyer's dialect.

    Raises GatewayError `sql_too_long`, `sql_too_deep`, `sql_syntax`, `sql_not_select` or `set_operation`.
    """
    tokens = tokenize(text, dialect)
    try:
        parser = Dialect.get_or_raise(dialect).parser(error_level=ErrorLevel.RAISE)
        statements = [tree for tree in parser.parse(tokens, text) if tree is not None]
    except RecursionError:
        raise _too_deep() from None
    except SqlglotError as error:
        raise _syntax(error) from None
    except Exception:  # noqa: BLE001 - the parser's own mistakes on odd input; every one is the buyer's text
        raise _syntax(SqlglotError()) from None
    if len(statements) != 1:
        detail = f"The text holds {len(statements)} statements." if statements else "The text holds no statement."
        raise GatewayError("sql_not_select", detail, "Send exactly one SELECT in each request.")
    tree = statements[0]
    if isinstance(tree, exp.SetOperation):
        hint = "Ask each SELECT on its own."
        raise GatewayError("set_operation", f"{tree.key.upper()} is not answered at the top.", hint, place(tree))
    if not isinstance(tree, exp.Select):
        detail = f"A {tree.key.upper()} statement is not a SELECT. {_STATEMENTS}"
        raise GatewayError("sql_not_select", detail, "Write SELECT ... FROM ... GROUP BY ...")
    _check_depth(tree)
    for node in tree.find_all(exp.Cast, exp.TryCast, exp.Div, exp.Round):
        node.meta["dialect"] = dialect
    return tree


def fingerprint(text: str, dialect: str) -> str:
    """Return a hash of the SQL with every literal left out: for meter events and reports.

    Raises what `parse` raises for texts that are too long or cannot be split into words.
    """
    literals = (TokenType.NUMBER, TokenType.STRING, TokenType.RAW_STRING, TokenType.NATIONAL_STRING)
    words = ["?" if t.token_type in literals else t.text.casefold() for t in tokenize(text, dialect)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


def dialect_of(node: exp.Expr) -> str:
    """Return the dialect that a CAST, a division or a ROUND was written in: they round as it has it, or are refused."""
    return str(node.meta.get("dialect", "duckdb"))


def _too_deep() -> GatewayError:
    hint = "Remove needless parentheses, or name parts of the query in WITH."
    return GatewayError("sql_too_deep", "The SQL is nested too deeply.", hint)


def _syntax(error: SqlglotError) -> GatewayError:
    described = getattr(error, "errors", None) or [{}]
    line, column = described[0].get("line"), described[0].get("col")
    where = Position(line, column) if line and column else None
    hint = "Check the spelling at this place, and that `dialect` names the dialect you write."
    return GatewayError("sql_syntax", "The SQL does not parse.", hint, where)


def _check_depth(tree: exp.Expr) -> None:
    """Refuse deep trees without recursion; chains of AND and OR count once, as they are flattened later."""
    pending: list[tuple[exp.Expr, int]] = [(tree, 1)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_TREE_DEPTH:
            raise _too_deep()
        for child in node.iter_expressions():
            chained = isinstance(node, exp.Connector) and type(child) is type(node)
            pending.append((child, depth if chained else depth + 1))


def place(node: exp.Expr | None) -> Position | None:
    """Return where a node stands in the SQL: the first of its words that carries a place."""
    if node is None:
        return None
    best: Position | None = None
    pending = [node]
    while pending:
        current = pending.pop()
        meta = current.meta
        if meta.get("line") and meta.get("col"):
            here = Position(meta["line"], max(1, meta["col"] - (meta["end"] - meta["start"])))
            if best is None or (here.line, here.column) < (best.line, best.column):
                best = here
        pending.extend(current.iter_expressions())
    return best


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
