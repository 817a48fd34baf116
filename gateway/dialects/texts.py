"""Functions of texts that engines write alike."""

from sqlglot import exp

from gateway.dialects.arguments import count, text
from gateway.dialects.operators import Write
from gateway.dialects.rules import Rule
from gateway.dialects.typed import Kind, Typed, call, typed

BLANKS = "".join(map(chr, (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)))
"""What DuckDB's TRIM takes away: the blanks of Unicode that separate words."""


def digest(node: exp.MD5, write: Write) -> Typed:
    return typed(exp.MD5(this=text(node.this, write).node), Kind.TEXT)


def joined(node: exp.DPipe, write: Write) -> Typed:
    left, right = text(node.this, write), text(node.expression, write)
    sides = [one.node if isinstance(one.node, exp.DPipe) else one.copy() for one in (left, right)]
    return typed(exp.DPipe(this=sides[0], expression=sides[1], safe=True), Kind.TEXT)


def like(node: exp.Like, write: Write) -> Typed:
    subject, pattern = text(node.this, write), node.expression
    return typed(exp.Like(this=subject.copy(), expression=exp.Literal.string(pattern.name)), Kind.BOOLEAN)


def padded(name: str) -> Rule:
    """Return the rule of LPAD or RPAD: to a literal length, by a literal text."""

    def rule(arguments: list[exp.Expr], write: Write) -> Typed:
        subject, filling = text(arguments[0], write), text(arguments[2], write)
        return typed(call(name, subject.node, count(arguments[1], write), filling.node), Kind.TEXT)

    return rule


def trimmed(position: str) -> Rule:
    """Return the rule of TRIM, LTRIM or RTRIM: of some literal signs, or of blanks."""

    def rule(arguments: list[exp.Expr], write: Write) -> Typed:
        signs = arguments[1].name if len(arguments) > 1 else BLANKS
        literal = exp.Literal.string(signs)
        return typed(exp.Trim(this=text(arguments[0], write).node, expression=literal, position=position), Kind.TEXT)

    return rule
