"""A plan written out as plain DuckDB SQL, node by node, to compare what a query was taken to mean with what it says.

No privacy, no owners, no totality: an oracle for the resolver alone, independent of gateway/compile.
"""

import math
from decimal import Decimal

from gateway.catalog.types import TypeKind
from gateway.sql.plan import (
    Aggregate,
    AggregateKind,
    Filter,
    Join,
    JoinKind,
    Limit,
    Project,
    Scan,
    SetOperation,
    Sort,
    Values,
    Window,
)


def sql_of(plan) -> str:
    """The whole query, its columns in order."""
    return f"SELECT {', '.join(f.id for f in plan.fields)} FROM ({_select(plan)}) q"


def _text(term) -> str:
    return term.node.sql("duckdb")


def _condition(terms) -> str:
    return " AND ".join(f"({_text(t)})" for t in terms) or "TRUE"


def _order(keys) -> str:
    return ", ".join(
        f"{_text(k.term)} {'DESC' if k.descending else 'ASC'} NULLS {'FIRST' if k.nulls_first else 'LAST'}"
        for k in keys
    )


def _select(plan) -> str:
    match plan:
        case Scan():
            columns = ", ".join(f"{_scanned(f)} AS {f.id}" for f in plan.fields)
            return f'SELECT {columns} FROM "{plan.table.name}" t'
        case Values() if not plan.fields:
            return "SELECT 1 AS nothing"
        case Values():
            rows = ", ".join(f"({', '.join(_text(cell) for cell in row)})" for row in plan.rows)
            return f"SELECT * FROM (VALUES {rows}) v({', '.join(f.id for f in plan.fields)})"
        case Filter():
            return f"SELECT * FROM ({_select(plan.input)}) r WHERE {_condition(plan.condition)}"
        case Project():
            columns = ", ".join(f"{_text(c.term)} AS {c.field.id}" for c in plan.columns)
            return f"SELECT {columns} FROM ({_select(plan.input)}) r"
        case Join():
            return _join(plan)
        case Aggregate():
            columns = [f"{_text(k.term)} AS {k.field.id}" for k in plan.keys]
            if not plan.calls and plan.keys:
                return f"SELECT DISTINCT {', '.join(columns)} FROM ({_select(plan.input)}) r"
            columns += [f"{_call(c, c.kind, c.arguments, c.filter, c.parameter)} AS {c.field.id}" for c in plan.calls]
            grouped = f" GROUP BY {', '.join(str(i + 1) for i in range(len(plan.keys)))}" if plan.keys else ""
            columns = columns or ["COUNT(*) AS nothing"]
            return f"SELECT {', '.join(columns)} FROM ({_select(plan.input)}) r{grouped}"
        case Window():
            columns = ", ".join(f"{_window(c)} AS {c.field.id}" for c in plan.calls)
            return f"SELECT *, {columns} FROM ({_select(plan.input)}) r"
        case SetOperation():
            sides = []
            for side in (plan.left, plan.right):
                columns = ", ".join(f"{f.id} AS {o.id}" for f, o in zip(side.fields, plan.fields, strict=True))
                sides.append(f"(SELECT {columns} FROM ({_select(side)}) s)")
            return f"SELECT * FROM ({sides[0]} {plan.kind} {sides[1]}) r"
        case Sort():
            return f"SELECT * FROM ({_select(plan.input)}) r ORDER BY {_order(plan.keys)}"
        case Limit():
            below = _select(plan.input)
            below = below if isinstance(plan.input, Sort) else f"SELECT * FROM ({below}) r"
            return f"{below}{'' if plan.count is None else f' LIMIT {plan.count}'} OFFSET {plan.offset}"
    raise AssertionError(plan)


def _scanned(field) -> str:
    name = f't."{field.term.origin.column}"'
    return f"CAST({name} AS BIGINT)" if field.term.type.kind is TypeKind.INTEGER else name


def _join(plan) -> str:
    left, right, on = _select(plan.left), _select(plan.right), _condition(plan.condition)
    test = f"EXISTS (SELECT 1 FROM ({right}) r WHERE {on})"
    match plan.kind:
        case JoinKind.SEMI:
            return f"SELECT * FROM ({left}) l WHERE {test}"
        case JoinKind.ANTI:
            return f"SELECT * FROM ({left}) l WHERE NOT {test}"
        case JoinKind.MARK:
            return f"SELECT *, {test} AS {plan.mark.id} FROM ({left}) l"
    return f"SELECT * FROM ({left}) l {plan.kind} JOIN ({right}) r ON {on}"


_CALLS = {
    AggregateKind.COUNT_ROWS: "COUNT(*)",
    AggregateKind.COUNT_DISTINCT: "COUNT(DISTINCT {0})",
    AggregateKind.QUANTILE_CONT: "QUANTILE_CONT(CAST({0} AS DOUBLE), {1})",
    AggregateKind.QUANTILE_DISC: "QUANTILE_DISC({0}, {1})",
    AggregateKind.APPROX_TOP_K: "APPROX_TOP_K({0}, CAST({1} AS INTEGER))",
}


def _call(call, kind, arguments, condition, parameter=None) -> str:
    texts = [_text(a) for a in arguments]
    if parameter is not None:
        texts.append(str(float(parameter)))
    written = _CALLS.get(kind, f"{kind.value}({', '.join(texts)})").format(*texts)
    return f"{written} FILTER (WHERE {_text(condition)})" if condition is not None else written


def _window(call) -> str:
    function = _call(call, call.kind, call.arguments, call.filter)
    function = function if call.arguments or call.kind is AggregateKind.COUNT_ROWS else f"{call.kind.value}()"
    parts = []
    if call.partition:
        parts.append(f"PARTITION BY {', '.join(_text(p) for p in call.partition)}")
    if call.order:
        parts.append(f"ORDER BY {_order(call.order)}")
    if call.frame is not None:
        parts.append(call.frame.sql("duckdb"))
    return f"{function} OVER ({' '.join(parts)})"


def rows_of(connection, sql: str) -> list[tuple]:
    return [tuple(_plain(value) for value in row) for row in connection.execute(sql).fetchall()]


def _plain(value):
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | Decimal | float):
        number = float(value)
        return "nan" if math.isnan(number) else round(number, 6)
    if isinstance(value, list):
        return tuple(_plain(v) for v in value)
    return str(value).removesuffix(" 00:00:00")


def sorted_rows(rows: list[tuple]) -> list[tuple]:
    return sorted(rows, key=lambda row: tuple((value is not None, str(type(value)), str(value)) for value in row))
