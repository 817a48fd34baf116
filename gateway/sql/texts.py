"""Text functions: case, trimming, length, parts and joining end to end."""

from dataclasses import replace
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import INTEGER, TEXT
from gateway.errors import GatewayError
from gateway.sql.operators import Resolve, chain, flatten, mismatch
from gateway.sql.parse import place
from gateway.sql.ranges import Range
from gateway.sql.terms import Term, cast, merge

MAX_PIECES = 32
"""Texts joined end to end in one value."""

MAX_LENGTH = 65_536
"""Characters of a text that is joined from others."""


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
    if node.args.get("start") is None:
        raise mismatch(node, "SUBSTR takes a start.")
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
    """Return texts joined end to end; NULL where they are longer than MAX_LENGTH together.

    Without that, doubling a text again and again would fill the memory for one person's rows and not for others'.
    """
    terms = [_text(part, resolve) for part in flatten(node, exp.DPipe)]
    pieces = sum(term.pieces for term in terms)
    if pieces > MAX_PIECES:
        detail = f"More than {MAX_PIECES} texts are joined end to end."
        raise GatewayError("sql_too_complex", detail, "Join fewer texts.", place(node))
    parts: list[exp.Expr] = [exp.paren(term.node.copy(), copy=False) for term in terms]
    sizes: list[exp.Expr] = [exp.Length(this=part.copy()) for part in parts]
    lengths = chain(exp.Add, sizes)
    fits = exp.LTE(this=exp.paren(lengths, copy=False), expression=exp.Literal.number(MAX_LENGTH))
    built = exp.Case(ifs=[exp.If(this=fits, true=chain(exp.DPipe, parts))])
    return replace(Term(built, TEXT, nullable=True, **merge(*terms)), pieces=pieces)
