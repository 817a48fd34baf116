"""Window functions: what they are of, over which partition and frame; and what is known of their results."""

from dataclasses import dataclass, replace
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DOUBLE, INTEGER, OTHER, SqlType
from gateway.errors import GatewayError
from gateway.sql import ranges
from gateway.sql.aggregates import Call, read, result
from gateway.sql.conditionals import choose, one_type
from gateway.sql.expressions import refused
from gateway.sql.parse import place, refuse_other_parts, whole_number
from gateway.sql.plan import AggregateKind, Field, SortKey, Window, WindowCall, WindowKind
from gateway.sql.ranges import BIGINT_MAX, BIGINT_MIN, Range
from gateway.sql.stages import Stage
from gateway.sql.terms import Term, enforced, merge

_RANKS: dict[type[exp.Expr], WindowKind] = {
    exp.RowNumber: WindowKind.ROW_NUMBER,
    exp.Rank: WindowKind.RANK,
    exp.DenseRank: WindowKind.DENSE_RANK,
    exp.PercentRank: WindowKind.PERCENT_RANK,
    exp.CumeDist: WindowKind.CUME_DIST,
}
_OF_VALUES: dict[type[exp.Expr], WindowKind] = {
    exp.FirstValue: WindowKind.FIRST_VALUE,
    exp.LastValue: WindowKind.LAST_VALUE,
    exp.NthValue: WindowKind.NTH_VALUE,
}
_SHIFTS: dict[type[exp.Expr], WindowKind] = {exp.Lag: WindowKind.LAG, exp.Lead: WindowKind.LEAD}
_AGGREGATES = frozenset(
    {
        AggregateKind.COUNT_ROWS,
        AggregateKind.COUNT,
        AggregateKind.SUM,
        AggregateKind.AVG,
        AggregateKind.MIN,
        AggregateKind.MAX,
    }
)
_FRAMELESS = frozenset({*_RANKS.values(), *_SHIFTS.values(), WindowKind.NTILE})
"""Functions that read the whole partition whatever the frame says."""

MAX_OFFSET = 10**9


def add_windows(stage: Stage, nodes: list[exp.Expr], named: dict[str, exp.Window]) -> None:
    """Compute window functions over a stage, in one Window node; each is found by its syntax afterwards."""
    calls: list[WindowCall] = []
    for node in nodes:
        if node in stage.found:
            continue
        assert isinstance(node, exp.Window)  # INVARIANT: only windows are collected
        call = _Reader(stage, named).call(node)
        calls.append(call)
        stage.found[node] = call.field.term
    if calls:
        stage.plan = Window(stage.plan, tuple(calls), calls[0].place)


def named_windows(select: exp.Select) -> dict[str, exp.Window]:
    """Return the WINDOW clause by folded name."""
    named: dict[str, exp.Window] = {}
    for node in select.args.get("windows") or []:
        name = node.this.name.casefold()
        if name in named:
            detail = f"Two windows are called '{node.this.name}'."
            raise GatewayError("ambiguous_name", detail, "Give each its own name.", place(node))
        named[name] = node
    return named


@dataclass(frozen=True, slots=True)
class _Over:
    """What stands behind OVER."""

    partition: tuple[Term, ...]
    order: tuple[SortKey, ...]
    frame: exp.WindowSpec | None


@dataclass(frozen=True, slots=True)
class _Reader:
    stage: Stage
    named: dict[str, exp.Window]

    def call(self, node: exp.Window) -> WindowCall:
        """Return one window function. Raises GatewayError by name for what is not understood."""
        refuse_other_parts(node, "this", "partition_by", "order", "spec", "alias", "over")
        if str(node.args.get("over") or "OVER").upper() != "OVER":
            raise GatewayError(
                "unsupported_sql", f"{node.args['over']} is not answered.", "Write OVER (...).", place(node)
            )
        over = self._over(node, frozenset())
        kind, arguments, condition, term = self._function(node.this, over)
        if over.frame is not None and kind in _FRAMELESS:
            raise GatewayError("unsupported_sql", f"{kind.value} takes no frame.", "Leave the frame out.", place(node))
        if isinstance(kind, WindowKind) and kind is not WindowKind.ROW_NUMBER and not over.order:
            detail = f"{kind.value} has no ORDER BY in its window."
            raise GatewayError("unsupported_sql", detail, "Write OVER (... ORDER BY x).", place(node))
        tested = (*over.partition, *(key.term for key in over.order), *((condition,) if condition is not None else ()))
        facts = merge(term, conditional=tested)
        term = replace(term, value=facts["value"], condition=facts["condition"])
        term = replace(term, node=exp.column(self.stage.catalog.ids.next()), origin=None, per_unit_sum=None)
        field = Field(kind.value.lower(), term)
        return WindowCall(kind, arguments, condition, over.partition, over.order, over.frame, field, place(node))

    def _over(self, node: exp.Window, above: frozenset[str]) -> _Over:
        """Return partition, order and frame; a named window that is referred to gives what is not written here."""
        partition = tuple(self.stage(part) for part in node.args.get("partition_by") or [])
        order = self._order(node.args.get("order"))
        spec = node.args.get("spec")
        alias = node.args.get("alias")
        if alias is not None:
            base = self._named(alias, above)
            if partition or (order and base.order):
                detail = f"The window '{alias.name}' has its PARTITION BY or ORDER BY already."
                raise GatewayError("unsupported_sql", detail, "Write it once.", place(node))
            if base.frame is not None and (order or spec is not None):
                detail = f"The window '{alias.name}' has a frame already."
                raise GatewayError("unsupported_sql", detail, "Write the whole window here.", place(node))
            partition, order = base.partition, order or base.order
            if spec is None:
                return _Over(partition, order, base.frame)
        if spec is None:
            return _Over(partition, order, None)
        frame = _frame(spec, order, node)
        if frame.args["kind"] == "RANGE" and any(
            isinstance(frame.args[part], exp.Literal) for part in ("start", "end")
        ):
            order = tuple(replace(key, term=enforced(key.term)) for key in order)  # an engine counts from within bounds
        return _Over(partition, order, frame)

    def _named(self, alias: exp.Expr, above: frozenset[str]) -> _Over:
        name = alias.name.casefold()
        base = self.named.get(name)
        if base is None or name in above:
            hint = "Define it in WINDOW."
            raise GatewayError("unsupported_sql", f"There is no window '{alias.name}'.", hint, place(alias))
        refuse_other_parts(base, "this", "partition_by", "order", "spec", "alias")
        return self._over(base, above | {name})

    def _order(self, order: exp.Expr | None) -> tuple[SortKey, ...]:
        if order is None:
            return ()
        refuse_other_parts(order, "expressions")
        keys = []
        for item in order.expressions:
            refuse_other_parts(item, "this", "desc", "nulls_first")
            if isinstance(item.this, exp.Literal):
                hint = "Write the column."
                raise GatewayError("unsupported_sql", "A window is not ordered by a position.", hint, place(item))
            descending, nulls_first = bool(item.args.get("desc")), bool(item.args.get("nulls_first"))
            keys.append(SortKey(self.stage(item.this), descending, nulls_first))
        return tuple(keys)

    def _function(
        self, node: exp.Expr, over: _Over
    ) -> tuple[WindowKind | AggregateKind, tuple[Term, ...], Term | None, Term]:
        """Return kind, arguments, FILTER and what is known of the result."""
        inside = node
        if isinstance(node, exp.IgnoreNulls):
            hint = "Leave IGNORE NULLS out, or filter NULLs in a WITH query."
            raise GatewayError("unsupported_sql", "IGNORE NULLS is not answered.", hint, place(node))
        if isinstance(node, exp.RespectNulls):
            inside = node.this
        kind = _RANKS.get(type(inside))
        if kind is not None:
            refuse_other_parts(inside)
            return kind, (), None, _rank(kind)
        if isinstance(inside, exp.Ntile):
            return self._ntile(inside)
        if type(inside) in _SHIFTS:
            return self._shift(inside)
        if type(inside) in _OF_VALUES:
            return self._value(inside)
        call = read(inside, self.stage)
        if call.kind not in _AGGREGATES:
            if isinstance(inside, exp.AggFunc | exp.Filter | exp.WithinGroup):
                hint = "Use COUNT, SUM, AVG, MIN, MAX, ranks, LAG, LEAD or FIRST, LAST, NTH_VALUE."
                detail = f"{call.kind.value} is not answered as a window function."
                raise GatewayError("unsupported_function", detail, hint, place(node))
            raise refused(inside)
        return call.kind, call.arguments, call.filter, result(_windowed(call))

    def _ntile(self, node: exp.Ntile) -> tuple[WindowKind, tuple[Term, ...], None, Term]:
        refuse_other_parts(node, "this")
        count = _literal(node.this, 1, node)
        term = _whole(Range(Fraction(1), Fraction(count)))
        return WindowKind.NTILE, (self.stage(node.this),), None, term

    def _shift(self, node: exp.Expr) -> tuple[WindowKind, tuple[Term, ...], None, Term]:
        refuse_other_parts(node, "this", "offset", "default")
        value = self.stage(node.this)
        if value.type == OTHER:
            raise GatewayError("type_mismatch", "This value has no type.", "CAST it.", place(node))
        offset, default = node.args.get("offset"), node.args.get("default")
        arguments: tuple[Term, ...] = (value,)
        term = replace(value, nullable=True)
        if offset is not None:
            _literal(offset, 0, node)
            arguments = (value, self.stage(offset))
        if default is not None:
            value, otherwise = one_type(node, [value, self.stage(default)])
            if otherwise.ids:
                raise GatewayError("unsupported_sql", "The default is no literal.", "Write a literal.", place(node))
            arguments = (value, arguments[1], otherwise)
            term = choose([value, otherwise], [], value.node, nullable=value.nullable or otherwise.nullable)
        return _SHIFTS[type(node)], arguments, None, term

    def _value(self, node: exp.Expr) -> tuple[WindowKind, tuple[Term, ...], None, Term]:
        refuse_other_parts(node, "this", "offset")
        value = self.stage(node.this)
        if value.type == OTHER:
            raise GatewayError("type_mismatch", "This value has no type.", "CAST it.", place(node))
        kind = _OF_VALUES[type(node)]
        if kind is not WindowKind.NTH_VALUE:
            return kind, (value,), None, replace(value, nullable=True)
        offset = node.args.get("offset")
        _literal(offset, 1, node)
        assert offset is not None  # INVARIANT: a literal has been read
        return kind, (value, self.stage(offset)), None, replace(value, nullable=True)


def _literal(node: exp.Expr | None, least: int, function: exp.Expr) -> int:
    value = whole_number(node) if node is not None else None
    if value is None or not least <= value <= MAX_OFFSET:
        detail = f"{function.key.upper()} takes a literal whole number."
        hint = f"Write a number from {least} to {MAX_OFFSET:,}."
        raise GatewayError("unsupported_sql", detail, hint, place(function))
    return value


def _windowed(call: Call) -> Call:
    return replace(call, filter=None)


def _whole(limits: Range) -> Term:
    return Term(exp.Null(), INTEGER, nullable=False, range=limits)


def _rank(kind: WindowKind) -> Term:
    if kind in (WindowKind.PERCENT_RANK, WindowKind.CUME_DIST):
        return Term(exp.Null(), DOUBLE, nullable=False, range=ranges.between(0, 1))
    return _whole(Range(Fraction(1), None))


# -- frames -----------------------------------------------------------------------------------------------------------

_PLACES = {
    ("UNBOUNDED", "PRECEDING"): 0,
    ("", "PRECEDING"): 1,
    ("CURRENT ROW", ""): 2,
    ("", "FOLLOWING"): 3,
    ("UNBOUNDED", "FOLLOWING"): 4,
}


def _frame(spec: exp.WindowSpec, order: tuple[SortKey, ...], node: exp.Expr) -> exp.WindowSpec:
    """Return a frame that every engine takes: literal bounds, in order. Raises `unsupported_sql` for others."""
    refuse_other_parts(spec, "kind", "start", "start_side", "end", "end_side")
    kind = str(spec.args.get("kind") or "").upper()
    if kind not in ("ROWS", "RANGE", "GROUPS"):
        raise GatewayError("unsupported_sql", "The frame has no kind.", "Write ROWS BETWEEN ... AND ...", place(node))
    start = _bound(spec, "start", node)
    end = _bound(spec, "end", node) if spec.args.get("end") is not None else (2, None)
    first, last = start[0], end[0]
    if first == 4 or last == 0 or first > last:
        hint = "Write the earlier bound first."
        raise GatewayError("unsupported_sql", "The frame ends before it starts.", hint, place(node))
    if not order and kind != "ROWS" and (first, last) != (0, 4):
        hint = "Write ORDER BY in the window."
        raise GatewayError("unsupported_sql", f"A {kind} frame needs an order.", hint, place(node))
    offsets = [offset for _, offset in (start, end) if offset is not None]
    if kind == "RANGE" and offsets:
        _check_range(order, max(offsets), node)
    return exp.WindowSpec(
        kind=kind,
        start=_written(start),
        start_side=_side(start),
        end=_written(end),
        end_side=_side(end),
    )


Bound = tuple[int, int | None]
"""Where a bound lies among `_PLACES`, and its offset."""


def _bound(spec: exp.WindowSpec, part: str, node: exp.Expr) -> Bound:
    value, side = spec.args.get(part), str(spec.args.get(f"{part}_side") or "").upper()
    offset = None
    if isinstance(value, str):
        where = _PLACES.get((value.upper(), "" if value.upper() == "CURRENT ROW" else side))
    else:
        where, offset = _PLACES.get(("", side)), _literal(value, 0, node)
    if where is None:
        hint = "Write for example ROWS BETWEEN 2 PRECEDING AND CURRENT ROW."
        raise GatewayError("sql_syntax", "The frame is not well formed.", hint, place(node))
    return where, offset


def _written(bound: Bound) -> str | exp.Expr:
    if bound[1] is not None:
        return exp.Literal.number(bound[1])
    return "CURRENT ROW" if bound[0] == 2 else "UNBOUNDED"


def _side(bound: Bound) -> str | None:
    return (None if bound[0] == 2 else "PRECEDING") if bound[0] <= 2 else "FOLLOWING"


def _check_range(order: tuple[SortKey, ...], offset: int, node: exp.Expr) -> None:
    """Refuse a RANGE frame whose bounds an engine might not be able to compute."""
    limits = enforced(order[0].term).limits() if len(order) == 1 else Range()
    type_: SqlType | None = order[0].term.type if len(order) == 1 else None
    fits = limits.lo is not None and limits.hi is not None
    if type_ != INTEGER or not fits or not _room(limits, offset):
        detail = "A RANGE frame with an offset is answered over one whole number with bounds."
        hint = "Use ROWS or GROUPS, or order by LEAST(GREATEST(x, low), high)."
        raise GatewayError("unsupported_sql", detail, hint, place(node))


def _room(limits: Range, offset: int) -> bool:
    assert limits.lo is not None and limits.hi is not None  # noqa: PT018 - INVARIANT: asked where both are known
    return limits.lo - offset >= BIGINT_MIN and limits.hi + offset <= BIGINT_MAX
