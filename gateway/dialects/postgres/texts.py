"""Functions of texts in PostgreSQL's words. Letters' case and regular expressions differ between engines: refused."""

from collections.abc import Callable

from sqlglot import exp

from gateway.dialects.postgres.operators import Write
from gateway.dialects.postgres.typed import WHOLE, Kind, Typed, call, cast, compare, held, number, refused, typed

BLANKS = "".join(map(chr, (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)))
"""What DuckDB's TRIM takes away: the blanks of Unicode that separate words."""

Rule = Callable[[list[exp.Expr], Write], Typed]


def _text(node: exp.Expr, write: Write) -> Typed:
    one = write(node)
    if one.kind not in (Kind.TEXT, Kind.NULL):
        raise refused(f"A function of texts over {one.kind}")
    return one


def _count(node: exp.Expr, write: Write) -> exp.Expr:
    one = write(node)
    if one.kind not in WHOLE:
        raise refused("A place in a text that is no whole number")
    return one.node if one.kind is Kind.INT else cast(one.node, Kind.INT)


def _whole(node: exp.Expr) -> Typed:
    return Typed(node, Kind.INT, reach=2.0**31, least=1.0)


def length(node: exp.Length, write: Write) -> Typed:
    return _whole(call("LENGTH", _text(node.this, write).node))


def digest(node: exp.MD5, write: Write) -> Typed:
    return typed(exp.MD5(this=_text(node.this, write).node), Kind.TEXT)


def joined(node: exp.DPipe, write: Write) -> Typed:
    left, right = _text(node.this, write), _text(node.expression, write)
    sides = [one.node if isinstance(one.node, exp.DPipe) else one.copy() for one in (left, right)]
    return typed(exp.DPipe(this=sides[0], expression=sides[1], safe=True), Kind.TEXT)


def like(node: exp.Like, write: Write) -> Typed:
    subject, pattern = _text(node.this, write), node.expression
    return typed(exp.Like(this=subject.copy(), expression=exp.Literal.string(pattern.name)), Kind.BOOLEAN)


def plain(name: str, numbers: int = 0) -> Rule:
    """Return the rule of a function of texts (its last arguments whole numbers) that PostgreSQL computes alike."""

    def rule(arguments: list[exp.Expr], write: Write) -> Typed:
        texts = arguments[: len(arguments) - numbers]
        nodes = [_text(one, write).node for one in texts]
        nodes += [_count(one, write) for one in arguments[len(texts) :]]
        return typed(call(name, *nodes), Kind.TEXT)

    return rule


def padded(name: str) -> Rule:
    """Return the rule of LPAD or RPAD: to a literal length, by a literal text."""

    def rule(arguments: list[exp.Expr], write: Write) -> Typed:
        subject, filling = _text(arguments[0], write), _text(arguments[2], write)
        return typed(call(name, subject.node, _count(arguments[1], write), filling.node), Kind.TEXT)

    return rule


def trimmed(position: str) -> Rule:
    """Return the rule of TRIM, LTRIM or RTRIM: of some literal signs, or of blanks."""

    def rule(arguments: list[exp.Expr], write: Write) -> Typed:
        signs = arguments[1].name if len(arguments) > 1 else BLANKS
        literal = exp.Literal.string(signs)
        return typed(exp.Trim(this=_text(arguments[0], write).node, expression=literal, position=position), Kind.TEXT)

    return rule


def part(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return SUBSTRING from a literal start of 1 or more; a length is 0 or more, as the canonical text has it."""
    start = write(arguments[1])
    inner = arguments[1]
    while isinstance(inner, exp.Cast | exp.Paren):
        inner = inner.this
    if not (isinstance(inner, exp.Literal) and int(inner.name) >= 1):
        raise refused("SUBSTR with a start that is no literal of 1 or more", "Write RIGHT(t, n), or split_part.")
    subject = _text(arguments[0], write)
    size = exp.Greatest(this=_count(arguments[2], write), expressions=[number(0)]) if len(arguments) > 2 else None
    built = exp.Substring(this=subject.node, start=cast(start.node, Kind.INT), length=size)
    return typed(built, Kind.TEXT)


def ends(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return SUFFIX(t, s)."""
    subject, end = _text(arguments[0], write), _text(arguments[1], write)
    tail = call("RIGHT", subject.node, call("LENGTH", end.node.copy()))
    return typed(held(compare(exp.EQ, tail, end.copy())), Kind.BOOLEAN)


def begins(arguments: list[exp.Expr], write: Write) -> Typed:
    return typed(call("STARTS_WITH", *(_text(one, write).node for one in arguments)), Kind.BOOLEAN)


def place(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return STRPOS."""
    subject, sought = (_text(one, write).node for one in arguments)
    return _whole(exp.StrPosition(this=subject, substr=sought))


def holds(arguments: list[exp.Expr], write: Write) -> Typed:
    found = place(arguments, write)
    return typed(held(compare(exp.GT, found.node, number(0))), Kind.BOOLEAN)


def code(arguments: list[exp.Expr], write: Write) -> Typed:
    return _whole(call("ASCII", _text(arguments[0], write).node))
