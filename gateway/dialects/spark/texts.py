"""Functions of texts in Spark's words, sign by sign. Regular expressions differ between engines: refused."""

from sqlglot import exp

from gateway.dialects.arguments import count, text
from gateway.dialects.letters import LOWERED, RAISED, pairs
from gateway.dialects.operators import Write
from gateway.dialects.rules import Rule
from gateway.dialects.typed import Kind, Typed, call, case, compare, held, number, refused, typed

_SMALL, _LARGE = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _whole(node: exp.Expr) -> Typed:
    return Typed(node, Kind.INT, reach=2.0**31, least=1.0, natural=True)


def length(node: exp.Length, write: Write) -> Typed:
    return _whole(call("LENGTH", text(node.this, write).node))


_CASES = {"LOWER": (_LARGE, _SMALL, *pairs(LOWERED)), "UPPER": (_SMALL, _LARGE, *pairs(RAISED))}


def changed(node: exp.Lower | exp.Upper, write: Write) -> Typed:
    return _changed("LOWER" if isinstance(node, exp.Lower) else "UPPER", text(node.this, write))


def _changed(name: str, one: Typed) -> Typed:
    """Return a text in small or capital letters: ASCII as every engine has it, all others by DuckDB's table."""
    short = compare(exp.EQ, call("OCTET_LENGTH", one.node.copy()), call("LENGTH", one.node.copy()))
    plain, became, more, more_became = _CASES[name]
    signs = [exp.Literal.string(part) for part in (plain + more, became + more_became)]
    by_table = call("TRANSLATE", one.node.copy(), *signs)
    return typed(case((short, call(name, one.node.copy())), otherwise=by_table), Kind.TEXT)


def like_any_case(node: exp.ILike, write: Write) -> Typed:
    """Return ILIKE: both sides in small letters, as DuckDB compares them."""
    plain, became, more, more_became = _CASES["LOWER"]
    pattern = node.expression.name.translate(str.maketrans(plain + more, became + more_became))
    subject = _changed("LOWER", text(node.this, write))
    return typed(exp.Like(this=subject.copy(), expression=exp.Literal.string(pattern)), Kind.BOOLEAN)


def plain(name: str) -> Rule:
    """Return the rule of a function of texts that Spark computes alike."""

    def rule(arguments: list[exp.Expr], write: Write) -> Typed:
        return typed(call(name, *(text(one, write).node for one in arguments)), Kind.TEXT)

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
    from_end = call("GREATEST", exp.Add(this=before, expression=number(1)), number(1))
    # what lies before the first sign counts as taken
    missing = call("LEAST", before.copy(), number(0))
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
    left = call("GREATEST", exp.Add(this=held(size.copy()), expression=by), number(0))
    return case((compare(exp.GTE, held(size.copy()), number(0)), left))


def _literal(node: exp.Expr) -> int | None:
    """Return the value of a literal whole number, also of one that is cast."""
    sign = 1
    while isinstance(node, exp.Cast | exp.Paren | exp.Neg):
        sign = -sign if isinstance(node, exp.Neg) else sign
        node = node.this
    return sign * int(node.name) if isinstance(node, exp.Literal) and node.name.isdigit() else None


def end(name: str) -> Rule:
    """Return the rule of LEFT or RIGHT to a literal length: below 0 it leaves signs out in DuckDB, not in Spark."""

    def rule(arguments: list[exp.Expr], write: Write) -> Typed:
        count = _literal(arguments[1])
        if count is None or count < 0:
            raise refused(f"A length below 0 of {name}", "Write SUBSTR(t, start, length).")
        return typed(call(name, text(arguments[0], write).node, number(count)), Kind.TEXT)

    return rule


def split(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return SPLIT_PART by a literal delimiter: an empty one splits nothing in Spark."""
    if not arguments[1].name:
        raise refused("SPLIT_PART by an empty text", "Write SUBSTR(t, n, 1).")
    subject, delimiter = (text(one, write).node for one in arguments[:2])
    return typed(call("SPLIT_PART", subject, delimiter, count(arguments[2], write)), Kind.TEXT)


def test(name: str) -> Rule:
    """Return the rule of a test of one text by another."""

    def rule(arguments: list[exp.Expr], write: Write) -> Typed:
        return typed(call(name, *(text(one, write).node for one in arguments)), Kind.BOOLEAN)

    return rule


def place(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return STRPOS."""
    subject, sought = (text(one, write).node for one in arguments)
    return _whole(call("LOCATE", sought, subject))


def code(arguments: list[exp.Expr], write: Write) -> Typed:
    return _whole(call("ASCII", text(arguments[0], write).node))
