"""What every statement of a measurement starts and ends with: owned rows and their keys, the pick, listed cells."""

from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType

from sqlglot import exp

from gateway.catalog.types import BOOLEAN, INTEGER, TEXT
from gateway.compile.relations import as_text, select
from gateway.compile.statements import grouped, join, listing, named, step, sub
from gateway.privacy.bounding import Bounded
from gateway.privacy.exact import LIMIT, LISTED
from gateway.privacy.keys import literal_cell
from gateway.privacy.partials import Partial
from gateway.privacy.trees import TreePart
from gateway.sql.operators import chain
from gateway.sql.plan import Computed, Field, Plan, Project
from gateway.sql.terms import Term, cast, data_type, whole
from gateway.sql.writing import copied, identifier, named_in, reference

HUGE = data_type("HUGEINT")


def names(bounded: Bounded) -> list[str]:
    return [key.key.name for key in bounded.keys]


def relation(
    plan: Plan, wanted: Iterable[str], computed: Mapping[str, Term] = MappingProxyType({}), *, told: bool = False
) -> exp.Select:
    """Return the SELECT of a relation's columns that are wanted, and of what is computed of them; no others."""
    shown = {name: Term(reference(name), BOOLEAN, nullable=True) for name in dict.fromkeys((*wanted, *computed))}
    columns = tuple(Computed(Field("", term), computed.get(name, term)) for name, term in shown.items())
    return select(Project(plan, columns, None), told=told)


def rows_of(
    bounded: Bounded, parts: Sequence[Partial | TreePart], *, told: bool = False, every: bool = False
) -> exp.Select:
    """Return one line for each owned row: unit `u`, keys, and what each part adds as `v0`.. .

    A row without an owner is none of them; with `every` it is, and left out once rows are grouped by their owners. Rows
    that are only `told`, as text, hold expressions as their text.
    """
    columns = [named(reference(bounded.owner), "u")]
    columns += [named(copied(key.expression), key.key.name) for key in bounded.keys]
    asked = named_in(*columns, *(part.row for part in parts), reference(bounded.owner))
    values = [as_text(part.written) if told else copied(part.row) for part in parts]
    columns += [named(value, f"v{index}") for index, value in enumerate(values)]
    computed = {name: term for name, term in bounded.computed if name in asked}
    wanted = [name for name in asked if name not in computed]
    below = relation(bounded.relation, wanted, computed, told=told)
    return listing(*columns, source=sub(below, "q"), where=None if every else present(reference(bounded.owner)))


def rows_inside(bounded: Bounded, part: Partial | TreePart, *, told: bool = False) -> exp.Select:
    """Return the same lines, of one part, without those whose keys lie outside their domains."""
    rows = rows_of(bounded, [part], told=told)
    tests = inside(bounded)
    if tests is None:
        return rows
    return listing("u", *names(bounded), "v0", source=sub(rows, "r"), where=tests)


def inside(bounded: Bounded) -> exp.Expr | None:
    """Return the test that every key lies in its domain; None where nothing needs one."""
    tests = _tests(bounded)
    return chain(exp.And, tests) if tests else None


def _tests(bounded: Bounded) -> list[exp.Expr]:
    return [copied(key.inside) for key in bounded.keys if key.inside is not None]


def owned_inside(bounded: Bounded, aggregate: str) -> exp.Expr:
    """Return the test that rows grouped by unit `u` and all keys have an owner, and keys in their domains.

    An engine would move it below the grouping and test every row, and add up none before it joins them. What waits for
    an aggregate of theirs, whatever that is, it cannot move.
    """
    tests = [present(reference("u")), *_tests(bounded)]
    return waiting(chain(exp.And, tests), aggregate)


def waiting(test: exp.Expr, aggregate: str) -> exp.Expr:
    """Return a test that an engine can only make where it has an aggregate."""
    missing = exp.Is(this=reference(aggregate), expression=exp.Null())
    return exp.Case(ifs=[exp.If(this=exp.Or(this=missing, expression=present(reference(aggregate))), true=test)])


def present(column: exp.Expr) -> exp.Expr:
    return exp.paren(exp.Not(this=exp.Is(this=column, expression=exp.Null())), copy=False)


def integer(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def same(left: str, right: str, columns: Iterable[str]) -> list[exp.Expr]:
    """Return the tests that two relations agree in columns, NULL with NULL."""
    return [exp.NullSafeEQ(this=reference(name, left), expression=reference(name, right)) for name in columns]


def keyed_hash(columns: Iterable[str]) -> exp.Expr:
    """Return MD5 of the secret (a bound parameter) and a canonical, injective encoding of the columns."""
    encoded: exp.Expr = exp.Placeholder()
    for name in columns:
        encoded = exp.DPipe(this=encoded, expression=_encoded(reference(name)))
    return exp.MD5(this=encoded)


LONGEST_KEY = 64
"""Signs of a key that are hashed as they are; a longer one by its own hash, so that many long keys need no memory."""


def _encoded(node: exp.Expr) -> exp.Expr:
    """Return `length:text`, of a long text `h` and its hash, or `-` for NULL: two lists of cells differ in encoding."""
    text = cast(node, TEXT)
    length = exp.Length(this=text)
    sized = exp.DPipe(this=cast(length, TEXT), expression=exp.Literal.string(":"))
    hashed = exp.DPipe(this=exp.Literal.string("h"), expression=exp.MD5(this=copied(text)))
    long = exp.GT(this=copied(length), expression=integer(LONGEST_KEY))
    encoded = exp.Case(ifs=[exp.If(this=long, true=hashed)], default=exp.DPipe(this=sized, expression=copied(text)))
    return exp.Coalesce(this=encoded, expressions=[exp.Literal.string("-")])


def place_among(partition: Sequence[str], columns: Sequence[str]) -> exp.Expr:
    """Return the place of a row among those of its partition, by the keyed hash of both."""
    order = [keyed_hash((*partition, *columns)), *(reference(name) for name in columns)]
    return exp.Window(
        this=exp.RowNumber(),
        partition_by=[reference(name) for name in partition],
        order=exp.Order(expressions=[exp.Ordered(this=one, desc=False, nulls_first=False) for one in order]),
    )


def picked(bounded: Bounded) -> exp.Expr:
    """Return the condition that a (unit, key) is among the unit's `groups` keys."""
    return exp.LTE(this=reference("pick"), expression=integer(bounded.groups))


def held(total: exp.Expr) -> exp.Expr:
    """Return an exact sum (NULL is nothing) as BIGINT, within the limit of 64-bit noise."""
    some = exp.Coalesce(this=total, expressions=[integer(0)])
    raised = exp.Greatest(this=some, expressions=[whole(-LIMIT)], ignore_nulls=True)
    return cast(exp.Least(this=raised, expressions=[whole(LIMIT)], ignore_nulls=True), INTEGER)


def row(
    bounded: Bounded, part: int, bin_: exp.Expr, kept: exp.Expr, scaled: exp.Expr | None = None, *, leaf: bool = False
) -> exp.Select:
    """Return the columns of a row that totals a cell (see Probe), from the step g, which has the keys."""
    columns: list[exp.Expr] = [reference(name) for name in (*names(bounded), *(["leaf"] if leaf else []))]
    shown = scaled if scaled is not None else integer(0)
    return _select(part, exp.false(), bin_, columns, kept, shown, step("g"))


def unit_row(bounded: Bounded, part: int, bin_: str, source: str, *, leaf: bool = False) -> exp.Select:
    """Return how many units of `source` there are in each bin."""
    columns: list[exp.Expr] = [named(cast(exp.Null(), key.key.type), key.key.name) for key in bounded.keys]
    columns += [named(cast(exp.Null(), INTEGER), "leaf")] if leaf else []
    counted = exp.Count(this=exp.Star(), big_int=True)
    query = _select(part, exp.true(), reference(bin_), columns, counted, integer(0), step(source))
    return grouped(query, bin_)


def _select(
    part: int,
    unit: exp.Expr,
    bin_: exp.Expr,
    keys: Sequence[exp.Expr],
    kept: exp.Expr,
    scaled: exp.Expr,
    source: exp.Expr,
) -> exp.Select:
    first = [named(whole(part), "part"), named(unit, "unit"), named(bin_, "bin")]
    return listing(*first, *keys, named(kept, "kept"), named(scaled, "scaled"), source=source)


def listed(bounded: Bounded, *, leaf: bool) -> exp.Select | None:
    """Return every cell that the factors and the public lists make together, as rows of part -1; None without."""
    if not bounded.factors:
        return None
    columns: dict[int, exp.Expr] = {}
    sources: list[exp.Expr] = []
    for place, factor in enumerate(bounded.factors):
        source = listing(*dict.fromkeys(factor.columns), source=sub(relation(factor.plan, factor.columns), "q"))
        sources.append(sub(source.distinct(copy=False), f"f{place}"))
        columns |= {key: reference(c, f"f{place}") for key, c in zip(factor.keys, factor.columns, strict=True)}
    for index, key in enumerate(bounded.keys):
        if index in columns:
            continue
        assert key.key.domain is not None  # INVARIANT: factors list what no list does
        rows = [exp.Tuple(expressions=[literal_cell(cell, key.key.type)]) for cell in key.key.domain]
        alias = exp.TableAlias(this=identifier(f"d{index}"), columns=[identifier("v")])
        sources.append(exp.Values(expressions=rows, alias=alias))
        columns[index] = reference("v", f"d{index}")
    keys: list[exp.Expr] = [named(columns[i], name) for i, name in enumerate(names(bounded))]
    keys += [named(cast(exp.Null(), INTEGER), "leaf")] if leaf else []
    query = _select(LISTED, exp.false(), integer(0), keys, integer(0), integer(0), sources[0])
    for other in sources[1:]:
        join(query, other, None)
    return query


def together(
    rows: Sequence[exp.Select | None], steps: Mapping[str, exp.Select | None], materialized: Container[str]
) -> exp.Query:
    """Return all rows in one statement over the steps before them; those named are computed once."""
    shown = [one for one in rows if one is not None]
    query: exp.Query = shown[0]
    for other in shown[1:]:
        query = exp.Union(this=query, expression=other, distinct=False)
    parts = [
        exp.CTE(
            this=made,
            alias=exp.TableAlias(this=identifier(name)),
            materialized=True if name in materialized else None,
        )
        for name, made in steps.items()
        if made is not None
    ]
    query.set("with_", exp.With(expressions=parts))
    return query
