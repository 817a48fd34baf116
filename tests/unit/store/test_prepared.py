"""A statement that is compiled once finds and writes what SQLAlchemy's own way does, on both stores."""

import pytest
from sqlalchemy import bindparam, delete, insert, select, tuple_, union_all, update
from sqlalchemy.exc import DBAPIError, MultipleResultsFound

from gateway.errors import GatewayError
from gateway.store.prepared import Prepared
from gateway.store.tables import claims, facts, nodes, releases

ROWS = [{"buyer": f"a/{n % 2}", "digest": f"d{n}", "content": bytes([0, n])} for n in range(6)]
OF = releases.c.buyer == bindparam("of")
DIGESTS = releases.c.digest.in_(bindparam("digests", expanding=True))
PLACES = tuple_(releases.c.buyer, releases.c.digest).in_(bindparam("places", expanding=True))
ASKED = [
    (select(releases).where(OF), {"of": "a/1"}),
    (select(releases).where(OF), {"of": None}),
    (select(releases).where(OF, DIGESTS), {"of": "a/0", "digests": ["d0", "d1", "d2"]}),
    (select(releases).where(OF, DIGESTS), {"of": "a/0", "digests": ("d4",)}),
    (select(releases).where(OF, DIGESTS), {"of": "a/0", "digests": []}),
    (select(releases.c.content).where(PLACES), {"places": [("a/1", "d1"), ("a/0", "d1"), ("a/0", "d2")]}),
    (select(releases.c.digest).where(releases.c.digest.in_(("d2", "d3")), OF), {"of": "a/0"}),
    (select(releases.c.digest).where(releases.c.buyer == "a/0").limit(bindparam("most")), {"most": 2}),
    (union_all(select(releases.c.digest).where(OF), select(facts.c.name).where(facts.c.value == bindparam("of"))),
     {"of": "a/1"}),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "values"), ASKED)
async def test_it_finds_what_sqlalchemy_finds(store, statement, values):
    prepared = Prepared(statement)

    def both(connection):
        ours, theirs = prepared.rows(connection, values), connection.execute(statement, values).all()
        assert [tuple(row) for row in ours] == [tuple(row) for row in theirs]
        return ours

    await store.run(lambda connection: connection.execute(insert(releases), ROWS))
    for look in (store.run, store.read, store.read, store.glance):
        ours = await look(both) if look != store.glance else await store.glance(lambda c: prepared.rows(c, values))
        assert all(type(value) in (str, bytes) for row in ours for value in row)


async def test_rows_are_named_as_their_columns(store):
    await store.run(lambda connection: connection.execute(insert(releases), ROWS))
    one = Prepared(select(releases).where(releases.c.digest == bindparam("name")))
    found = await store.glance(lambda connection: one.one_or_none(connection, {"name": "d3"}))
    assert (found.buyer, found.digest, found.content) == ("a/1", "d3", b"\0\3")
    assert await store.glance(lambda connection: one.value(connection, {"name": "d3"})) == "a/1"
    assert await store.glance(lambda connection: one.one_or_none(connection, {"name": "none"})) is None
    assert await store.glance(lambda connection: one.value(connection, {"name": "none"})) is None


async def test_of_several_rows_where_one_is_looked_for_none_is_chosen(store):
    await store.run(lambda connection: connection.execute(insert(releases), ROWS))
    every = Prepared(select(releases))
    for look in (every.one_or_none, every.value):
        with pytest.raises(MultipleResultsFound):
            await store.read(lambda connection, look=look: look(connection, {}))


async def test_lists_of_many_lengths_one_after_another(store):
    await store.run(lambda connection: connection.execute(insert(releases), ROWS))
    some = Prepared(select(releases.c.digest).where(DIGESTS).order_by(releases.c.digest))
    for length in (*range(7), 300, 2, 299, 0, 5):
        names = [f"d{n}" for n in range(length)]
        found = await store.read(lambda connection, names=names: some.rows(connection, {"digests": names}))
        assert [row.digest for row in found] == names[:6]


async def test_it_writes_and_changes_within_the_work_and_is_undone_with_it(store):
    write = Prepared(insert(claims))
    move = Prepared(update(claims).where(claims.c.buyer == bindparam("of")).values(query_id=bindparam("now")))
    drop = Prepared(delete(claims).where(claims.c.query_id == bindparam("of")))
    rows = [{"buyer": "a/b", "digest": f"d{n}", "query_id": "Q1"} for n in range(3)]
    every = select(claims.c.digest, claims.c.query_id).order_by(claims.c.digest)

    def failing(connection):
        write.write(connection, rows[:1])
        write.write(connection, rows[1:])
        assert move.change(connection, {"of": "a/b", "now": "Q2"}) == 3
        raise GatewayError("bad_request", "undone")

    def kept(connection):
        write.write(connection, rows)
        assert move.change(connection, {"of": "nobody", "now": "Q2"}) == 0
        assert move.change(connection, {"of": "a/b", "now": "Q3"}) == 3
        return connection.execute(every).all()

    with pytest.raises(GatewayError, match="bad_request"):
        await store.run(failing)
    assert await store.read(lambda connection: connection.execute(every).all()) == []
    assert await store.run(kept) == [("d0", "Q3"), ("d1", "Q3"), ("d2", "Q3")]
    assert await store.run(lambda connection: drop.change(connection, {"of": "Q3"})) == 3


async def test_what_the_database_refuses_is_an_error_as_sqlalchemy_has_it(store):
    write = Prepared(insert(nodes))
    row = {"level": 0, "position": 0, "hash": b"x"}
    await store.run(lambda connection: write.write(connection, [row]))
    with pytest.raises(DBAPIError) as caught:
        await store.run(lambda connection: write.write(connection, [row]))
    with pytest.raises(DBAPIError) as as_theirs:
        await store.run(lambda connection: connection.execute(insert(nodes), row))
    assert type(caught.value) is type(as_theirs.value)
    assert await store.run(lambda connection: len(connection.execute(select(nodes)).all())) == 1


async def test_a_glance_may_not_write(store):
    write = Prepared(insert(facts))
    with pytest.raises(GatewayError, match="store_unavailable"):
        await store.glance(lambda connection: write.write(connection, [{"name": "y", "value": "1"}]))
    assert await store.read(lambda connection: connection.execute(select(facts).where(facts.c.name == "y")).all()) == []
