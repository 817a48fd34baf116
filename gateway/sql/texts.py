"""Text functions: case, trimming, length, parts and joining end to end."""

from dataclasses import replace
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import INTEGER, TEXT
from gateway.errors import GatewayError
from gateway.sql.operators import Resolve, mismatch
from gateway.sql.parse import place
from gateway.sql.ranges import Range
from gateway.sql.terms import Term, cast, merge

MAX_PIECES = 32
"""Texts joined end to end in one value."""


def _text(node: exp.Expr, resolve: Resolve) -> Term:
    term = resolve(node)
    if term.type != TEXT:
        raise mismatch(node, f"Text is expected; this is {term.type}.")
    return term


def text_function(node: exp.Lower | exp.Upper | exp.Trim, resolve: Resolve) -> Term:
    term = _text(node.this, resolve)
    return Term(type(node)(this=term.node.copy()), TEXT, nullable=term.nullable, **merge(term))


def length(node: exp.Length, resolve: Resolve) -> Term:
    term = _text(node.this, resolve)
    return Term(
        cast(exp.Length(this=term.node.copy()), INTEGER),
        INTEGER,
        nullable=term.nullable,
        range=Range(Fraction(0), None),
        **merge(term),
    )


def substring(node: exp.Substring, resolve: Resolve) -> Term:
    """Return SUBSTR(text, start [, length]) with literal start >= 1 and length >= 0."""
    term = _text(node.this, resolve)
    start = resolve(node.args["start"]).literal
    size = resolve(node.args["length"]).literal if node.args.get("length") is not None else None
    numbers = [n for n in (start, size) if n is not None]
    if not isinstance(start, int) or start < 1 or any(not isinstance(n, int) or not 0 <= n <= 2**20 for n in numbers):
        raise mismatch(node, "SUBSTR takes a literal start from 1 and a literal length.")
    built = exp.Substring(this=term.node.copy(), start=exp.Literal.number(start))
    if isinstance(size, int):
        built.set("length", exp.Literal.number(size))
    return Term(built, TEXT, nullable=term.nullable, **merge(term))


def concatenation(node: exp.DPipe, resolve: Resolve) -> Term:
    left, right = _text(node.this, resolve), _text(node.expression, resolve)
    pieces = left.pieces + right.pieces
    if pieces > MAX_PIECES:  # doubling a text again and again would fill the memory for some rows and not for others
        detail = f"More than {MAX_PIECES} texts are joined end to end."
        raise GatewayError("sql_too_complex", detail, "Join fewer texts.", place(node))
    built = exp.DPipe(this=exp.paren(left.node.copy(), copy=False), expression=exp.paren(right.node.copy(), copy=False))
    joined = Term(exp.paren(built, copy=False), TEXT, nullable=left.nullable or right.nullable, **merge(left, right))
    return replace(joined, pieces=pieces)
