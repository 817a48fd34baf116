"""Listings a page at a time: in an order that every row has one place in, so that a page continues after the last row.

A cursor is that place, and no secret: what is shown hangs on who asks, at each page anew.
"""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from sqlalchemy import Column, Connection, Row, Select, literal, tuple_

from gateway.errors import GatewayError

T = TypeVar("T")

USUAL, MOST = 100, 1000
"""How many a page has unless it is said, and at most."""

MOST_LETTERS = 2048
"""No cursor of ours is longer: the longest names are of 128 letters."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a listing is asked for: so many at most, after the place of a cursor."""

    limit: int = USUAL
    after: str | None = None


FIRST = Page()


@dataclass(frozen=True, slots=True)
class Listed(Sequence[T], Generic[T]):
    """A page, and the cursor of its last; None where nothing follows."""

    items: tuple[T, ...]
    cursor: str | None

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def shown(self, as_what: Callable[[T], dict[str, object]]) -> "Listed[dict[str, object]]":
        """Return the same page as documents."""
        return Listed(tuple(map(as_what, self.items)), self.cursor)

    def document(self, name: str) -> dict[str, object]:
        """Return it as the reply of a listing of this name."""
        return {name: list(self.items), "cursor": self.cursor}


async def all_of(ask: Callable[[Page], Awaitable[Listed[T]]]) -> list[T]:
    """Return every page of a listing, one read of the store after another."""
    found, page = list[T](), Page(MOST)
    while True:
        listed = await ask(page)
        found += listed.items
        if listed.cursor is None:
            return found
        page = Page(MOST, listed.cursor)


@dataclass(frozen=True, slots=True)
class Order:
    """Columns, whole numbers or texts, that give every row of a listing a place of its own."""

    columns: tuple[Column[Any], ...]
    latest_first: bool = False

    def page(self, connection: Connection, wanted: Select[Any], page: Page) -> tuple[list[Row[Any]], str | None]:
        """Return the rows of a page and its cursor. Raises GatewayError `bad_request` for a cursor that is none."""
        if page.after is not None:
            place = zip(self.columns, self._place(page.after), strict=True)
            after = tuple_(*(literal(value, column.type) for column, value in place))
            here = tuple_(*self.columns)
            wanted = wanted.where(here < after if self.latest_first else here > after)
        ordered = wanted.order_by(*(column.desc() if self.latest_first else column for column in self.columns))
        rows = list(connection.execute(ordered.limit(page.limit + 1)).all())
        if len(rows) <= page.limit:
            return rows, None
        last = rows[page.limit - 1]
        return rows[: page.limit], _written([getattr(last, column.name) for column in self.columns])

    def _place(self, cursor: str) -> list[int | str]:
        place = _read(cursor)
        kinds = [column.type.python_type for column in self.columns]
        if place is None or [type(one) for one in place] != kinds or not all(map(_storable, place)):
            raise GatewayError("bad_request", "The cursor is not one of ours.", "Use the `cursor` of the last reply.")
        return place


def _written(place: Sequence[int | str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def _read(cursor: str) -> list[Any] | None:
    """Return what stands in a cursor; None where it is none. One place has one spelling."""
    if not cursor.isascii() or len(cursor) > MOST_LETTERS:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and _written(found) == cursor else None


def _storable(value: object) -> bool:
    """Tell whether a store can compare with a value: 64 bits, or a text without NUL and halves of letters."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
