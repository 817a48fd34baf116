"""Functions of texts in PostgreSQL's words, sign by sign. Regular expressions differ between engines: refused."""

from sqlglot import exp

from gateway.dialects.arguments import count, text
from gateway.dialects.letters import LOWERED, RAISED, pairs
from gateway.dialects.operators import Write
from gateway.dialects.postgres.words import collated
from gateway.dialects.rules import Rule
from gateway.dialects.typed import Kind, Typed, call, case, compare, held, number, typed


def _whole(node: exp.Expr) -> Typed:
    return Typed(node, Kind.INT, reach=2.0**31, least=1.0)


def length(node: exp.Length, write: Write) -> Typed:
    return _whole(call("LENGTH", text(node.this, write).node))


_CASES = {"LOWER": pairs(LOWERED), "UPPER": pairs(RAISED)}


def changed(node: exp.Lower | exp.Upper, write: Write) -> Typed:
    return _changed("LOWER" if isinstance(node, exp.Lower) else "UPPER", text(node.this, write))


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
    subject = _changed("LOWER", text(node.this, write))
    return typed(exp.Like(this=subject.copy(), expression=exp.Literal.string(pattern)), Kind.BOOLEAN)


def plain(name: str, numbers: int = 0) -> Rule:
    """Return the rule of a function of texts (its last arguments whole numbers) that PostgreSQL computes alike."""

    def rule(arguments: list[exp.Expr], write: Write) -> Typed:
        texts = arguments[: len(arguments) - numbers]
        nodes = [text(one, write).node for one in texts]
        nodes += [count(one, write) for one in arguments[len(texts) :]]
        return typed(call(name, *nodes), Kind.TEXT)

    return rule


def part(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return SUBSTRING: a start below 0 counts from the end, and 0 is a sign before the first.

    A length is 0 or more, as the canonical text has it.
    """
    subject = text(arguments[0], write)
    start = count(arguments[1], write)
    size = count(arguments[2], write) if len(arguments) > 2 else None
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
    subject, end = text(arguments[0], write), text(arguments[1], write)
    tail = call("RIGHT", subject.node, call("LENGTH", end.node.copy()))
    return typed(held(compare(exp.EQ, tail, end.copy())), Kind.BOOLEAN)


def begins(arguments: list[exp.Expr], write: Write) -> Typed:
    return typed(call("STARTS_WITH", *(text(one, write).node for one in arguments)), Kind.BOOLEAN)


def place(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return STRPOS."""
    subject, sought = (text(one, write).node for one in arguments)
    return _whole(exp.StrPosition(this=subject, substr=sought))


def holds(arguments: list[exp.Expr], write: Write) -> Typed:
    found = place(arguments, write)
    return typed(held(compare(exp.GT, found.node, number(0))), Kind.BOOLEAN)


def code(arguments: list[exp.Expr], write: Write) -> Typed:
    return _whole(call("ASCII", text(arguments[0], write).node))
