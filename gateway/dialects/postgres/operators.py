"""Comparison, logic, arithmetic and choice in PostgreSQL's words. None of them raises for any value of its types."""

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from gateway.dialects.postgres import doubles
from gateway.dialects.postgres.typed import (
    EXACT,
    NUMBERS,
    WHOLE,
    Kind,
    Typed,
    as_bigint,
    call,
    case,
    compare,
    either,
    held,
    quotient,
    refused,
    typed,
)

Write = Callable[[exp.Expr], Typed]


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
    left, right = sided(write(node.this), write(node.expression))
    operands = [left.copy(), right.copy()]
    if not isinstance(node, exp.EQ | exp.NEQ | exp.NullSafeEQ | exp.NullSafeNEQ):
        operands = [by_code(left), by_code(right)]
    return typed(type(node)(this=operands[0], expression=operands[1]), Kind.BOOLEAN)


def sided(left: Typed, right: Typed) -> tuple[Typed, Typed]:
    """Return two sides in one type; an exact number beside a DOUBLE is made one as DuckDB makes it."""
    kinds = {left.kind, right.kind} - {Kind.NULL}
    if Kind.DOUBLE in kinds and len(kinds) > 1:
        left, right = (doubles.of_exact(one) if one.kind in EXACT else one for one in (left, right))
        kinds = {left.kind, right.kind} - {Kind.NULL}
    if len(kinds) > 1 and not kinds <= set(EXACT):
        raise refused(f"A comparison of {left.kind} with {right.kind}")
    return left, right


def by_code(one: Typed) -> exp.Expr:
    """Return a value to be put in order: texts by their code points."""
    if one.kind is not Kind.TEXT or isinstance(one.node, exp.Collate):
        return one.copy()
    return collated(one.copy())


def collated(node: exp.Expr) -> exp.Expr:
    return exp.Collate(this=node, expression=exp.Column(this=exp.to_identifier("C", quoted=True)))


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
    pairs = [sided(subject, one) for one in members]
    if any(left.node is not subject.node for left, _ in pairs):
        raise refused("A list of numbers of several types", "CAST its members to one type.")
    return typed(exp.In(this=subject.copy(), expressions=[right.node for _, right in pairs]), Kind.BOOLEAN)


def between(node: exp.Between, write: Write) -> Typed:
    subject = write(node.this)
    tests = []
    for kind, end in ((exp.GTE, node.args["low"]), (exp.LTE, node.args["high"])):
        left, right = sided(subject, write(end))
        tests.append(compare(kind, by_code(left), by_code(right)))
    return typed(exp.paren(exp.And(this=tests[0], expression=tests[1]), copy=False), Kind.BOOLEAN)


# -- arithmetic -------------------------------------------------------------------------------------------------------


def arithmetic(node: exp.Binary, write: Write) -> Typed:
    """Return a + b, a - b, a * b. The canonical text has exact operands in types that hold the result."""
    left, right = write(node.this), write(node.expression)
    if Kind.DATE in (left.kind, right.kind) or Kind.TIMESTAMP in (left.kind, right.kind):
        return _dated(node, left, right)
    if Kind.DOUBLE in (left.kind, right.kind):
        left, right = _doubles(left, right)
        if isinstance(node, exp.Mul):
            return doubles.multiply(left, right)
        return doubles.add(left, right, type(node))  # type: ignore[arg-type]
    if left.kind not in EXACT or right.kind not in EXACT:
        raise refused(f"{node.key.upper()} of {left.kind} and {right.kind}")
    left, right = as_bigint(left), as_bigint(right)
    kind = _wider(left, right)
    reach = left.reach * right.reach if isinstance(node, exp.Mul) else left.reach + right.reach
    built = type(node)(this=left.copy(), expression=right.copy())
    scale = left.scale + right.scale if isinstance(node, exp.Mul) else max(left.scale, right.scale)
    made = typed(held(built), kind, 38, scale)
    natural = isinstance(node, exp.Mul) and _bare(node.this) == _bare(node.expression)
    return replace(made, reach=min(reach, made.reach) if kind is not Kind.HUGE else reach, natural=natural)


def _bare(node: exp.Expr) -> exp.Expr:
    """Return a number without its brackets and casts."""
    while isinstance(node, exp.Paren | exp.Cast):
        node = node.this
    return node


def _doubles(left: Typed, right: Typed) -> tuple[Typed, Typed]:
    if left.kind not in NUMBERS or right.kind not in NUMBERS:
        raise refused(f"Arithmetic of {left.kind} and {right.kind}")
    first, second = (one if one.kind is Kind.DOUBLE else doubles.of_exact(one) for one in (left, right))
    return first, second


def _wider(left: Typed, right: Typed) -> Kind:
    kinds = (left.kind, right.kind)
    return next(kind for kind in (Kind.DECIMAL, Kind.HUGE, Kind.BIGINT) if kind in kinds)


def _dated(node: exp.Binary, left: Typed, right: Typed) -> Typed:
    """Return date + days, date + interval or date - date; what is guarded in the canonical text stays in range."""
    built = held(type(node)(this=left.copy(), expression=right.copy()))
    if left.kind is Kind.DATE and right.kind is Kind.DATE and isinstance(node, exp.Sub):
        return Typed(built, Kind.INT, reach=1e7, least=1.0)
    if isinstance(node, exp.Add) and right.kind is Kind.INTERVAL:
        return typed(built, Kind.TIMESTAMP)
    if isinstance(node, exp.Add) and left.kind is Kind.DATE and right.kind is Kind.INT:
        return typed(built, Kind.DATE)
    raise refused(f"{node.key.upper()} of {left.kind} and {right.kind}")


def opposite(node: exp.Neg, write: Write) -> Typed:
    inner = write(node.this)
    if inner.kind not in NUMBERS:
        raise refused(f"Minus {inner.kind}")
    return replace(inner, node=exp.Neg(this=inner.copy() if inner.literal is None else inner.node), natural=False)


def division(node: exp.Div, write: Write) -> Typed:
    left, right = _doubles(write(node.this), write(node.expression))
    return doubles.divide(left, right)


def whole_division(node: exp.IntDiv, write: Write) -> Typed:
    left, right = as_bigint(write(node.this)), as_bigint(write(node.expression))
    if left.kind not in WHOLE or right.kind not in WHOLE:
        raise refused("Whole division of what is no whole number")
    if Kind.HUGE in (left.kind, right.kind):
        return replace(left, node=call("DIV", left.node, right.node), kind=Kind.HUGE, natural=False)
    return replace(left, natural=False, node=held(quotient(left.copy(), right.copy())))


def remainder(node: exp.Mod, write: Write) -> Typed:
    left, right = as_bigint(write(node.this)), as_bigint(write(node.expression))
    if left.kind not in EXACT or right.kind not in EXACT:
        raise refused("The remainder of a floating point number")
    made = typed(held(exp.Mod(this=left.copy(), expression=right.copy())), _wider(left, right), 38, left.scale)
    return replace(made, scale=max(left.scale, right.scale))


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
    values = [value for _, value in pairs] + ([last] if last is not None else [])
    known = joined(values)
    if last is not None and _is_clamp(node):
        known = replace(known, reach=max(value.reach for _, value in pairs), natural=pairs[0][1].natural)
    built = case(
        *((test.node, _in(value, known)) for test, value in pairs),
        otherwise=None if last is None else _in(last, known),
    )
    return replace(known, node=built)


def _in(value: Typed, known: Typed) -> exp.Expr:
    """Return a branch; the first one decides nothing, but a NULL alone would be a text."""
    return value.node if value.kind is not Kind.NULL or known.kind is Kind.NULL else exp.Null()


def _is_clamp(node: exp.Case) -> bool:
    """Tell whether this is CASE WHEN x < lo THEN lo WHEN x > hi THEN hi ELSE x END, of two literals."""
    branches = node.args["ifs"]
    if len(branches) != 2:
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
    values = [write(one) for one in (node.this, *node.expressions)]
    known = joined(values)
    return replace(known, node=exp.Coalesce(this=values[0].node, expressions=[one.node for one in values[1:]]))


def nullif(node: exp.Nullif, write: Write) -> Typed:
    left, right = write(node.this), write(node.expression)
    if left.kind is Kind.DOUBLE and right.kind in EXACT:
        right = doubles.of_exact(right)
    sided(left, right)
    return replace(left, node=exp.Nullif(this=left.node, expression=right.node))


def extreme(node: exp.Greatest | exp.Least, write: Write) -> Typed:
    """Return GREATEST or LEAST; without `ignore_nulls` a NULL among the values makes NULL."""
    values = [write(one) for one in (node.this, *node.expressions)]
    known = joined(values)
    if known.kind not in (*NUMBERS, Kind.DATE, Kind.TIMESTAMP):
        raise refused(f"{node.key.upper()} of {known.kind}")
    built: exp.Expr = type(node)(this=values[0].node, expressions=[one.node for one in values[1:]], ignore_nulls=True)
    if not node.args.get("ignore_nulls"):
        missing = [exp.Is(this=one.copy(), expression=exp.Null()) for one in values]
        built = case((either(*missing), exp.Null()), otherwise=built)
    return replace(known, node=built)
