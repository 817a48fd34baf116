"""Comparison, logic and choice, which engines write alike. None of them raises for any value of its types.

What an engine has of its own (how texts are put in order, how an exact number becomes a DOUBLE, how exact numbers of
several types meet) it tells by its `Words`.
"""

from dataclasses import replace
from typing import Protocol

from sqlglot import exp

from gateway.dialects.typed import EXACT, NUMBERS, Kind, Typed, case, compare, either, held, refused, typed


class Words(Protocol):
    """An engine's own ways in what is otherwise written alike."""

    def of_exact(self, one: Typed) -> Typed:
        """Return an exact number as the DOUBLE that DuckDB makes of it."""
        ...

    def by_code(self, one: Typed) -> exp.Expr:
        """Return a value to be put in order: texts by their code points."""
        ...

    def alike(self, values: list[Typed]) -> list[Typed]:
        """Return exact numbers that stand side by side so that the engine changes none of them."""
        ...


class Write(Protocol):
    """Writes the parts of an expression, each by its own rule."""

    @property
    def words(self) -> Words: ...

    def __call__(self, node: exp.Expr) -> Typed: ...


# -- literals and brackets --------------------------------------------------------------------------------------------


def literal(node: exp.Literal, _: Write) -> Typed:
    if node.is_string:
        if "\x00" in node.name:
            raise refused("A text with the sign 0")
        return typed(exp.Literal.string(node.name), Kind.TEXT)
    if not node.name.isdigit():
        raise refused("A fraction without a type")
    value = int(node.name)
    kind = Kind.INT if value < 2**31 else Kind.BIGINT if value < 2**63 else Kind.HUGE
    return Typed(exp.Literal.number(node.name), kind, reach=float(value), least=1.0, natural=True)


def truth(node: exp.Boolean, _: Write) -> Typed:
    return typed(exp.Boolean(this=node.this), Kind.BOOLEAN)


def null(_node: exp.Null, _: Write) -> Typed:
    return Typed(exp.Null(), Kind.NULL, reach=0.0, least=1.0, natural=True)


def parenthesis(node: exp.Paren, write: Write) -> Typed:
    inner = write(node.this)
    return replace(inner, node=held(inner.node))


# -- comparison and logic ---------------------------------------------------------------------------------------------


def comparison(node: exp.Binary, write: Write) -> Typed:
    left, right = sided(write(node.this), write(node.expression), write.words)
    operands = [left.copy(), right.copy()]
    if not isinstance(node, exp.EQ | exp.NEQ | exp.NullSafeEQ | exp.NullSafeNEQ):
        operands = [write.words.by_code(left), write.words.by_code(right)]
    return typed(type(node)(this=operands[0], expression=operands[1]), Kind.BOOLEAN)


def sided(left: Typed, right: Typed, words: Words) -> tuple[Typed, Typed]:
    """Return two sides in one type; an exact number beside a DOUBLE is made one as DuckDB makes it."""
    kinds = {left.kind, right.kind} - {Kind.NULL}
    if Kind.DOUBLE in kinds and len(kinds) > 1:
        left, right = (words.of_exact(one) if one.kind in EXACT else one for one in (left, right))
        kinds = {left.kind, right.kind} - {Kind.NULL}
    if len(kinds) > 1 and not kinds <= set(EXACT):
        raise refused(f"A comparison of {left.kind} with {right.kind}")
    left, right = words.alike([left, right])
    return left, right


def connected(node: exp.Connector, write: Write) -> Typed:
    left, right = write(node.this), write(node.expression)
    sides = [held(one.node) if isinstance(one.node, exp.Connector) else one.node for one in (left, right)]
    return typed(type(node)(this=sides[0], expression=sides[1]), Kind.BOOLEAN)


def negated(node: exp.Not, write: Write) -> Typed:
    return typed(exp.Not(this=held(write(node.this).node)), Kind.BOOLEAN)


def tested(node: exp.Is, write: Write) -> Typed:
    return typed(exp.Is(this=held(write(node.this).node), expression=node.expression.copy()), Kind.BOOLEAN)


def member(node: exp.In, write: Write) -> Typed:
    subject = write(node.this)
    members = [write(one) for one in node.expressions]
    pairs = [sided(subject, one, write.words) for one in members]
    if any(left.node is not subject.node for left, _ in pairs):
        raise refused("A list of numbers of several types", "CAST its members to one type.")
    return typed(exp.In(this=subject.copy(), expressions=[right.node for _, right in pairs]), Kind.BOOLEAN)


def between(node: exp.Between, write: Write) -> Typed:
    subject = write(node.this)
    tests = []
    for kind, end in ((exp.GTE, node.args["low"]), (exp.LTE, node.args["high"])):
        left, right = sided(subject, write(end), write.words)
        tests.append(compare(kind, write.words.by_code(left), write.words.by_code(right)))
    return typed(exp.paren(exp.And(this=tests[0], expression=tests[1]), copy=False), Kind.BOOLEAN)


# -- choice -----------------------------------------------------------------------------------------------------------


def joined(values: list[Typed]) -> Typed:
    """Return what is known of one of some values, in the type that holds them all (its node is the first one's)."""
    present = [one for one in values if one.kind is not Kind.NULL] or values
    kinds = {one.kind for one in present}
    first = present[0]
    if len(kinds) > 1:
        if not kinds <= set(NUMBERS):
            raise refused(f"A choice among {' and '.join(sorted(kinds))}")
        if Kind.DOUBLE in kinds:
            raise refused("A choice among numbers of several types", "CAST each to DOUBLE.")
        kind = next(k for k in (Kind.DECIMAL, Kind.HUGE, Kind.BIGINT) if k in kinds)
        first = typed(first.node, kind, 38, max(one.scale for one in present))
    reach, least = max(one.reach for one in present), min(one.least for one in present)
    digits, scale = max(one.digits for one in present), max(one.scale for one in present)
    natural = all(one.natural for one in present)
    return replace(first, digits=digits, scale=scale, reach=reach, least=least, natural=natural)


def chosen(node: exp.Case, write: Write) -> Typed:
    """Return CASE WHEN; a clamp between two literals tells how far its values reach."""
    if node.this is not None:
        raise refused("CASE with a subject")  # the canonical text has none
    pairs = [(write(branch.this), write(branch.args["true"])) for branch in node.args["ifs"]]
    default = node.args.get("default")
    last = write(default) if default is not None else None
    values = write.words.alike([value for _, value in pairs] + ([last] if last is not None else []))
    pairs = [(test, value) for (test, _), value in zip(pairs, values, strict=False)]
    last = values[-1] if last is not None else None
    known = clamped(*values) if is_clamp(node) else joined(values)
    built = case(
        *((test.node, _in(value, known)) for test, value in pairs),
        otherwise=None if last is None else _in(last, known),
    )
    return replace(known, node=built)


def _in(value: Typed, known: Typed) -> exp.Expr:
    """Return a branch; the first one decides nothing, but a NULL alone would be a text."""
    return value.node if value.kind is not Kind.NULL or known.kind is Kind.NULL else exp.Null()


def clamped(low: Typed, high: Typed, value: Typed) -> Typed:
    """Return what is known of a value between two literals (its node is the first one's)."""
    return replace(joined([low, high, value]), reach=max(low.reach, high.reach), natural=low.natural)


def is_clamp(node: exp.Case) -> bool:
    """Tell whether this is CASE WHEN x < lo THEN lo WHEN x > hi THEN hi ELSE x END, of two literals."""
    branches = node.args["ifs"]
    if len(branches) != 2 or node.args.get("default") is None:
        return False
    tests = [branch.this for branch in branches]
    if not (isinstance(tests[0], exp.LT) and isinstance(tests[1], exp.GT)):
        return False
    ends = all(
        test.expression == branch.args["true"] and _number(test.expression)
        for test, branch in zip(tests, branches, strict=True)
    )
    return ends and all(test.this.unnest() == node.args["default"].unnest() for test in tests)


def _number(node: exp.Expr) -> bool:
    while isinstance(node, exp.Cast | exp.Neg | exp.Paren):
        node = node.this
    return isinstance(node, exp.Literal)


def coalesced(node: exp.Coalesce, write: Write) -> Typed:
    values = write.words.alike([write(one) for one in (node.this, *node.expressions)])
    known = joined(values)
    return replace(known, node=exp.Coalesce(this=values[0].node, expressions=[one.node for one in values[1:]]))


def nullif(node: exp.Nullif, write: Write) -> Typed:
    left, right = write(node.this), write(node.expression)
    if left.kind is Kind.DOUBLE and right.kind in EXACT:
        right = write.words.of_exact(right)
    left, right = sided(left, right, write.words)
    return replace(left, node=exp.Nullif(this=left.node, expression=right.node))


def extreme(node: exp.Greatest | exp.Least, write: Write) -> Typed:
    """Return GREATEST or LEAST; without `ignore_nulls` a NULL among the values makes NULL."""
    values = write.words.alike([write(one) for one in (node.this, *node.expressions)])
    known = joined(values)
    if known.kind not in (*NUMBERS, Kind.DATE, Kind.TIMESTAMP):
        raise refused(f"{node.key.upper()} of {known.kind}")
    built: exp.Expr = type(node)(this=values[0].node, expressions=[one.node for one in values[1:]], ignore_nulls=True)
    if not node.args.get("ignore_nulls"):
        missing = [exp.Is(this=one.copy(), expression=exp.Null()) for one in values]
        built = case((either(*missing), exp.Null()), otherwise=built)
    return replace(known, node=built)
