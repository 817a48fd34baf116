"""DB-API 2.0 (PEP 249) over the client, for tools that speak it: `pandas.read_sql(sql, connect(url, token))`.

Each `execute` is one question and is charged as such. There are no transactions: what is charged stays charged.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, NoReturn, Self

from gateway.client import errors
from gateway.client.literals import NotBound, bind
from gateway.client.result import Result
from gateway.client.sync import Gateway, Token
from gateway.client.sync import connect as connect_gateway
from gateway.client.values import Value

apilevel = "2.0"
threadsafety = 2
"""Threads may share the module and connections, not cursors."""
paramstyle = "qmark"

Date, Timestamp = date, datetime


class Warning(Exception):  # noqa: A001 - the name that PEP 249 gives it
    """Never raised here; PEP 249 asks for it."""


class Error(Exception):
    """Whatever goes wrong; the client's own error is its `__cause__`."""


class InterfaceError(Error):
    """The interface was used in a way that it does not have, for instance after it was closed."""


class DatabaseError(Error):
    """The gateway answered with an error."""


class DataError(DatabaseError):
    """A value cannot be used."""


class OperationalError(DatabaseError):
    """The gateway cannot answer now, the token or the budget does not cover it, or the question failed."""


class IntegrityError(DatabaseError):
    """An answer's receipt does not hold."""


class InternalError(DatabaseError):
    """The gateway failed."""


class ProgrammingError(DatabaseError):
    """The question cannot be answered as it stands."""


class NotSupportedError(DatabaseError):
    """The gateway, or this interface, does not have what was asked for."""


_KINDS: tuple[tuple[type[errors.GatewayError], type[Error]], ...] = (
    (errors.Refused, ProgrammingError),
    (errors.ReceiptError, IntegrityError),
    (errors.BadReply, InterfaceError),
    (errors.BudgetExhausted, OperationalError),
    (errors.RateLimited, OperationalError),
    (errors.Unauthenticated, OperationalError),
    (errors.QueryFailed, OperationalError),
    (errors.QueryCancelled, OperationalError),
    (errors.Unavailable, OperationalError),
    (errors.Unreachable, OperationalError),
    (errors.GatewayError, InternalError),
)


class Kind:
    """One of PEP 249's type objects: equal to the SQL types that it stands for."""

    def __init__(self, *types: str) -> None:
        self._types = frozenset(types)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, str) and other in self._types)

    def __hash__(self) -> int:
        return hash(self._types)


STRING = Kind("VARCHAR", "UUID")
BINARY = Kind()
NUMBER = Kind("BIGINT", "DECIMAL", "DOUBLE")
DATETIME = Kind("DATE", "TIMESTAMP")
ROWID = Kind()

Description = tuple[str, str, None, None, int | None, int | None, None]


def connect(
    url: str | None = None,
    token: Token | None = None,
    *,
    gateway: Gateway | None = None,
    dataset: str | None = None,
    epsilon: float | Decimal | None = None,
    accuracy: Mapping[str, float] | None = None,
    purpose: str | None = None,
    dialect: str = "duckdb",
    verify: bool = True,
) -> "Connection":
    """Return a connection to the gateway at `url`, or of a client that is there already.

    The other arguments go with each of its questions, as those of `Gateway.query` do.
    """
    if gateway is None:
        if url is None or token is None:
            raise InterfaceError("connect needs an address and a token, or a gateway")
        try:
            gateway = connect_gateway(url, token)
        except errors.GatewayError as error:
            raise InterfaceError(str(error)) from error
    options: dict[str, Any] = {
        "dataset": dataset,
        "epsilon": epsilon,
        "accuracy": accuracy,
        "purpose": purpose,
        "dialect": dialect,
        "verify": verify,
    }
    return Connection(gateway, options)


class Connection:
    """A client with the options of its questions. No connection is held; `close` only ends its use."""

    def __init__(self, gateway: Gateway, options: Mapping[str, Any]) -> None:
        self._gateway: Gateway | None = gateway
        self._options = options

    def cursor(self) -> "Cursor":
        """Return a cursor."""
        self._open()
        return Cursor(self)

    def commit(self) -> None:
        """Do nothing: every question was charged, and answered, when it was asked."""
        self._open()

    def rollback(self) -> NoReturn:
        """Raise NotSupportedError: a charge is never taken back."""
        raise NotSupportedError("there are no transactions: what was asked stays charged")

    def close(self) -> None:
        """End the use of this connection and its cursors."""
        self._gateway = None

    def ask(self, sql: str, values: Sequence[object] | None) -> Result:
        """Return the answer to one statement. Raises Error."""
        gateway = self._open()
        try:
            text = sql if values is None else bind(sql, values, self._options["dialect"])
        except NotBound as error:
            raise NotSupportedError(str(error)) from error
        except ValueError as error:
            raise ProgrammingError(str(error)) from error
        try:
            return gateway.query(text, **self._options)
        except errors.GatewayError as error:
            kind = next(kind for given, kind in _KINDS if isinstance(error, given))
            raise kind(str(error)) from error

    def _open(self) -> Gateway:
        if self._gateway is None:
            raise InterfaceError("the connection is closed")
        return self._gateway

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()


class Cursor:
    """The rows of the last question. `result` is the whole of it: intervals, cost, receipt."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.result: Result | None = None
        self._next = 0
        self._closed = False

    @property
    def description(self) -> list[Description] | None:
        """Name, SQL type, precision and scale of each column; None before the first question."""
        if self.result is None:
            return None
        digits = [(column, column.digits or (None, None)) for column in self.result.columns]
        return [(c.name, c.kind, None, None, precision, scale, None) for c, (precision, scale) in digits]

    @property
    def rowcount(self) -> int:
        """How many rows the answer has; -1 before the first question."""
        return -1 if self.result is None else len(self.result.rows)

    def execute(self, operation: str, parameters: Sequence[object] | None = None) -> Self:
        """Ask one question, with a value for each `?`. Without values the text is sent as it is."""
        self._usable()
        if isinstance(parameters, Mapping | str | bytes):
            raise ProgrammingError("parameters are a sequence, one value for each question mark")
        self.result, self._next = None, 0
        self.result = self.connection.ask(operation, parameters or None)
        return self

    def executemany(self, operation: str, seq_of_parameters: Sequence[Sequence[object]]) -> NoReturn:
        """Raise NotSupportedError: each run would be charged, and only the last answer could be read."""
        raise NotSupportedError("executemany is not here: each question is charged, so ask them one by one")

    def fetchone(self) -> tuple[Value, ...] | None:
        """Return the next row; None after the last."""
        found = self.fetchmany(1)
        return found[0] if found else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Value, ...]]:
        """Return the next rows, `arraysize` of them unless said otherwise; none after the last."""
        rows = self._rows()
        begin, self._next = self._next, min(len(rows), self._next + (self.arraysize if size is None else size))
        return rows[begin : self._next]

    def fetchall(self) -> list[tuple[Value, ...]]:
        """Return all rows that are left."""
        rows = self._rows()
        begin, self._next = self._next, len(rows)
        return rows[begin:]

    def setinputsizes(self, sizes: Sequence[object]) -> None:
        """Do nothing, as PEP 249 allows."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Do nothing, as PEP 249 allows."""

    def close(self) -> None:
        """End the use of this cursor."""
        self.result, self._closed = None, True

    def _rows(self) -> list[tuple[Value, ...]]:
        self._usable()
        if self.result is None:
            raise InterfaceError("nothing was asked yet: call execute first")
        return self.result.rows

    def _usable(self) -> None:
        if self._closed:
            raise InterfaceError("the cursor is closed")

    def __iter__(self) -> Iterator[tuple[Value, ...]]:
        while (row := self.fetchone()) is not None:
            yield row

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()
