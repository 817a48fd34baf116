"""Conditions over base columns as boxes: for each expression that is tested, the places of its domain that pass.

What is not understood is tested by its text: another text of the same shape is another place of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from hashlib import sha256
from itertools import islice

from sqlglot import exp

from gateway.privacy.domains import ANY, Comparison, Domain, Literal, day_of, fraction_of, numbers, passing, place
from gateway.privacy.regions import UNDECLARED, Region
from gateway.sql.operators import flatten
from gateway.sql.writing import copied, reference, shown

MOST_NODES = 120
"""Of how many nodes what computes a column is spelled out."""

Box = dict[str, Region]
"""Regions by what is tested; what is not named is not tested."""

_WRAPS = (exp.Paren, exp.Cast, exp.TryCast)
_FLIPPED: dict[Comparison, Comparison] = {
    exp.LT: exp.GT, exp.GT: exp.LT, exp.LTE: exp.GTE, exp.GTE: exp.LTE, exp.EQ: exp.EQ, exp.NEQ: exp.NEQ,
}  # fmt: skip
_COMPARED = tuple(_FLIPPED)
_PARTS = {"MONTH": (1, 12), "DAY": (1, 31), "QUARTER": (1, 4), "DOW": (0, 6), "ISODOW": (1, 7), "HOUR": (0, 23)}


@dataclass(slots=True)
class Reader:
    """Reads conditions; `named` says what a column id stands for: a base column's name, or what computes it."""

    named: Mapping[str, str | exp.Expr]
    domains: Mapping[str, Domain]
    _plain: dict[str, exp.Expr] = field(default_factory=dict)

    def box(self, terms: Iterable[exp.Expr]) -> Box:
        """Return the box of conditions that all hold."""
        found: Box = {}
        for term in terms:
            for member in flatten(term, exp.And):
                found = meet(found, self._read(_slim(self.spelled(member))))
        return found

    def subject(self, node: exp.Expr) -> tuple[str, Domain]:
        """Return the name of an expression over base columns, and its domain."""
        bare = _slim(self.spelled(node))
        return shown(bare), self._domain(bare)

    def spelled(self, node: exp.Expr) -> exp.Expr:
        """Return an expression over the names of base columns."""
        made = exp.Paren(this=copied(node))  # which what is a column itself is replaced in
        for column in list(made.find_all(exp.Column)):
            if not column.table:
                column.replace(exp.Paren(this=copied(self._of(column.name))))
        found: exp.Expr = made.this
        return found

    def _of(self, column_id: str) -> exp.Expr:
        """Return what a column id stands for; what is computed of itself is its own name.

        What computes it is spelled as far as it is short: a chain of doublings would be longer than any text.
        """
        if column_id not in self._plain:
            known = self.named.get(column_id, column_id)
            self._plain[column_id] = reference(known if isinstance(known, str) else column_id, "_")
            if not isinstance(known, str):
                made = self.spelled(known)
                self._plain[column_id] = made if _short(made) else _named_by_text(made)
        return self._plain[column_id]

    def _read(self, node: exp.Expr) -> Box:
        node = node.unnest()
        match node:
            case exp.And():
                found: Box = {}
                for member in flatten(node, exp.And):
                    found = meet(found, self._read(member))
                return found
            case exp.Not():
                return self._turned(node)
            case exp.Or():
                return self._either(node)
            case exp.Is(expression=exp.Null()):
                return self._null(node.this)
            case exp.In() if node.expressions:
                return self._members(node)
            case exp.Between():
                low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
                high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
                return meet(self._read(low), self._read(high))
            case exp.Boolean():
                return {} if node.this else {"FALSE": Region.of(2, [])}
            case exp.Column():
                return {shown(node): Region.of(2, [(1, 1)])}
            case exp.EQ() | exp.NEQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
                return self._compared(node)
            case _:
                return _opaque(node)

    def _turned(self, node: exp.Not) -> Box:
        inner = self._read(node.this)
        if len(inner) == 1:
            ((name, region),) = inner.items()
            return {name: region.other()}
        return _opaque(node.this, holds=False)

    def _either(self, node: exp.Or) -> Box:
        branches = [self._read(branch) for branch in flatten(node, exp.Or)]
        if any(not branch for branch in branches):
            return {}  # one that is always true
        names = {name for branch in branches for name in branch}
        if len(names) > 1:
            return _opaque(node)
        (name,) = names
        found = branches[0][name]
        for branch in branches[1:]:
            found = found.either(branch[name])
        return {name: found}

    def _null(self, node: exp.Expr) -> Box:
        bare = _bare(node)
        if isinstance(bare, exp.Case) and bare.this is None and len(bare.args["ifs"]) == 1:
            branch, default = bare.args["ifs"][0], bare.args.get("default")
            nothing = default is None or isinstance(_bare(default), exp.Null)
            if nothing and _value(branch.args["true"]) is not None:  # NULL where its condition does not hold
                return self._read(exp.Not(this=exp.Paren(this=branch.this.copy())))
        return {f"{shown(_bare(node))} IS NULL": Region.of(2, [(1, 1)])}

    def _members(self, node: exp.In) -> Box:
        found: Region | None = None
        name = ""
        for member in node.expressions:
            box = self._read(exp.EQ(this=node.this.copy(), expression=member.copy()))
            if len(box) != 1 or (found is not None and name not in box):
                return _opaque(node)
            ((name, region),) = box.items()
            found = region if found is None else found.either(region)
        return {} if found is None else {name: found}

    def _compared(self, node: exp.Binary) -> Box:
        kind: Comparison = type(node)
        left, right = node.this, node.expression
        if _value(left) is not None:
            kind, left, right = _FLIPPED[kind], right, left
        value = _value(right)
        if value is None:
            return _opaque(node)
        chosen = _chosen(left, kind, value)
        if chosen is not None:
            return self._read(chosen)
        left, kind, value = _moved(left, kind, value)
        period = self._period(left, kind, value)
        if period is not None:
            return period
        region = passing(self._domain(left), kind, value)
        return _opaque(node) if region is None else {shown(left): region}

    def _period(self, left: exp.Expr, kind: Comparison, value: Literal) -> Box | None:
        """Return the days of a year, or of a truncated date, that compare with a literal; None where it is none."""
        first, after = _ends(left, value)
        if first is None or after is None:
            return None
        inner = _bare(left.expression if isinstance(left, exp.Extract) else left.this)
        domain = self._domain(inner)
        since, until = passing(domain, exp.GTE, first), passing(domain, exp.LT, after)
        if not domain.measured or since is None or until is None:
            return None
        within = since.both(until)
        found = {
            exp.EQ: within,
            exp.NEQ: within.other(),
            exp.LT: since.other(),
            exp.LTE: until,
            exp.GT: until.other(),
            exp.GTE: since,
        }
        return {shown(inner): found[kind]}

    def _domain(self, node: exp.Expr) -> Domain:
        """Return the domain of an expression, by interval arithmetic over those of its columns."""
        node = _bare(node)
        match node:
            case exp.Column():
                return self.domains.get(node.name, ANY)
            case exp.Add() | exp.Sub() | exp.Mul():
                return _combined(node, self._domain(node.this), self._domain(node.expression))
            case exp.Abs():
                inner = self._domain(node.this)
                far = max(abs(inner.lo), abs(inner.hi))
                return numbers(Fraction(0), far, inner.step) if inner.measured else ANY
            case exp.Extract():
                return self._part(node)
            case _:
                value = _value(node)
                return Domain(1, value) if isinstance(value, Fraction) else ANY

    def _part(self, node: exp.Extract) -> Domain:
        name, inner = node.name.upper(), self._domain(node.expression)
        if name == "YEAR" and inner.measured and inner.lo >= 1:
            first, last = (Fraction(date.fromordinal(int(day)).year) for day in (inner.lo, inner.hi))
            return numbers(first, last, Fraction(1))
        ends = _PARTS.get(name)
        return ANY if ends is None else numbers(Fraction(ends[0]), Fraction(ends[1]), Fraction(1))


def meet(one: Box, other: Box) -> Box:
    """Return where both boxes hold; what is the whole of a domain is not tested."""
    found = dict(one)
    for name, region in other.items():
        found[name] = found[name].both(region) if name in found and found[name].size == region.size else region
    return {name: region for name, region in found.items() if not region.everything}


def _bare(node: exp.Expr) -> exp.Expr:
    """Return an expression without parentheses, casts, and clamps to its own declared bounds."""
    while True:
        if isinstance(node, _WRAPS):
            node = node.this
        elif isinstance(node, exp.Case) and (held := _clamped(node)) is not None:
            node = held
        else:
            return node


def _clamped(node: exp.Case) -> exp.Expr | None:
    """Return x of CASE WHEN x < lo THEN lo WHEN x > hi THEN hi ELSE x END."""
    inner: exp.Expr | None = node.args.get("default")
    if node.this is not None or inner is None:
        return None
    for branch in node.args["ifs"]:
        test = branch.this.unnest()
        if not isinstance(test, exp.LT | exp.GT) or test.this != inner or test.expression != branch.args["true"]:
            return None
    return inner


def _slim(node: exp.Expr) -> exp.Expr:
    """Return a tree of the caller's own without what `_bare` leaves out, in all its parts."""
    held = exp.Paren(this=node)
    pending: list[exp.Expr] = [held]
    while pending:
        parent = pending.pop()
        for child in list(parent.iter_expressions()):
            plain = child.unnest()
            bare = plain if _value(plain) is not None else _bare(plain)  # a literal keeps its type
            if bare is not child:
                bare.pop()
                child.replace(bare)
            pending.append(bare)
    found: exp.Expr = held.this
    return found


def _ends(left: exp.Expr, value: Literal) -> tuple[Fraction | None, Fraction | None]:
    """Return the first day of a year or truncated date that is a literal, and the first after it."""
    if not isinstance(value, Fraction) or value.denominator != 1:
        return None, None
    months = {"YEAR": 12, "QUARTER": 3, "MONTH": 1}
    if isinstance(left, exp.Extract) and left.name.upper() == "YEAR" and 1 <= value < date.max.year:
        first, length = date(int(value), 1, 1), 12
    elif isinstance(left, exp.DateTrunc | exp.TimestampTrunc) and 1 <= value < date.max.toordinal() - 366:
        first, length = date.fromordinal(int(value)), months.get(left.text("unit").upper(), 0)
        if not length or first.day != 1 or (first.month - 1) % length:
            return None, None
    else:
        return None, None
    year, month = divmod(first.year * 12 + first.month - 1 + length, 12)
    return Fraction(first.toordinal()), Fraction(date(year, month + 1, 1).toordinal())


def _value(node: exp.Expr) -> Literal | None:
    """Return a literal: a number or day as a fraction, a text, or a truth; None where it is none."""
    match node:
        case exp.Paren():
            return _value(node.this)
        case exp.Neg():
            inner = _value(node.this)
            return -inner if isinstance(inner, Fraction) else None
        case exp.Cast() | exp.TryCast():
            inner = _value(node.this)
            if node.args["to"].this in (exp.DType.DATE, exp.DType.TIMESTAMP) and isinstance(inner, str):
                return day_of(inner)
            numeric = node.args["to"].this in exp.DataType.NUMERIC_TYPES
            return fraction_of(inner) if isinstance(inner, str) and numeric else inner
        case exp.Literal():
            return node.this if node.is_string else fraction_of(node.this)
        case exp.Boolean():
            return bool(node.this)
        case _:
            return None


def _chosen(left: exp.Expr, kind: Comparison, value: Literal) -> exp.Expr | None:
    """Return the condition of CASE WHEN condition THEN value ELSE other END = value."""
    node = left.unnest()
    while isinstance(node, exp.Cast | exp.TryCast):
        node = node.this.unnest()
    if kind is not exp.EQ:
        return None
    if isinstance(value, bool) and isinstance(node, (*_COMPARED, exp.And, exp.Or, exp.Not, exp.In)):
        return node if value else exp.Not(this=node.copy())
    if not isinstance(node, exp.Case) or node.this is not None or len(node.args["ifs"]) != 1:
        return None
    branch, default = node.args["ifs"][0], node.args.get("default")
    then, other = _value(branch.args["true"]), None if default is None else _value(default)
    test: exp.Expr = branch.this
    if then == value and other != value:
        return test
    return exp.Not(this=test.copy()) if other == value and then is not None else None


def _moved(left: exp.Expr, kind: Comparison, value: Literal) -> tuple[exp.Expr, Comparison, Literal]:
    """Return x < (value - c) / f for f * x + c < value: what is done to a column is done to the literal instead."""
    left = _bare(left)
    while isinstance(value, Fraction):
        if isinstance(left, exp.Neg):
            left, kind, value = _bare(left.this), _FLIPPED[kind], -value
            continue
        if not isinstance(left, exp.Add | exp.Sub | exp.Mul):
            break
        a, b = _value(left.this), _value(left.expression)
        constant = a if isinstance(a, Fraction) else b
        if not isinstance(constant, Fraction) or (isinstance(left, exp.Mul) and constant == 0):
            break
        inner = _bare(left.expression if isinstance(a, Fraction) else left.this)
        match left:
            case exp.Add():
                value -= constant
            case exp.Sub() if isinstance(a, Fraction):
                kind, value = _FLIPPED[kind], constant - value
            case exp.Sub():
                value += constant
            case _:
                kind, value = (kind if constant > 0 else _FLIPPED[kind]), value / constant
        left = inner
    return left, kind, value


def _combined(node: exp.Expr, left: Domain, right: Domain) -> Domain:
    if not (left.measured and right.measured):
        return ANY
    if isinstance(node, exp.Mul):
        ends = [a * b for a in (left.lo, left.hi) for b in (right.lo, right.hi)]
        return numbers(min(ends), max(ends), left.step * right.step)
    step = min(left.step, right.step)
    if isinstance(node, exp.Add):
        return numbers(left.lo + right.lo, left.hi + right.hi, step)
    return numbers(left.lo - right.hi, left.hi - right.lo, step)


def _opaque(node: exp.Expr, *, holds: bool = True) -> Box:
    """Return the box of a condition that is not understood: its text without literals, at the hash of these."""
    blank, literals = copied(node), []
    for literal in list(blank.find_all(exp.Literal)):
        literals.append(literal.this)
        if literal is not blank:
            literal.replace(exp.Placeholder())
    region = Region.of(UNDECLARED, [(place("\n".join(literals)),) * 2])
    return {shown(blank): region if holds else region.other()}


def _short(node: exp.Expr) -> bool:
    return sum(1 for _ in islice(node.walk(), MOST_NODES + 1)) <= MOST_NODES


def _named_by_text(node: exp.Expr) -> exp.Expr:
    """Return a name for what is too long to spell: the same text has the same."""
    return reference(f"computed {sha256(shown(node).encode()).hexdigest()[:16]}", "_")
