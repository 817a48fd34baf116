"""How many rows a relation has at most, by declared sizes and the number of cells: the data tell nothing here."""

from collections.abc import Mapping, Sequence

from gateway.errors import GatewayError
from gateway.sql.plan import Aggregate, Join, JoinKind, Limit, Measured, Plan, Read, Scan, SetOperation, Staged, Values
from gateway.sql.singles import single
from gateway.sql.walk import upward

MAX_PAIRS = 100_000_000
"""Pairs of rows that one join without equalities may try while an answer is finished: seconds of work."""

_HALF = (JoinKind.SEMI, JoinKind.ANTI, JoinKind.MARK)


def most_rows(plan: Plan, cells: Mapping[str, int | None]) -> int | None:
    """Return how many rows a relation has at most; None where that hangs on how many private keys are released.

    `cells` are those of each measurement by its name.
    """
    match plan:
        case Scan():
            return max(plan.table.rows, 1)
        case Values():
            return max(len(plan.rows), 1)
        case Measured():
            return cells[plan.name]
        case Read() | Staged():
            return most_rows(plan.plan, cells)
        case Join() if plan.kind in _HALF:
            return most_rows(plan.left, cells)
        case Join():
            left, right = most_rows(plan.left, cells), most_rows(plan.right, cells)
            return None if left is None or right is None else _pairs(plan, left, right)
        case SetOperation():
            left, right = most_rows(plan.left, cells), most_rows(plan.right, cells)
            return None if left is None or right is None else left + right
        case Aggregate() if not plan.keys:
            return 1
        case Limit() if plan.count is not None:
            below = most_rows(plan.input, cells)
            return plan.count if below is None else min(plan.count, below)
        case _:
            return most_rows(plan.input, cells)


def _pairs(plan: Join, left: int, right: int) -> int:
    """Return how many rows a join has at most: all pairs, or fewer where one side is single on what is equal."""
    left_single = single(plan.left, {a for a, _ in plan.equalities})
    right_single = single(plan.right, {b for _, b in plan.equalities})
    kept = {JoinKind.LEFT: left, JoinKind.RIGHT: right, JoinKind.FULL: left + right}.get(plan.kind, 0)
    if (plan.kind is JoinKind.LEFT and right_single) or (plan.kind is JoinKind.RIGHT and left_single):
        return kept
    return min([left * right, *[left] * right_single, *[right] * left_single]) + kept


def limit_pairs(finished: Sequence[Plan], cells: Mapping[str, int | None]) -> None:
    """Refuse a join of released rows that by declaration alone is too much work, before anything is charged.

    Raises GatewayError `sql_too_complex`.
    """
    for plan in upward(*finished):
        if isinstance(plan, Join) and not plan.equalities:
            left, right = most_rows(plan.left, cells), most_rows(plan.right, cells)
            if left is not None and right is not None and left * right > MAX_PAIRS:
                detail = f"A join without an equality may try {left * right:,} pairs of rows; {MAX_PAIRS:,} are tried."
                hint = "Join released rows by equalities, or aggregate them before they are joined."
                raise GatewayError("sql_too_complex", detail, hint, plan.place)
