"""What a FROM clause reads: base tables, WITH queries, derived tables, VALUES; and what the policy tells of them."""

from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction
from functools import lru_cache

from sqlglot import exp

from gateway.catalog.model import Column, Dataset, Table
from gateway.catalog.types import Cell, Scalar, TypeKind
from gateway.errors import GatewayError
from gateway.sql.dates import MAX_DOMAIN, enumerate_periods
from gateway.sql.parse import place, refuse_other_parts
from gateway.sql.plan import Field, Plan, Scan
from gateway.sql.ranges import UNKNOWN, Range
from gateway.sql.scope import Source
from gateway.sql.stages import Catalog, Names, Views
from gateway.sql.terms import Origin, Term
from gateway.sql.views import renamed
from gateway.sql.writing import reference


def relation(catalog: Catalog, node: exp.Expr, views: Views, outer: Names | None) -> tuple[Plan, Source]:
    """Return one relation of a FROM clause, under its alias. Raises GatewayError by name for anything else."""
    if isinstance(node, exp.Table):
        view = views.get(node.name.casefold())
        if view is not None and isinstance(node.this, exp.Identifier) and not node.args.get("db"):
            refuse_other_parts(node, "this", "alias", "joins")
            plan: Plan = view.read(catalog, node)
        else:
            plan = scan(catalog, node)
        return _aliased(plan, node.args.get("alias"), node.alias or node.name)
    if isinstance(node, exp.Subquery):
        catalog.count_relation(node)
        refuse_other_parts(node, "this", "alias", "joins", "order", "limit", "offset", "with_")
        return _aliased(catalog.subplan(catalog, node, views, outer), node.args.get("alias"), node.alias)
    if isinstance(node, exp.Values):
        catalog.count_relation(node)
        return _aliased(catalog.subplan(catalog, node, views, outer), node.args.get("alias"), node.alias)
    name = node.name or _called(node)
    detail = f"{name.upper()} is not a table of the dataset."
    raise GatewayError("table_function", detail, "Read the dataset's tables by their bare names.", place(node))


def _called(node: exp.Expr) -> str:
    """Return a node's name as SQL writes it: READ_CSV, where the parser's own key is readcsv."""
    return str(node.sql_name()) if isinstance(node, exp.Func) else str(node.key)


def _aliased(plan: Plan, alias: exp.Expr | None, name: str) -> tuple[Plan, Source]:
    plan = renamed(plan, alias)
    return plan, Source(name, plan.fields)


def scan(catalog: Catalog, node: exp.Table) -> Scan:
    """Return a base table. Raises `table_function`, `unknown_table` or `unsupported_sql`."""
    if not isinstance(node.this, exp.Identifier):
        name = node.this.name if isinstance(node.this, exp.Anonymous) else _called(node.this)
        detail = f"{name.upper()}(...) is not a table of the dataset."
        raise GatewayError("table_function", detail, _TABLES, place(node))
    if node.args.get("sample"):
        detail = "Sampling picks other people's rows."
        raise GatewayError("limit_below_measurement", detail, "Ask for the aggregate of all rows.", place(node))
    refuse_other_parts(node, "this", "alias", "db", "catalog", "joins")
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
    return replace(_from_policy(table.name, column, public=table.public), node=reference(catalog.ids.next()))


@lru_cache(maxsize=4096)
def _from_policy(table: str, column: Column, *, public: bool) -> Term:
    """Return what the policy tells of a column, under no id yet: every query that reads its table asks."""
    type_, bounds = column.type, column.bounds
    limits = UNKNOWN
    span: tuple[date, date] | None = None
    if bounds is not None and type_.numeric:
        limits = Range(Fraction(str(bounds[0])), Fraction(str(bounds[1])))
    elif bounds is not None:
        span = (_day(bounds[0]), _day(bounds[1]))
    sums = column.per_unit_sum
    return Term(
        exp.Null(),
        type_,
        nullable=column.nullable,
        range=limits,
        span=span,
        domain=_domain(column, public=public),
        raw=not public or bounds is not None,
        value=frozenset({(table, column.name)}),
        origin=Origin(table, column.name),
        granularity=Fraction(column.granularity) if column.granularity is not None else None,
        per_unit_sum=(Fraction(sums[0]), Fraction(sums[1])) if sums is not None else None,
    )


def _day(bound: Scalar) -> date:
    assert isinstance(bound, date)  # INVARIANT: bounds have the column's type (catalog)
    return bound.date() if isinstance(bound, datetime) else bound


def _domain(column: Column, *, public: bool) -> tuple[Cell, ...] | None:
    if column.values is not None:
        return _there(column.values)
    if public:
        return None if column.public_values is None else _there(column.public_values)
    if column.type.kind is TypeKind.BOOLEAN:
        return (False, True)
    return None


def _there(values: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """Return the values without NULL; as they are where there is none, for there may be thousands."""
    return tuple(cell for cell in values if cell is not None) if None in values else values


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
