"""GROUP BY: which expressions are keys, which are aggregates, and what is left to compute over released values."""

from dataclasses import dataclass, field, replace

from sqlglot import exp

from gateway.catalog.types import DOUBLE, INTEGER, SqlType, TypeKind, decimal
from gateway.errors import GatewayError
from gateway.sql.expressions import Resolver, refused, scalar
from gateway.sql.operators import mismatch, truth
from gateway.sql.parse import place, refuse_other_parts
from gateway.sql.plan import AggregateCall, AggregateKind, Computed, Field
from gateway.sql.scope import Ids
from gateway.sql.terms import Term

ANSWERED = (exp.Count, exp.Sum, exp.Avg, exp.CountIf)


def has_aggregate(node: exp.Expr) -> bool:
    """Tell whether an aggregate (outside any window) stands in the expression."""
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, exp.AggFunc):
            return True
        if not isinstance(current, exp.Window | exp.Query):
            pending.extend(current.iter_expressions())
    return False


def _released(ids: Ids, type_: SqlType, *, nullable: bool, noisy: bool, source: Term | None = None) -> Term:
    term = Term(exp.column(ids.next()), type_, nullable=nullable, noisy=noisy)
    if source is None:
        return term
    return replace(term, domain=source.domain, span=source.span, range=source.range)


@dataclass(slots=True)
class Grouping:
    """Collects the keys and aggregate calls of one SELECT, and resolves expressions over them."""

    inner: Resolver
    ids: Ids
    keys: list[Computed] = field(default_factory=list)
    calls: list[AggregateCall] = field(default_factory=list)
    _seen: dict[str, AggregateCall] = field(default_factory=dict)

    def add_key(self, node: exp.Expr, name: str) -> None:
        """Add a GROUP BY expression. The same expression twice is one key."""
        term = self.inner(node)
        if any(key.term.node == term.node for key in self.keys):
            return
        released = _released(self.ids, term.type, nullable=term.nullable, noisy=False, source=term)
        self.keys.append(Computed(Field(name, released), term))

    def __call__(self, node: exp.Expr) -> Term:
        """Return an expression over keys and aggregates as a term over released columns.

        Raises GatewayError `not_grouped` for a column that is neither.
        """
        if isinstance(node, ANSWERED) or (isinstance(node, exp.Filter) and isinstance(node.this, ANSWERED)):
            return replace(self._call(node).field.term, place=place(node))
        if not has_aggregate(node) and not isinstance(node, exp.Literal | exp.Null | exp.Boolean):
            key = self._key(node)
            if key is not None:
                return replace(key.field.term, place=place(node))
            if isinstance(node, exp.Column):
                detail = f"'{node.sql()}' is neither grouped nor aggregated."
                hint = "Put it into GROUP BY, or inside COUNT, SUM or AVG."
                raise GatewayError("not_grouped", detail, hint, place(node))
        if isinstance(node, exp.AggFunc | exp.Filter | exp.Window):
            raise refused(node)
        return scalar(node, self)

    def _key(self, node: exp.Expr) -> Computed | None:
        if isinstance(node, exp.Column):
            term = self.inner(node)
        else:
            try:
                term = self.inner(node)
            except GatewayError:
                return None
        return next((key for key in self.keys if key.term.node == term.node), None)

    def _call(self, node: exp.Expr) -> AggregateCall:
        condition = None
        aggregate = node
        if isinstance(node, exp.Filter):
            refuse_other_parts(node, "this", "expression")
            condition = truth(node.expression.this, self.inner)
            aggregate = node.this
        if isinstance(aggregate, exp.CountIf):
            refuse_other_parts(aggregate, "this")
            tested = truth(aggregate.this, self.inner)
            if condition is not None:
                raise GatewayError(
                    "unsupported_sql", "COUNT_IF with FILTER.", "Use COUNT(*) FILTER (...).", place(node)
                )
            kind, argument, condition = AggregateKind.COUNT_ROWS, None, tested
        else:
            kind, argument = self._argument(aggregate)
        name = f"{kind}|{argument.node.sql() if argument else ''}|{condition.node.sql() if condition else ''}"
        call = self._seen.get(name)
        if call is None:
            nullable = kind not in (
                AggregateKind.COUNT_ROWS,
                AggregateKind.COUNT,
                AggregateKind.COUNT_DISTINCT,
            )
            released = _released(self.ids, result_type(kind, argument), nullable=nullable, noisy=True)
            arguments = (argument,) if argument is not None else ()
            call = AggregateCall(kind, arguments, condition, Field(kind.value.lower(), released), place(node))
            self._seen[name] = call
            self.calls.append(call)
        return call

    def _argument(self, node: exp.Expr) -> tuple[AggregateKind, Term | None]:
        refuse_other_parts(node, "this", "big_int")
        inside = node.this
        if isinstance(node, exp.Count):
            if inside is None:
                raise GatewayError("unsupported_sql", "COUNT takes an argument.", "Write COUNT(*).", place(node))
            if isinstance(inside, exp.Star):
                refuse_other_parts(inside)
                return AggregateKind.COUNT_ROWS, None
            if isinstance(inside, exp.Distinct):
                refuse_other_parts(inside, "expressions")
                if len(inside.expressions) != 1:
                    hint = "Write COUNT(DISTINCT key) with the unit's key alone."
                    raise GatewayError("distinct", "COUNT(DISTINCT a, b) is not answered.", hint, place(node))
                return AggregateKind.COUNT_DISTINCT, self.inner(inside.expressions[0])
            return AggregateKind.COUNT, self.inner(inside)
        if isinstance(inside, exp.Distinct):
            hint = "Leave DISTINCT out, or group by the value."
            raise GatewayError("distinct", f"{node.key.upper()}(DISTINCT ...) is not answered.", hint, place(node))
        argument = self.inner(inside)
        if not argument.type.numeric:
            raise mismatch(node, f"{node.key.upper()} takes a number; this is {argument.type}.")
        return (AggregateKind.SUM if isinstance(node, exp.Sum) else AggregateKind.AVG), argument


def result_type(kind: AggregateKind, argument: Term | None) -> SqlType:
    """Return the type of an aggregate's result: sums of decimals stay exact, averages are DOUBLE."""
    if kind is AggregateKind.AVG:
        return DOUBLE
    if kind is AggregateKind.SUM and argument is not None and argument.type.kind is not TypeKind.INTEGER:
        return decimal(38, argument.type.scale) if argument.type.kind is TypeKind.DECIMAL else DOUBLE
    return INTEGER
