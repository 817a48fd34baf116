"""Parameters of a prepared query: constants alone, each in the place of one `?`, and nothing else moved by them."""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import Any

from sqlglot import TokenType, exp

from gateway.errors import GatewayError
from gateway.sql.limits import place_of, tokenize
from gateway.sql.parse import parse, parse_constants, refuse_other_parts

TRINO = "trino"

_TYPED = frozenset(
    {exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.DOUBLE, exp.DType.UUID, exp.DType.DECIMAL, exp.DType.TIME}
)


def bound(sql: str, parameters: str | None) -> str:
    """Return a query with its parameters (the text behind USING) in the places of `?`.

    They are parsed, must be constants, and are printed from their trees; the result is parsed, and must be the query's
    own tree with exactly these constants. Raises GatewayError `bad_request` where the numbers differ or one is no
    constant, `unsupported_sql` where the trees do not compare.
    """
    marks = [token for token in tokenize(sql, TRINO) if token.token_type is TokenType.PLACEHOLDER]
    given = _constants(parameters) if parameters is not None else []
    if len(marks) != len(given):
        detail = f"The statement has {len(marks)} parameters, and {len(given)} are given."
        where = place_of(marks[0]) if marks else None
        raise GatewayError("bad_request", detail, "Give one value behind USING for each `?`.", where)
    if not marks:
        return sql
    pieces, after = [], 0
    for mark, constant in zip(marks, given, strict=True):
        pieces += [sql[after : mark.start], constant.sql(TRINO)]
        after = mark.end + 1
    text = "".join([*pieces, sql[after:]])
    replaced = list(_replaced(parse(sql, TRINO), parse(text, TRINO)))
    if sorted(map(repr, replaced)) != sorted(map(repr, given)):
        raise _unbound()
    return text


def _constants(parameters: str) -> list[exp.Expr]:
    tree = parse_constants(f"SELECT {parameters}", TRINO)
    if not isinstance(tree, exp.Select):
        raise _no_constant()
    refuse_other_parts(tree, "expressions")
    return [_constant(node) for node in tree.expressions]


def _constant(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.Literal() | exp.Boolean() | exp.Null():
            return node
        case exp.Neg(this=exp.Literal(is_string=False)):
            return node
        case exp.Cast(this=exp.Literal(is_string=True) as literal, to=exp.DataType(this=kind)) if kind in _TYPED:
            return _number(literal.name) if kind is exp.DType.DECIMAL else node
    raise _no_constant()


def _number(digits: str) -> exp.Expr:
    """Return a decimal of so many digits: as a cast it would lose its fraction."""
    try:
        value = Decimal(digits)
    except InvalidOperation:
        raise _no_constant() from None
    if not value.is_finite() or value.adjusted() > 38:
        raise _no_constant()
    literal = exp.Literal.number(f"{abs(value):f}")
    return exp.Neg(this=literal) if value < 0 else literal


def _replaced(mine: Any, theirs: Any) -> Iterator[exp.Expr]:
    """Yield what stands in one tree where the other has a `?`. Raises `unsupported_sql` where they differ otherwise."""
    pending = [(mine, theirs)]
    while pending:
        one, other = pending.pop()
        if isinstance(one, exp.Placeholder) and isinstance(other, exp.Expr):
            yield other
        elif isinstance(one, exp.Expr):
            if type(one) is not type(other):
                raise _unbound()
            names = {name for tree in (one, other) for name, part in tree.args.items() if part not in (None, [], False)}
            pending += [(one.args.get(name), other.args.get(name)) for name in names]
        elif isinstance(one, list) and isinstance(other, list):
            pending += zip_longest(one, other)
        elif one != other:
            raise _unbound()


def _no_constant() -> GatewayError:
    hint = "Give numbers, texts, true, false, NULL, or DATE, TIMESTAMP, DECIMAL, DOUBLE and UUID with a text."
    return GatewayError("bad_request", "A parameter is no constant.", hint)


def _unbound() -> GatewayError:
    return GatewayError("unsupported_sql", "A parameter cannot stand here.", "Write the value in the statement.")
