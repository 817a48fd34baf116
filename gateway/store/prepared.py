"""Statements that are compiled once and then run on the driver itself, where a request waits for them.

What a statement says stays SQLAlchemy's, made of the tables; only its way to the database is shorter: a row that SQLite
finds in microseconds takes SQLAlchemy ten times as long to ask for. Both stores take this way, inside of their works.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import BindParameter, Connection, Dialect, Integer, LargeBinary, String
from sqlalchemy.exc import DBAPIError, MultipleResultsFound
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.types import NullType

_AS_THEY_ARE = (String, Integer, LargeBinary, NullType)
"""The types whose values both drivers take and give as they are in Python."""

_Place = tuple[str, int | None, int | None]
"""A value by its name; one of a list also by its place there, and one of a list's tuple by its place in that."""


class Found(Protocol):
    """A row that was found: its cells by their columns' names, or in their order. SQLAlchemy's own are read alike."""

    def __getattr__(self, column: str) -> Any: ...
    def __getitem__(self, place: int, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement as a driver takes it, and where each of its values comes from; `fixed` are the statement's own."""

    sql: str
    places: tuple[_Place, ...]
    fixed: Mapping[str, Any]
    names: tuple[str, ...] | None
    """The places where no value is a list; None where one is."""

    def positional(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the values in their places."""
        known = {**self.fixed, **values} if self.fixed else values
        if self.names is not None:
            return tuple([known[name] for name in self.names])
        return tuple([_value(known, place) for place in self.places])


def _value(known: Mapping[str, Any], place: _Place) -> Any:
    name, at, within = place
    found = known[name]
    found = found if at is None else found[at]
    return found if within is None else found[within]


class Prepared:
    """One statement. INVARIANT: all its values and columns are texts, whole numbers, bytes or NULL.

    Each method raises DBAPIError, as SQLAlchemy does.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        binds = {one for one in visitors.iterate(statement) if isinstance(one, BindParameter)}
        self._lists = tuple(sorted({one.key for one in binds if one.expanding and one.required}))
        self._row: Callable[[Iterable[Any]], Any] = tuple
        if isinstance(statement, SelectBase):
            assert all(isinstance(column.type, _AS_THEY_ARE) for column in statement.selected_columns)
            names = [str(column.key) for column in statement.selected_columns]
            row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024 - the statement's own
            self._row = row._make
        self._compiled: dict[object, _Compiled] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Found]:
        """Return what a SELECT finds, as named tuples."""
        cursor = self._run(connection, values)
        # INVARIANT: to the end: what is read in part keeps an old state of the database open
        return [self._row(row) for row in cursor.fetchall()]

    def one_or_none(self, connection: Connection, values: Mapping[str, Any]) -> Found | None:
        """Return the row of a SELECT that finds one at most. Raises MultipleResultsFound."""
        found = self.rows(connection, values)
        if len(found) > 1:
            raise MultipleResultsFound
        return found[0] if found else None

    def value(self, connection: Connection, values: Mapping[str, Any]) -> Any | None:
        """Return the first column of that row. Raises MultipleResultsFound."""
        found = self.one_or_none(connection, values)
        return None if found is None else found[0]

    def number(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Return the only cell of a SELECT that always finds one."""
        ((found,),) = self.rows(connection, values)
        return int(found)

    def change(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run an UPDATE or a DELETE; return how many rows it was of."""
        return int(self._run(connection, values).rowcount)

    def write(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run an INSERT for each of some rows: all of the same columns."""
        columns = tuple(rows[0])
        compiled = self._known(connection, (columns,)) or self._kept(
            connection, (columns,), self._writing(connection.dialect, columns)
        )
        written = [compiled.positional(row) for row in rows]
        if len(written) == 1:
            _execute(connection, compiled.sql, "execute", written[0])
        else:
            _execute(connection, compiled.sql, "executemany", written)

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        sizes = tuple([len(values[name]) for name in self._lists]) if self._lists else ()
        compiled = self._known(connection, sizes) or self._kept(
            connection, sizes, self._reading(connection.dialect, values)
        )
        return _execute(connection, compiled.sql, "execute", compiled.positional(values))

    def _known(self, connection: Connection, form: object) -> _Compiled | None:
        dialect = connection.dialect
        return self._compiled.get((dialect.name, dialect.driver, form))

    def _kept(self, connection: Connection, form: object, compiled: _Compiled) -> _Compiled:
        if len(self._compiled) >= _KEPT:
            self._compiled.clear()
        self._compiled[connection.dialect.name, connection.dialect.driver, form] = compiled
        return compiled

    def _reading(self, dialect: Dialect, values: Mapping[str, Any]) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)  # INVARIANT: a statement, no DDL
        lists = {name: values.get(name, bind.value) for name, bind in compiled.binds.items() if bind.expanding}
        if not lists:
            return _compiled(compiled, compiled.string, compiled.positiontup or (), {})
        expanded = compiled.construct_expanded_state({**values, **lists})
        at: dict[str, _Place] = {}
        for name, members in expanded.parameter_expansion.items():
            several = bool(lists[name]) and isinstance(lists[name][0], tuple | list)
            width = len(lists[name][0]) if several else 1
            for index, member in enumerate(members):
                at[member] = (name, index // width, index % width if several else None)
        return _compiled(compiled, expanded.statement, expanded.positiontup or (), at)

    def _writing(self, dialect: Dialect, columns: tuple[str, ...]) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect, column_keys=list(columns), for_executemany=True)
        assert isinstance(compiled, SQLCompiler)  # INVARIANT: as above
        return _compiled(compiled, compiled.string, compiled.positiontup or (), {})


def run_text(connection: Connection, sql: str) -> None:
    """Run a text without values, as a statement that is prepared. Raises DBAPIError."""
    _execute(connection, sql, "execute", ())


_KEPT = 256
"""How many forms of one statement are kept: one for each length of its lists."""


def _compiled(compiled: SQLCompiler, sql: str, names: Iterable[str], at: Mapping[str, _Place]) -> _Compiled:
    assert all(isinstance(bind.type, _AS_THEY_ARE) for bind in compiled.binds.values() if not bind.expanding)
    places = tuple(at.get(name, (name, None, None)) for name in names)
    fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
    return _Compiled(sql, places, fixed, tuple(name for name, _, _ in places) if not at else None)


def _execute(connection: Connection, sql: str, how: str, values: object) -> Any:
    """Run a text on the driver's own connection, within whatever transaction it is in; return its cursor."""
    held = connection.connection
    cursor = held.cursor()
    try:
        getattr(cursor, how)(sql, values)
    except connection.dialect.loaded_dbapi.Error as error:
        # as SQLAlchemy does: a connection that is gone is not handed out again
        if connection.dialect.is_disconnect(error, held.dbapi_connection, cursor):
            connection.invalidate(error)
        raise DBAPIError.instance(sql, None, error, connection.dialect.loaded_dbapi.Error) from error
    return cursor
