"""Near-misses: one thing put into a query that would be answered, for which it must be refused by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from support.generated.values import Column


class Rows(Protocol):
    """A relation as the generator makes it."""

    sql: str
    columns: tuple[Column, ...]
    owner: bool
    order: bool
    unit: bool


def _all(tail: str) -> Callable[[Rows], str]:
    return lambda rows: f"(SELECT x.* FROM {rows.sql} x{tail})"


def _owned(tail: str) -> Callable[[Rows], str | None]:
    return lambda rows: f"(SELECT x.* FROM {rows.sql} x{tail})" if rows.owner else None


def _many(rows: Rows) -> str | None:
    tail = " JOIN purchases y ON y.customer_id = x.customer_id"
    return f"(SELECT x.* FROM {rows.sql} x{tail})" if rows.owner and not rows.unit and not rows.order else None


def _ranked(rows: Rows) -> str:
    name = rows.columns[0].name
    return f"(SELECT x.* FROM {rows.sql} x QUALIFY RANK() OVER (PARTITION BY x.{name} ORDER BY x.{name}) = 1)"


PLANTED: dict[str, tuple[str, Callable[[Rows], str | None]]] = {
    "LIMIT": ("limit_below_measurement", _all(" LIMIT 5")),
    "ORDER BY and LIMIT": ("limit_below_measurement", _owned(" ORDER BY x.customer_id LIMIT 5")),
    "OFFSET": ("limit_below_measurement", _all(" OFFSET 2")),
    "a sample": ("limit_below_measurement", _all(" USING SAMPLE 10 ROWS")),
    "a number over everybody": ("window_across_owners", _all(" QUALIFY ROW_NUMBER() OVER () < 9")),
    "a rank by others": ("window_across_owners", _ranked),
    "a float sum over a window": (
        "window_across_owners",
        _owned(
            " WHERE x.customer_id IN (SELECT y.customer_id FROM purchases y QUALIFY SUM(y.weight) OVER (PARTITION BY y.customer_id) > 1)"
        ),
    ),
    "EXISTS of anybody": ("no_owner_equality", _all(" WHERE EXISTS (SELECT 1 FROM purchases y WHERE y.gift)")),
    "NOT EXISTS of anybody": ("no_owner_equality", _all(" WHERE NOT EXISTS (SELECT 1 FROM purchases y WHERE y.gift)")),
    "EXISTS by no bare column": (
        "no_owner_equality",
        _owned(" WHERE EXISTS (SELECT 1 FROM purchases y WHERE y.customer_id = x.customer_id + 0)"),
    ),
    "EXISTS by the owner or more": (
        "no_owner_equality",
        _owned(" WHERE EXISTS (SELECT 1 FROM purchases y WHERE y.customer_id = x.customer_id OR y.gift)"),
    ),
    "IN of anybody's": ("no_owner_equality", _all(" WHERE 5 IN (SELECT y.quantity FROM purchases y)")),
    "NOT IN of anybody's": ("no_owner_equality", _all(" WHERE 5 NOT IN (SELECT y.quantity FROM purchases y)")),
    "ALL of anybody's": ("no_owner_equality", _all(" WHERE 5 >= ALL (SELECT y.quantity FROM purchases y)")),
    "IN of what EXCEPT leaves": (
        "set_operation",
        _all(" WHERE 5 IN (SELECT quantity FROM purchases EXCEPT SELECT quantity FROM purchases WHERE gift)"),
    ),
    "a join with anybody": ("no_owner_equality", _all(", customers y")),
    "an owner equality or NULL": (
        "no_owner_equality",
        _owned(" JOIN customers y ON y.customer_id = x.customer_id OR y.customer_id IS NULL"),
    ),
    "an owner equality of another type": (
        "no_owner_equality",
        _owned(" JOIN customers y ON CAST(y.customer_id AS DOUBLE) = x.customer_id"),
    ),
    "an owner equality that is computed": (
        "no_owner_equality",
        _owned(" JOIN customers y ON y.customer_id = COALESCE(x.customer_id, 7)"),
    ),
    "an owner equality after an outer join": (
        "no_owner_equality",
        _owned(" LEFT JOIN customers y ON y.cohort = '1997-01' WHERE y.customer_id = x.customer_id"),
    ),
    "an owner that is not": (
        "no_owner_equality",
        _owned(" JOIN (SELECT quantity AS customer_id FROM purchases) y ON y.customer_id = x.customer_id"),
    ),
    "many to many": ("join_not_private", _many),
    "every public row": ("join_not_private", _all(", calendar y")),
    "FULL JOIN of public rows": ("join_not_private", _all(" FULL JOIN calendar y ON y.day = DATE '1997-05-05'")),
    "public rows picked by no order": (
        "join_not_private",
        _all(" JOIN (SELECT weekday, SUM(CAST(weekday AS DOUBLE)) AS s FROM calendar GROUP BY 1) y ON y.weekday = 3"),
    ),
    "a value of several rows": (
        "subquery",
        _owned(" WHERE (SELECT y.quantity FROM purchases y WHERE y.customer_id = x.customer_id) > 1"),
    ),
    "a float sum of a person": (
        "per_owner_aggregate",
        _owned(
            " JOIN (SELECT customer_id, SUM(weight) AS s FROM purchases GROUP BY customer_id) y ON y.customer_id = x.customer_id"
        ),
    ),
    "a variance of a person": (
        "per_owner_aggregate",
        _owned(
            " JOIN (SELECT customer_id, VAR_POP(quantity) AS s FROM purchases GROUP BY customer_id) y ON y.customer_id = x.customer_id"
        ),
    ),
    "rows that nobody owns": (
        "set_operation",
        _owned(" WHERE x.customer_id IN (SELECT customer_id FROM purchases UNION ALL SELECT 5)"),
    ),
    "a random number": ("unsupported_function", _all(" WHERE random() < 0.5")),
    "a row's number in the table": ("unknown_column", _all(" WHERE x.rowid > 5")),
    "texts in the order of the rows": (
        "unsupported_function",
        _owned(
            " JOIN (SELECT customer_id, STRING_AGG(basket, ',') AS s FROM purchases GROUP BY customer_id) y ON y.customer_id = x.customer_id"
        ),
    ),
    "one person": ("column_use", _owned(" WHERE x.customer_id = 7")),
}
"""What is put beside a relation of private rows, by name: the code of the refusal, and how it is written."""

ASKED = {
    "the unit's key shown": "unit_key_released",
    "rows shown": "raw_rows",
    "people listed": "unit_key_released",
}
"""What is asked of a relation in place of aggregates."""

FLAWS = {**{name: code for name, (code, _) in PLANTED.items()}, **ASKED}


@dataclass(slots=True)
class Flaw:
    """One flaw, put into the `place`-th relation where it can be written; no name: none."""

    name: str | None = None
    place: int = 0
    done: bool = False

    def planted(self, rows: Rows) -> str:
        """Return a relation's SQL, with the flaw where its turn has come."""
        if self.name not in PLANTED or self.done:
            return rows.sql
        made = PLANTED[self.name][1](rows)
        if made is None:
            return rows.sql
        if self.place > 0:
            self.place -= 1
            return rows.sql
        self.done = True
        return made

    def state(self) -> tuple[int, bool]:
        return self.place, self.done

    def restore(self, state: tuple[int, bool]) -> None:
        self.place, self.done = state
