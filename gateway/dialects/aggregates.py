"""Aggregate and window functions, which engines write alike: exact values that do not hang on the rows' order."""

from dataclasses import replace

from sqlglot import exp

from gateway.dialects.operators import Write
from gateway.dialects.typed import NUMBERS, WHOLE, Kind, Typed, call, cast, refused, typed

_RANKED = {
    "ROW_NUMBER": Kind.BIGINT,
    "RANK": Kind.BIGINT,
    "DENSE_RANK": Kind.BIGINT,
    "PERCENT_RANK": Kind.DOUBLE,
    "CUME_DIST": Kind.DOUBLE,
}
_OTHER_ROWS = ("LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE", "NTH_VALUE")
_EXACT = "Aggregate integers or decimals: CAST(x AS DECIMAL(18, s))."


def count(node: exp.Count, write: Write) -> Typed:
    if isinstance(node.this, exp.Star):
        return _counted(exp.Count(this=exp.Star(), big_int=True))
    if isinstance(node.this, exp.Distinct):
        (of,) = node.this.expressions
        return _counted(exp.Count(this=exp.Distinct(expressions=[write(of).node]), big_int=True))
    return _counted(exp.Count(this=write(node.this).node, big_int=True))


def _counted(node: exp.Expr) -> Typed:
    return Typed(node, Kind.BIGINT, reach=2.0**62, least=1.0)


def total(node: exp.Sum, write: Write) -> Typed:
    """Return an exact SUM."""
    one = write(node.this)
    built = exp.Sum(this=one.node)
    match one.kind:
        case Kind.INT:
            return replace(typed(built, Kind.BIGINT), natural=one.natural)
        case Kind.BIGINT | Kind.HUGE:
            return replace(typed(built, Kind.HUGE), natural=one.natural)
        case Kind.DECIMAL:
            return typed(built, Kind.DECIMAL, 38, one.scale)
        case _:
            raise refused("SUM of floating point numbers", _EXACT)


def least(node: exp.Min | exp.Max, write: Write) -> Typed:
    """Return MIN or MAX; of truth values, whether all or any are true."""
    one = write(node.this)
    if one.kind is Kind.BOOLEAN:
        return replace(one, node=call("BOOL_AND" if isinstance(node, exp.Min) else "BOOL_OR", one.node))
    if one.kind not in (*NUMBERS, Kind.TEXT, Kind.DATE, Kind.TIMESTAMP):
        raise refused(f"{node.key.upper()} of {one.kind}")
    return replace(one, node=type(node)(this=write.words.by_code(one)))


def every(node: exp.LogicalAnd | exp.LogicalOr, write: Write) -> Typed:
    return typed(type(node)(this=write(node.this).node), Kind.BOOLEAN)


def filtered(node: exp.Filter, write: Write) -> Typed:
    inner, condition = write(node.this), write(node.expression.this)
    return replace(inner, node=exp.Filter(this=inner.node, expression=exp.Where(this=condition.node)))


# -- windows ----------------------------------------------------------------------------------------------------------


def window(node: exp.Window, write: Write) -> Typed:
    """Return a function OVER its rows."""
    function = _function(node.this, write)
    order = node.args.get("order")
    keys = in_order(order, write) if order is not None else []
    built = exp.Window(
        this=function.node,
        partition_by=[write(part).node for part in node.args.get("partition_by") or []],
        order=exp.Order(expressions=keys) if keys else None,
        spec=_frame(node.args.get("spec")),
        over="OVER",
    )
    return replace(function, node=built)


def in_order(order: exp.Order, write: Write) -> list[exp.Ordered]:
    """Return the keys of an ORDER BY: texts by code point, NULL where the canonical text has it.

    The text of a number behind the number itself parts 0 from -0, and nothing else: any spelling of both will do.
    """
    keys, before = [], None
    for key in order.expressions:
        node = key.this
        signed = isinstance(node, exp.Cast) and node.this == before and node.args["to"].this is exp.DType.TEXT
        one = write(node.this if signed else node)
        spelled = signed and one.kind is Kind.DOUBLE
        shown = write.words.by_code(typed(cast(one.node, Kind.TEXT), Kind.TEXT) if spelled else write(node))
        keys.append(exp.Ordered(this=shown, desc=bool(key.args.get("desc")), nulls_first=key.args.get("nulls_first")))
        before = node
    return keys


def _frame(spec: exp.WindowSpec | None) -> exp.WindowSpec | None:
    if spec is None:
        return None
    ends = [spec.args.get(end) for end in ("start", "end")]
    offsets = [end for end in ends if isinstance(end, exp.Expr)]
    if offsets and str(spec.args.get("kind")).upper() == "RANGE":
        raise refused("A RANGE frame with an offset", "Use ROWS or GROUPS.")
    if not all(isinstance(end, exp.Literal) and end.name.isdigit() for end in offsets):
        raise refused("A frame whose ends are no whole numbers")
    return spec.copy()


def _function(node: exp.Expr, write: Write) -> Typed:
    name = node.name.upper() if isinstance(node, exp.Anonymous) else node.key.upper()
    if isinstance(node, exp.RowNumber) or name in _RANKED:
        kind = Kind.BIGINT if isinstance(node, exp.RowNumber) else _RANKED[name]
        return typed(call("ROW_NUMBER" if isinstance(node, exp.RowNumber) else name), kind)
    if name == "NTILE":
        return typed(call(name, cast(write(node.expressions[0]).node, Kind.INT)), Kind.BIGINT)
    if name in _OTHER_ROWS:
        first, *others = [write(part) for part in node.expressions]
        nodes = [first.node]
        if others:
            if others[0].kind not in WHOLE:
                raise refused(f"{name} by what is no whole number")
            nodes.append(cast(others[0].node, Kind.INT))
        if len(others) > 1:
            if others[1].kind not in (first.kind, Kind.NULL):
                raise refused(f"{name} with a default of another type", "CAST it to the type of the value.")
            nodes.append(others[1].node)
        return replace(first, node=call(name, *nodes))
    if isinstance(node, exp.AggFunc | exp.Filter):
        return write(node)
    raise refused(f"{name} over a window")
