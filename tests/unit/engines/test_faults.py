"""A fault of DuckDB itself ends one question, and none of those that come after it."""

import duckdb
import pyarrow as pa
import pytest

from gateway.catalog.listing import BIGINT, Listing
from gateway.catalog.types import INTEGER
from gateway.engines.post import PostProcessor
from gateway.privacy.measurement import Derived, Finish, OutputColumn

LISTINGS = {"t": Listing((("n", BIGINT),), ((1,), (2,)))}
SQL = 'SELECT SUM(n) AS n FROM "t"'


class Broken:
    """A connection whose database has been invalidated: each statement fails, as DuckDB has it."""

    def __init__(self, connection, fault, sound=0):
        self._connection, self._fault, self._sound = connection, fault, sound

    def execute(self, *given):
        """Run the first `sound` statements, and no other."""
        self._sound -= 1
        if self._sound < 0:
            raise self._fault
        return self._connection.execute(*given)

    sql = execute

    def __getattr__(self, name):
        return getattr(self._connection, name)


@pytest.mark.parametrize("kind", [duckdb.InternalException, duckdb.FatalException])
def test_the_next_look_up_has_another_database(kind):
    post = PostProcessor()
    post._connection = Broken(post._connection, kind("invalidated"))
    with pytest.raises(kind):
        post.look_up(SQL, LISTINGS)
    assert post.look_up(SQL, LISTINGS).rows == [[3]]
    assert post._connection.execute("SELECT current_setting('lock_configuration')").fetchall() == [(True,)]


def test_the_next_answer_has_another_database():
    post = PostProcessor()
    derived = Derived("d", "SELECT 1 AS n", (("n", INTEGER),))
    post._connection = Broken(post._connection, duckdb.FatalException("invalidated"))
    with pytest.raises(duckdb.FatalException):
        post.derive([], {}, [], derived)
    assert pa.ipc.open_stream(post.derive([], {}, [], derived)).read_all().to_pylist() == [{"n": 1}]


def test_a_redraw_that_breaks_the_database_leaves_the_answer_whole_and_the_next_one_its_bars():
    post = PostProcessor()
    columns = (OutputColumn("n", INTEGER, noisy=True),)
    finish = Finish("SELECT 7 AS n", 0, "SELECT __draw, 7 AS n FROM __draws", columns, ordered=False)
    post._connection = Broken(post._connection, duckdb.InternalException("assertion"), sound=1)
    found = post.finish([], {}, [], finish, 1, None)
    assert (found.rows, found.intervals) == ([[7]], {"n": [None]})
    assert post.finish([], {}, [], finish, 1, None).intervals == {"n": [[7, 7]]}


def test_an_error_that_is_no_fault_keeps_the_database():
    post = PostProcessor()
    before = post._connection
    with pytest.raises(duckdb.Error):
        post.look_up("SELECT * FROM read_text('/etc/hostname')", {})
    assert post._connection is before
