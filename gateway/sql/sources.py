"""FROM: base tables, derived tables, CTEs, and joins on equal columns."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from sqlglot import exp

from gateway.catalog.model import Column, Dataset, Table
from gateway.catalog.types import Cell, Scalar, TypeKind
from gateway.errors import GatewayError
from gateway.sql.dates import MAX_DOMAIN, enumerate_periods
from gateway.sql.expressions import Resolver
from gateway.sql.operators import flatten, truth
from gateway.sql.parse import place, refuse_other_parts
from gateway.sql.plan import Field, Join, JoinKind, Plan, Scan
from gateway.sql.ranges import UNKNOWN, Range
from gateway.sql.scope import Ids, Scope, Source
from gateway.sql.terms import Origin, Term, predicate

MAX_RELATIONS = 64


@dataclass(slots=True)
class Catalog:
    """The names in sight of one query: the dataset's tables, and the ids and relations used so far."""

    dataset: Dataset
    ids: Ids = field(default_factory=Ids)
    relations: int = 0
    views: dict[int, tuple[exp.CTE, Any]] = field(default_factory=dict)
    """WITH queries that nothing has read yet."""

    def count_relation(self, node: exp.Expr) -> None:
        """Refuse a query that (through CTEs used again and again) grows beyond bounds."""
        self.relations += 1
        if self.relations > MAX_RELATIONS:
            hint = "Use each WITH query once, or split the question."
            raise GatewayError("sql_too_complex", f"More than {MAX_RELATIONS} relations.", hint, place(node))


def scan(catalog: Catalog, node: exp.Table) -> Scan:
    """Return a base table. Raises `table_function`, `unknown_table` or `unsupported_sql`."""
    if not isinstance(node.this, exp.Identifier):
        name = node.this.name if isinstance(node.this, exp.Anonymous) else node.this.key
        detail = f"{name.upper()}(...) is not a table of the dataset."
        raise GatewayError("table_function", detail, _TABLES, place(node))
    if node.args.get("sample"):
        detail = "Sampling picks other people's rows."
        raise GatewayError("limit_below_measurement", detail, "Ask for the aggregate of all rows.", place(node))
    refuse_other_parts(node, "this", "alias", "db", "catalog")
    table = catalog.dataset.table(node.name)
    if node.args.get("catalog") or node.args.get("db") or table is None:
        detail = f"There is no table '{exp.table_name(node)}' in this dataset."
        raise GatewayError("unknown_table", detail, _TABLES, place(node))
    catalog.count_relation(node)
    fields = tuple(
        Field(column.name, _column_term(catalog, table, column))
        for column in table.columns
        if visible(catalog.dataset, table, column)
    )
    return Scan(table, fields, place(node))


_TABLES = "GET /v1/datasets/{name} lists the tables; write the bare name."


def visible(dataset: Dataset, table: Table, column: Column) -> bool:
    """Tell whether a query may name the column: public, with a use, or a key (joins and COUNT(DISTINCT unit))."""
    return table.public or not column.hidden or column.name in key_names(dataset, table)


def key_names(dataset: Dataset, table: Table) -> frozenset[str]:
    """Return the columns that hold the unit key, lead to it, or are led to by another table's chain."""
    own = {table.owner, table.hop.column if table.hop is not None else None}
    led_to = {t.hop.target_column for t in dataset.tables if t.hop is not None and t.hop.target_table == table.name}
    return frozenset(name for name in own | led_to if name is not None)


def _column_term(catalog: Catalog, table: Table, column: Column) -> Term:
    type_, bounds = column.type, column.bounds
    limits = UNKNOWN
    span: tuple[date, date] | None = None
    if bounds is not None and type_.numeric:
        limits = Range(Fraction(str(bounds[0])), Fraction(str(bounds[1])))
    elif bounds is not None:
        span = (_day(bounds[0]), _day(bounds[1]))
    sums = column.per_unit_sum
    return Term(
        exp.column(catalog.ids.next()),
        type_,
        nullable=column.nullable,
        range=limits,
        span=span,
        domain=_domain(table, column),
        raw=not table.public or bounds is not None,
        value=frozenset({(table.name, column.name)}),
        origin=Origin(table.name, column.name),
        granularity=Fraction(column.granularity) if column.granularity is not None else None,
        per_unit_sum=(Fraction(sums[0]), Fraction(sums[1])) if sums is not None else None,
    )


def _day(bound: Scalar) -> date:
    assert isinstance(bound, date)  # INVARIANT: bounds have the column's type (catalog)
    return bound.date() if isinstance(bound, datetime) else bound


def _domain(table: Table, column: Column) -> tuple[Cell, ...] | None:
    if column.values is not None:
        return tuple(cell for cell in column.values if cell is not None)
    if table.public:
        return None if column.public_values is None else tuple(c for c in column.public_values if c is not None)
    if column.type.kind is TypeKind.BOOLEAN:
        return (False, True)
    return None


def key_domain(term: Term) -> tuple[Cell, ...] | None:
    """Return the public values of a key expression in order, without NULL; None for a private key."""
    if term.domain is not None:
        return term.domain
    if term.type.kind is TypeKind.INTEGER and term.range.lo is not None and term.range.hi is not None:
        lo, hi = -(-term.range.lo // 1), term.range.hi // 1
        return tuple(range(int(lo), int(hi) + 1)) if hi - lo < MAX_DOMAIN else None
    if term.type.kind is TypeKind.DATE and term.span is not None:
        days = enumerate_periods(*term.span, "DAY")
        return None if days is None else tuple(day.isoformat() for day in days)
    return None


def join(
    catalog: Catalog,
    left: Plan,
    right: Plan,
    sources: tuple[Source, ...],
    node: exp.Join,
    where: list[exp.Expr],
) -> tuple[Join, tuple[Source, ...]]:
    """Return the join of what stands left with one more relation, and the sources in sight after it.

    `sources` ends with the right relation. A comma or CROSS join takes its equalities out of the WHERE terms.
    """
    refuse_other_parts(node, "this", "on", "using", "side", "kind")
    kind = _kind(node)
    catalog.count_relation(node)
    using = [identifier.name for identifier in node.args.get("using") or []]
    on = node.args.get("on")
    if using:
        condition = tuple(_using_equality(sources, name, node) for name in using)
        names = frozenset(n.casefold() for n in using)
        if kind is JoinKind.RIGHT:  # the bare name means the side that is kept
            sources = (*(replace(s, merged=s.merged | names) for s in sources[:-1]), sources[-1])
        else:
            sources = (*sources[:-1], replace(sources[-1], merged=names))
    elif on is None and (kind is not JoinKind.INNER or node.kind.upper() == "INNER"):
        hint = "Write ON with equal keys."
        raise GatewayError("sql_syntax", f"{kind.value} JOIN has no condition.", hint, place(node))
    else:
        terms = flatten(on, exp.And) if on is not None else [t for t in where if _crosses(t, sources)]
        if on is None:
            where[:] = [t for t in where if not any(t is used for used in terms)]
        condition = tuple(truth(term, Resolver(Scope(sources))) for term in terms)
    left_ids, right_ids = {f.id for f in left.fields}, {f.id for f in right.fields}
    equalities = tuple(pair for t in condition if (pair := equated(t, left_ids, right_ids)) is not None)
    fields = (
        *_padded(left.fields, kind in (JoinKind.RIGHT, JoinKind.FULL)),
        *_padded(right.fields, kind in (JoinKind.LEFT, JoinKind.FULL)),
    )
    by_id = {f.id: f for f in fields}
    sources = tuple(replace(s, fields=tuple(Field(f.name, by_id[f.id].term) for f in s.fields)) for s in sources)
    return Join(kind, left, right, condition, equalities, fields, place(node.this)), sources


def _padded(fields: tuple[Field, ...], nullable: bool) -> tuple[Field, ...]:  # noqa: FBT001 - one fact of the join's kind
    return tuple(Field(f.name, replace(f.term, nullable=True)) for f in fields) if nullable else fields


def _kind(node: exp.Join) -> JoinKind:
    side, kind = node.side.upper(), node.kind.upper()
    if kind in ("", "INNER", "OUTER", "CROSS") and side in ("", "LEFT", "RIGHT", "FULL"):
        return JoinKind(side or "INNER")
    hint = "Write JOIN ... ON or LEFT JOIN ... ON with equal keys."
    raise GatewayError(
        "join_not_private",
        f"A {side or kind} {kind if side else ''} JOIN is not answered.".replace("  ", " "),
        hint,
        place(node),
    )


def _using_equality(sources: tuple[Source, ...], name: str, node: exp.Join) -> Term:
    left = Scope(sources[:-1]).column(exp.column(name))
    right = Scope(sources[-1:]).column(exp.column(name))
    if left.type != right.type:
        raise GatewayError("type_mismatch", f"USING ({name}) compares two types.", "Write ON with CAST.", place(node))
    built = exp.paren(exp.EQ(this=exp.paren(left.node.copy()), expression=exp.paren(right.node.copy())))
    return predicate(built, left, right, nullable=left.nullable or right.nullable)


def _crosses(node: exp.Expr, sources: tuple[Source, ...]) -> bool:
    """Tell whether a WHERE term is `left column = right column` across the newest relation and those before it."""
    if not (isinstance(node, exp.EQ) and isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Column)):
        return False
    sides = []
    for column in (node.this, node.expression):
        try:
            Scope(sources[-1:]).column(column)
        except GatewayError:
            try:
                Scope(sources[:-1]).column(column)
            except GatewayError:
                return False
            sides.append(False)
        else:
            sides.append(True)
    return sides[0] != sides[1]


def equated(term: Term, left_ids: set[str], right_ids: set[str]) -> tuple[str, str] | None:
    """Return the (left id, right id) of a term that sets two bare columns of one type equal."""
    node = term.node.unnest()
    if not isinstance(node, exp.EQ):
        return None
    a, b = node.this.unnest(), node.expression.unnest()
    if not (isinstance(a, exp.Column) and isinstance(b, exp.Column)):
        return None
    if a.name in left_ids and b.name in right_ids:
        return a.name, b.name
    if b.name in left_ids and a.name in right_ids:
        return b.name, a.name
    return None
