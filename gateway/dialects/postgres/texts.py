"""Functions of texts in PostgreSQL's words, sign by sign. Regular expressions differ between engines: refused."""

from collections.abc import Callable

from sqlglot import exp

from gateway.dialects.letters import LOWERED, RAISED, pairs
from gateway.dialects.operators import Write
from gateway.dialects.postgres.words import collated
from gateway.dialects.typed import WHOLE, Kind, Typed, call, case, cast, compare, held, number, refused, typed

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


_CASES = {"LOWER": pairs(LOWERED), "UPPER": pairs(RAISED)}


def changed(node: exp.Lower | exp.Upper, write: Write) -> Typed:
    return _changed("LOWER" if isinstance(node, exp.Lower) else "UPPER", _text(node.this, write))


def _changed(name: str, one: Typed) -> Typed:
    """Return a text in small or capital letters: ASCII as every engine has it, all others by DuckDB's table."""
    plain_ = call(name, collated(one.copy()))
    short = compare(exp.EQ, call("OCTET_LENGTH", one.node.copy()), call("LENGTH", one.node.copy()))
    signs = [exp.Literal.string(part) for part in _CASES[name]]
    return typed(case((short, plain_), otherwise=call("TRANSLATE", plain_.copy(), *signs)), Kind.TEXT)


def like_any_case(node: exp.ILike, write: Write) -> Typed:
    """Return ILIKE: both sides in small letters, as DuckDB compares them."""
    signs = str.maketrans(*_CASES["LOWER"])
    pattern = "".join(sign.lower() if sign.isascii() else sign for sign in node.expression.name).translate(signs)
    subject = _changed("LOWER", _text(node.this, write))
    return typed(exp.Like(this=subject.copy(), expression=exp.Literal.string(pattern)), Kind.BOOLEAN)


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
    """Return SUBSTRING: a start below 0 counts from the end, and 0 is a sign before the first.

    A length is 0 or more, as the canonical text has it.
    """
    subject = _text(arguments[0], write)
    start = _count(arguments[1], write)
    size = _count(arguments[2], write) if len(arguments) > 2 else None
    literal = _literal(arguments[1])
    forward = exp.Substring(this=subject.node.copy(), start=start, length=size)
    if literal is not None and literal > 0:
        return typed(forward, Kind.TEXT)
    before = exp.Add(this=call("LENGTH", subject.node.copy()), expression=held(start.copy()))
    from_end = exp.Greatest(this=exp.Add(this=before, expression=number(1)), expressions=[number(1)], ignore_nulls=True)
    # what lies before the first sign counts as taken
    missing = exp.Least(this=before.copy(), expressions=[number(0)], ignore_nulls=True)
    backward = exp.Substring(this=subject.node.copy(), start=from_end, length=_shortened(size, missing))
    first = subject.node.copy()
    if size is not None:
        first = exp.Substring(this=first, start=number(1), length=_shortened(size, number(-1)))
    built = case(
        (compare(exp.GT, held(start.copy()), number(0)), forward),
        (compare(exp.LT, held(start.copy()), number(0)), backward),
        (compare(exp.EQ, held(start.copy()), number(0)), first),
    )
    return typed(built, Kind.TEXT)


def _shortened(size: exp.Expr | None, by: exp.Expr) -> exp.Expr | None:
    """Return a length less a few signs, not below 0; NULL stays NULL."""
    if size is None:
        return None
    left = exp.Greatest(this=exp.Add(this=held(size.copy()), expression=by), expressions=[number(0)], ignore_nulls=True)
    return case((compare(exp.GTE, held(size.copy()), number(0)), left))


def _literal(node: exp.Expr) -> int | None:
    """Return the value of a literal number of 0 or more, also of one that is cast."""
    while isinstance(node, exp.Cast | exp.Paren):
        node = node.this
    return int(node.name) if isinstance(node, exp.Literal) and node.name.isdigit() else None


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
