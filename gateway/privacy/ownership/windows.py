"""Window functions: over private rows within one owner's partition alone, with every tie broken."""

from dataclasses import replace

from sqlglot import exp

from gateway.catalog.types import TypeKind
from gateway.errors import GatewayError
from gateway.privacy.ownership.aggregates import determining
from gateway.privacy.ownership.facts import ids_of, in_sight, listed, owner_field, owner_name, steady, tie_breaks
from gateway.privacy.ownership.padded import refused
from gateway.privacy.ownership.steps import Steps
from gateway.privacy.relations import Owned, Padded, Public, Relation, Released
from gateway.sql.plan import AggregateKind, Computed, Field, SortKey, Window, WindowCall, WindowKind
from gateway.sql.terms import Term

BY_ROW = (WindowKind.ROW_NUMBER, WindowKind.NTILE, WindowKind.LAG, WindowKind.LEAD)
"""Functions that look at a row's place in the order, whatever the frame."""

BY_PLACE = (WindowKind.FIRST_VALUE, WindowKind.LAST_VALUE, WindowKind.NTH_VALUE)
"""Functions that take a value by its place in the frame."""


def windowed(plan: Window, below: Relation, steps: Steps) -> Relation:
    """Return window functions beside the rows. Raises `window_across_owners` for a partition of several people."""
    match below:
        case Padded():
            raise refused(plan.place, "A window")
        case Owned():
            below = listed(below)
            calls = tuple(_owned_call(call, below, steps) for call in plan.calls)
            return in_sight(
                replace(
                    below,
                    plan=replace(plan, input=below.plan, calls=calls),
                    unique=below.unique | _numbered(plan, below),
                )
            )
        case Public():
            ties = tie_breaks(below.plan)
            steady_calls = [_broken_ties(call, ties) for call in plan.calls]
            exact = all(_order_free(call) for call in plan.calls) and None not in steady_calls
            calls = tuple(new or old for new, old in zip(steady_calls, plan.calls, strict=True))
            return Public(replace(plan, input=below.plan, calls=calls), below.unique, exact=below.exact and exact)
        case _:  # Released
            noisy = {call.field.id for call in plan.calls if ids_of(_terms(call)) & below.noisy}
            return Released(replace(plan, input=below.plan), below.noisy | noisy, below.unique)


def _terms(call: WindowCall) -> list[Term]:
    tested = [call.filter] if call.filter is not None else []
    return [*call.arguments, *call.partition, *(key.term for key in call.order), *tested]


def _owned_call(call: WindowCall, below: Owned, steps: Steps) -> WindowCall:
    keys = [Computed(Field("", term), term) for term in call.partition if term.id is not None]
    if determining(keys, below) is None:
        key = owner_name(below, steps.dataset)
        detail = f"{call.kind.value} reads rows of more than one person."
        hint = f"Add {key} to PARTITION BY, or use the window over aggregated results."
        raise GatewayError("window_across_owners", detail, hint, call.place)
    if not _order_free(call):
        detail = f"{call.kind.value} of floating point numbers depends on the order in which rows are added."
        raise GatewayError("window_across_owners", detail, "CAST the number to DECIMAL(38,s).", call.place)
    partition = call.partition
    if not any(term.id in below.aliases for term in partition):
        own = owner_field(below).term
        partition = (*partition, Term(exp.column(below.owner), own.type, nullable=False))
    made = _broken_ties(replace(call, partition=partition), tie_breaks(below.plan))
    if made is None:
        detail = f"{call.kind.value} over a frame of peers picks among rows that tie."
        hint = "Write ROWS BETWEEN ... in the frame; then ties are broken by all columns."
        raise GatewayError("window_across_owners", detail, hint, call.place)
    return made


def _order_free(call: WindowCall) -> bool:
    """Tell whether the function adds nothing up that depends on the order of addition."""
    adds = call.kind in (AggregateKind.SUM, AggregateKind.AVG)
    if not isinstance(call.kind, AggregateKind) or call.kind in (
        AggregateKind.COUNT_ROWS,
        AggregateKind.COUNT,
        AggregateKind.MIN,
        AggregateKind.MAX,
        AggregateKind.BOOL_AND,
        AggregateKind.BOOL_OR,
    ):
        return True
    return adds and call.arguments[0].type.kind is not TypeKind.DOUBLE


def _broken_ties(call: WindowCall, ties: tuple[SortKey, ...]) -> WindowCall | None:
    """Return a call whose result follows from its rows; None where the frame's own meaning forbids breaking ties."""
    if call.kind in (WindowKind.LAG, WindowKind.LEAD, AggregateKind.MIN, AggregateKind.MAX, *BY_PLACE):
        call = replace(call, arguments=(steady(call.arguments[0]), *call.arguments[1:]))
    ordered = replace(call, order=(*call.order, *ties))
    if call.kind in BY_ROW:
        return ordered
    kind, start, end = _frame(call)
    if kind == "ROWS":
        # INVARIANT: EXCLUDE is refused (sql): it speaks of the peers that ties would part
        assert call.frame is not None and not call.frame.args.get("exclude")  # noqa: PT018
        return ordered
    if call.kind not in BY_PLACE:
        return call
    assert call.order  # INVARIANT: asked for (sql); an order added here would cut a frame of all rows short
    whole = start == "UNBOUNDED" and end == "UNBOUNDED"
    if whole or (call.kind is WindowKind.FIRST_VALUE and start == "UNBOUNDED" and kind == "RANGE"):
        return ordered
    return None


def _frame(call: WindowCall) -> tuple[str, str, str]:
    """Return a frame's kind, start and end; SQL's default is RANGE from the first row to the current one's peers."""
    if call.frame is None:
        return "RANGE", "UNBOUNDED", "CURRENT ROW"
    parts = (call.frame.args.get(part) for part in ("kind", "start", "end"))
    kind, start, end = (str(part).upper() if part is not None else "CURRENT ROW" for part in parts)
    return kind, start, end


def _numbered(plan: Window, below: Owned) -> frozenset[frozenset[str]]:
    """Return the unique keys that ROW_NUMBER makes: the partition and the number."""
    found = set()
    for call in plan.calls:
        ids = [term.id for term in call.partition]
        if call.kind is WindowKind.ROW_NUMBER and all(name is not None for name in ids):
            found.add(
                frozenset(name for name in ids if name is not None) - below.determined | {below.owner, call.field.id}
            )
    return frozenset(found)
