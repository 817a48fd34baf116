"""Which released aggregate an output column is a plain multiple of: constants times it, held within bounds, rounded.

It decides predictions of errors alone; what is refused here gets its interval with the answer.
"""

import math

from sqlglot import exp

from gateway.sql.plan import Filter, Join, Limit, Measured, Plan, Project, Sort, Window

_THROUGH = (exp.Paren, exp.Cast, exp.TryCast, exp.Round)
"""What leaves a number what it is, to its last digit."""


def source(plan: Plan, column_id: str) -> tuple[str, str, float] | None:
    """Return (measurement, its output's id, slope) of a column over released tables, None where there is no one."""
    slope = 1.0
    while not isinstance(plan, Measured):
        match plan:
            case Project():
                term = next(column.term for column in plan.columns if column.field.id == column_id)
                found = _slope(term.node)
                if found is None:
                    return None
                column_id, slope = found[0], slope * found[1]
                plan = plan.input
            case Filter() | Sort() | Limit() | Window():
                plan = plan.input
            case Join():
                held = {field.id for field in plan.left.fields}
                plan = plan.left if column_id in held else plan.right
            case _:
                return None
        if column_id not in {field.id for field in plan.fields}:
            return None  # a window's, or a mark
    return (plan.name, column_id, slope) if slope and math.isfinite(slope) else None


def _slope(node: exp.Expr) -> tuple[str, float] | None:
    """Return (column id, factor) of an expression that is one column times a constant."""
    match node:
        case exp.Column():
            return node.name, 1.0
        case exp.Neg():
            return _times(_slope(node.this), -1.0)
        case exp.Coalesce():
            return _slope(node.this) if all(_constant(other) is not None for other in node.expressions) else None
        case exp.Case():
            values = [*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")]
            varying = [value for value in values if value is not None and _constant(value) is None]
            return _slope(varying[0]) if len(varying) == 1 else None
        case exp.Mul():
            left, right = _constant(node.this), _constant(node.expression)
            return _times(_slope(node.expression), left) if left is not None else _times(_slope(node.this), right)
        case exp.Div() | exp.IntDiv():
            divisor = _constant(node.expression)
            return _times(_slope(node.this), 1 / divisor) if divisor else None
        case _:
            return _slope(node.this) if isinstance(node, _THROUGH) else None


def _times(found: tuple[str, float] | None, factor: float | None) -> tuple[str, float] | None:
    return None if found is None or factor is None else (found[0], found[1] * factor)


def _constant(node: exp.Expr) -> float | None:
    """Return the value of a literal, also cast, in parentheses or guarded against zero."""
    if isinstance(node, exp.Literal):
        try:
            return float(node.name)
        except ValueError:
            return None
    if isinstance(node, exp.Neg):
        inner = _constant(node.this)
        return None if inner is None else -inner
    return _constant(node.this) if isinstance(node, exp.Paren | exp.Cast | exp.Nullif) else None
