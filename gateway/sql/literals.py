"""Values written in the query: numbers, texts, booleans, NULL."""

import re
from decimal import Decimal
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import BOOLEAN, DOUBLE, INTEGER, OTHER, TEXT, decimal
from gateway.sql import ranges
from gateway.sql.operators import mismatch
from gateway.sql.ranges import BIGINT_MAX
from gateway.sql.rows import Resolve
from gateway.sql.terms import Term, number

_NUMBER = re.compile(r"^(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,5})?$", re.ASCII)


def literal(node: exp.Literal, _: Resolve) -> Term:
    """Return a number or text literal. Numbers with an exponent are DOUBLE."""
    text = node.name
    if node.is_string:
        return Term(exp.Literal.string(text), TEXT, nullable=False, domain=(text,))
    if not _NUMBER.match(text):
        raise mismatch(node, "This is not a number.")
    if any(letter in text for letter in "eE"):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise mismatch(node, "The number is out of range.")
        return Term(number(Fraction(value), DOUBLE), DOUBLE, nullable=False, range=ranges.point(Fraction(value)))
    whole, _dot, digits = text.partition(".")
    exact = Fraction(text if whole else "0" + text)
    if not digits and exact <= BIGINT_MAX:
        return Term(number(exact, INTEGER), INTEGER, nullable=False, range=ranges.point(exact), domain=(int(exact),))
    type_ = decimal(max(len(whole.lstrip("0")) + len(digits), len(digits) + 1), len(digits))
    if type_.precision > 18:
        return Term(number(exact, DOUBLE), DOUBLE, nullable=False, range=ranges.point(Fraction(float(exact))))
    return Term(
        number(exact, type_),
        type_,
        nullable=False,
        range=ranges.point(exact),
        domain=(f"{Decimal(text):.{len(digits)}f}",),
    )


def null(_node: exp.Null, _: Resolve) -> Term:
    return Term(exp.Null(), OTHER, nullable=True, domain=())


def boolean(node: exp.Boolean, _: Resolve) -> Term:
    return Term(exp.Boolean(this=bool(node.this)), BOOLEAN, nullable=False, domain=(bool(node.this),))


def paren(node: exp.Paren, resolve: Resolve) -> Term:
    return resolve(node.this)
