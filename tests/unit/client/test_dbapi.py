"""DB-API 2.0 over a client that answers from a list."""

import json

import pytest
from support.clients import document, problem

from gateway.client import dbapi
from gateway.client.asking import Answered, question
from gateway.client.errors import (
    BadReply,
    BudgetExhausted,
    GatewayError,
    QueryCancelled,
    QueryFailed,
    RateLimited,
    ReceiptError,
    Refused,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from gateway.client.result import result_of
from gateway.client.wire import error_of


class Answers:
    """Satisfies as much of Gateway as a connection asks of it."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def query(self, sql, **options):
        self.asked.append((sql, options))
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return result_of(question(sql), Answered(json.dumps(found).encode(), found, None))


THREE = document(
    columns=[{"name": "n", "type": "BIGINT"}, {"name": "s", "type": "DECIMAL(12,2)"}, {"name": "day", "type": "DATE"}],
    rows=[[n, None, None] for n in range(3)], intervals={},
)  # fmt: skip


def cursor(*answers, **options):
    return dbapi.connect(gateway=Answers(*answers), **options).cursor()


def test_the_module_says_what_it_is():
    assert (dbapi.apilevel, dbapi.threadsafety, dbapi.paramstyle) == ("2.0", 2, "qmark")
    for name in (
        "DataError",
        "OperationalError",
        "IntegrityError",
        "InternalError",
        "ProgrammingError",
        "NotSupportedError",
    ):
        assert issubclass(getattr(dbapi, name), dbapi.DatabaseError)
    assert issubclass(dbapi.DatabaseError, dbapi.Error)
    assert issubclass(dbapi.InterfaceError, dbapi.Error)
    assert not issubclass(dbapi.Warning, dbapi.Error)


def test_rows_are_fetched_in_order():
    made = cursor(THREE, THREE)
    assert (made.description, made.rowcount) == (None, -1)
    with pytest.raises(dbapi.InterfaceError, match="execute first"):
        made.fetchone()
    assert made.execute("SELECT 1") is made
    assert made.description == [
        ("n", "BIGINT", None, None, None, None, None), ("s", "DECIMAL", None, None, 12, 2, None),
        ("day", "DATE", None, None, None, None, None),
    ]  # fmt: skip
    assert [
        entry[1] == kind
        for entry, kind in zip(made.description, (dbapi.NUMBER, dbapi.NUMBER, dbapi.DATETIME), strict=True)
    ] == [True] * 3
    assert made.description[0][1] != dbapi.STRING
    assert made.rowcount == 3
    assert made.fetchone() == (0, None, None)
    assert made.fetchmany() == [(1, None, None)]
    assert made.fetchmany(5) == [(2, None, None)]
    assert (made.fetchone(), made.fetchmany(2), made.fetchall()) == (None, [], [])
    made.execute("SELECT 1")
    made.arraysize = 2
    assert len(made.fetchmany()) == 2
    assert [row[0] for row in made] == [2]


def test_values_are_bound_and_options_go_with_each_question():
    made = cursor(THREE, THREE, dataset="shop", epsilon=0.1, dialect="postgres", verify=False)
    made.execute("SELECT ?", ["it's"])
    made.execute("SELECT '?'")
    (first, options), (second, _) = made.connection._gateway.asked
    assert (first, second) == ("SELECT 'it''s'", "SELECT '?'")
    assert options == {
        "dataset": "shop",
        "epsilon": 0.1,
        "accuracy": None,
        "purpose": None,
        "dialect": "postgres",
        "verify": False,
    }


def test_what_cannot_be_bound_asks_nothing():
    made = cursor()
    for sql, values, kind in (
        ("SELECT ?", [b"x"], dbapi.NotSupportedError),
        ("SELECT $$?$$", ["x"], dbapi.NotSupportedError),
        ("SELECT ?", [1, 2], dbapi.ProgrammingError),
        ("SELECT ?", {"a": 1}, dbapi.ProgrammingError),
        ("SELECT ?", "ab", dbapi.ProgrammingError),
    ):
        with pytest.raises(kind):
            made.execute(sql, values)
    assert made.connection._gateway.asked == []


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Refused, dbapi.ProgrammingError), (BudgetExhausted, dbapi.OperationalError), (RateLimited, dbapi.OperationalError),
     (Unauthenticated, dbapi.OperationalError), (QueryFailed, dbapi.OperationalError), (QueryCancelled, dbapi.OperationalError),
     (Unavailable, dbapi.OperationalError), (Unreachable, dbapi.OperationalError), (ReceiptError, dbapi.IntegrityError),
     (BadReply, dbapi.InterfaceError), (GatewayError, dbapi.InternalError)],
)  # fmt: skip
def test_each_error_has_its_place_and_its_cause(kind, expected):
    cause = kind("code", "what is wrong", "what to do")
    made = cursor(cause)
    with pytest.raises(dbapi.Error, match="what is wrong") as caught:
        made.execute("SELECT 1")
    assert (type(caught.value), caught.value.__cause__) == (expected, cause)
    with pytest.raises(dbapi.InterfaceError):
        made.fetchall()


def test_there_are_no_transactions_and_no_runs_of_many():
    made = cursor()
    assert made.connection.commit() is None
    with pytest.raises(dbapi.NotSupportedError, match="stays charged"):
        made.connection.rollback()
    with pytest.raises(dbapi.NotSupportedError, match="one by one"):
        made.executemany("SELECT ?", [[1], [2]])
    made.setinputsizes([1])
    made.setoutputsize(1)


def test_what_is_closed_is_not_used():
    with dbapi.connect(gateway=Answers(THREE)) as connection:
        with connection.cursor() as made:
            made.execute("SELECT 1")
        with pytest.raises(dbapi.InterfaceError, match="cursor is closed"):
            made.fetchall()
        other = connection.cursor()
    for use in (connection.cursor, connection.commit, lambda: other.execute("SELECT 1")):
        with pytest.raises(dbapi.InterfaceError, match="connection is closed"):
            use()


def test_a_connection_needs_an_address_and_a_token():
    for given in (
        {},
        {"url": "http://127.0.0.1:1"},
        {"token": "t"},
        {"url": "nonsense", "token": "t"},
        {"url": "http://h", "token": "a b"},
    ):
        with pytest.raises(dbapi.InterfaceError):
            dbapi.connect(**given)


def test_an_error_shows_the_place_in_the_statement():
    error = error_of(problem(400, "raw_rows", position={"line": 2, "column": 3}))
    error.sql = "SELECT\n\tamount\nFROM t"
    assert str(error) == "raw_rows: what\n   amount\n    ^\nhint: instead"
