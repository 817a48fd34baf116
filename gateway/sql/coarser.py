"""Coarser questions: the same SQL with a group key that has fewer values, or without it. Text in, texts out.

Nothing here knows what is private or how much data there is: whoever asks plans each text anew and compares.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import walk_in_scope

from gateway.sql.parse import parse, whole_number

PERIODS = ("day", "week", "month", "quarter", "year")
OF_THE_YEAR = "month of the year"
BUCKETS = (10, 100, 1_000, 10_000)


@dataclass(frozen=True, slots=True)
class Coarser:
    """A question with one key made coarser: its text, and the change in words."""

    sql: str
    change: str


@dataclass(frozen=True, slots=True)
class KeyKind:
    """What the key at a place of GROUP BY is: dates are truncated, whole numbers put in buckets."""

    temporal: bool
    integer: bool


def coarser(text: str, dialect: str, kinds: tuple[KeyKind, ...]) -> Iterator[Coarser]:
    """Yield coarser texts, the nearest first: longer periods, wider buckets, then each key left out.

    `kinds` are those of the keys in the order of GROUP BY. Nothing where the query has no plain GROUP BY of its own,
    or more than one.
    """
    for index, kind in enumerate(kinds):
        if kind.temporal:
            for period in (*PERIODS[1:], OF_THE_YEAR):
                yield from _changed(text, dialect, index, len(kinds), period)
    for index, kind in enumerate(kinds):
        if kind.integer:
            for bucket in BUCKETS:
                yield from _changed(text, dialect, index, len(kinds), bucket)
    if len(kinds) > 1:
        for index in reversed(range(len(kinds))):
            yield from _changed(text, dialect, index, len(kinds), None)


def keys_of(text: str, dialect: str) -> int:
    """Return how many keys the query's one plain GROUP BY has: none where it has none, or more than one."""
    select = _grouped(parse(text, dialect))
    return 0 if select is None else len(select.args["group"].expressions)


def _changed(text: str, dialect: str, index: int, keys: int, to: str | int | None) -> Iterator[Coarser]:
    select = _grouped(parse(text, dialect))
    if select is None or len(select.args["group"].expressions) != keys:
        return
    key = _key(select, index)
    if key is None:
        return
    shown = key.sql(dialect)
    if to is None:
        if not _drop(select, index, key):
            return
        change = f"without the key {shown}"
    else:
        made = _truncated(key, to) if isinstance(to, str) else _bucketed(key, to)
        if made is None:
            return
        _replace(select, index, key, made)
        change = f"{shown} by {to}" if isinstance(to, str) else f"{shown} in steps of {to:,}"
    yield Coarser(select.root().sql(dialect), change)


def _grouped(tree: exp.Query) -> exp.Select | None:
    """Return the one SELECT with a plain GROUP BY, of expressions alone."""
    found = [select for select in tree.find_all(exp.Select) if select.args.get("group")]
    if len(found) != 1:
        return None
    group = found[0].args["group"]
    plain = all(not value for name, value in group.args.items() if name != "expressions")
    plain = plain and not any(isinstance(key, exp.Rollup | exp.Cube | exp.GroupingSets) for key in group.expressions)
    return found[0] if plain and group.expressions else None


def _key(select: exp.Select, index: int) -> exp.Expr | None:
    """Return the expression of a key: what an ordinal or an alias of the SELECT list stands for."""
    written: exp.Expr = select.args["group"].expressions[index]
    number = whole_number(written)
    if number is not None:
        listed = select.expressions[number - 1] if 1 <= number <= len(select.expressions) else None
        return None if listed is None else _bare(listed).copy()
    if isinstance(written, exp.Column) and not written.table:
        for column in select.expressions:
            if isinstance(column, exp.Alias) and column.alias.casefold() == written.name.casefold():
                return _bare(column).copy()
    return written.copy()


def _bare(column: exp.Expr) -> exp.Expr:
    """Return a column of a SELECT list without its alias."""
    inner: exp.Expr = column.this if isinstance(column, exp.Alias) else column
    return inner


def _truncated(key: exp.Expr, period: str) -> exp.Expr | None:
    """Return a date key by a longer period; None where it is by that or a longer one already."""
    of, known = key, "day"
    if isinstance(key, exp.DateTrunc | exp.TimestampTrunc):
        of, known = key.this, key.args["unit"].name.casefold()
    if period == OF_THE_YEAR:
        return exp.Extract(this=exp.Var(this="MONTH"), expression=of.copy())
    if known not in PERIODS or PERIODS.index(known) >= PERIODS.index(period):
        return None
    return exp.TimestampTrunc(this=of.copy(), unit=exp.Var(this=period.upper()))


def _bucketed(key: exp.Expr, bucket: int) -> exp.Expr | None:
    """Return a number by the first of its bucket; None where it is in buckets already."""
    if key.find(exp.IntDiv, exp.Div, exp.Mul) is not None:
        return None
    divided = exp.IntDiv(this=exp.paren(key.copy(), copy=False), expression=exp.Literal.number(bucket))
    if isinstance(key, exp.Column):
        divided = exp.IntDiv(this=key.copy(), expression=exp.Literal.number(bucket))
    return exp.Mul(this=divided, expression=exp.Literal.number(bucket))


def _replace(select: exp.Select, index: int, key: exp.Expr, made: exp.Expr) -> None:
    """Put an expression in the place of a key in GROUP BY, the SELECT list, HAVING and ORDER BY, names kept."""
    for column in list(select.expressions):
        if _bare(column) == key:
            name = column.output_name
            column.replace(exp.alias_(made.copy(), name, quoted=_quoted(column)) if name else made.copy())
    for part in ("having", "qualify", "order"):
        clause = select.args.get(part)
        for node in list(walk_in_scope(clause)) if clause is not None else []:
            if node == key and node.parent is not None:
                node.replace(made.copy())
    written = select.args["group"].expressions[index]
    if whole_number(written) is None:
        written.replace(made.copy())


def _quoted(column: exp.Expr) -> bool:
    identifier = column.args.get("alias") or column.this
    return bool(isinstance(identifier, exp.Identifier) and identifier.args.get("quoted"))


def _drop(select: exp.Select, index: int, key: exp.Expr) -> bool:
    """Leave a key out of the SELECT list and GROUP BY; not where more may refer to it, or nothing would be left."""
    used = [part for name in ("having", "qualify", "order") if (part := select.args.get(name)) is not None]
    left = [column for column in select.expressions if _bare(column) != key]
    ordinals = any(whole_number(written) is not None for written in select.args["group"].expressions)
    if used or ordinals or not left or select.parent is not None:
        return False
    select.set("expressions", left)
    group = select.args["group"]
    group.set("expressions", [one for at, one in enumerate(group.expressions) if at != index])
    return True
