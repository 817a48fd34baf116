"""What clients ask of the catalogue: each is answered, free, from policies alone, and touches no engine."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support.thinning import one_in
from support.trino_clients import ask, connect
from trino.exceptions import TrinoUserError

QUESTIONS = [
    (client, one["sql"], one["rows"])
    for client, asked in YAML(typ="safe").load(Path(__file__).parents[1] / "clients" / "catalogue.yaml").items()
    for one in asked
]


@pytest.mark.parametrize(
    ("client", "sql", "rows"), one_in(3, QUESTIONS), ids=[f"{c.split()[0]}-{i}" for i, (c, *_) in enumerate(QUESTIONS)]
)
def test_every_recorded_question_is_answered(gateway, client, sql, rows):
    found, cursor = ask(connect(gateway), sql)
    assert cursor.description
    assert rows is None or len(found) == rows, (client, found)


def test_none_of_it_is_charged_logged_or_measured(own):
    gateway = own()
    gateway.data.unlink()  # an engine that opened it would fail
    connection = connect(gateway)
    for _, sql, _ in QUESTIONS[::5]:
        ask(connection, sql)
    assert gateway.events("billing", "provider") == []


def test_who_has_no_grant_sees_no_dataset(gateway):
    connection = connect(gateway, token=gateway.token("eve", "strangers"))
    assert ask(connection, "SHOW SCHEMAS")[0] == [["information_schema"]]
    assert ask(connection, "SELECT * FROM information_schema.tables WHERE table_schema = 'shop'")[0] == []
    for sql in ("DESCRIBE shop.purchases", "USE shop", "SHOW CREATE TABLE shop.purchases"):
        with pytest.raises(TrinoUserError, match="unknown_"):
            ask(connection, sql)


def test_past_queries_are_ones_own(gateway):
    connection = connect(gateway)
    _, cursor = ask(connection, "SELECT COUNT(*) AS n FROM customers")
    found, _ = ask(connection, "SELECT query_id, state FROM system.runtime.queries")
    assert [cursor.query_id, "FINISHED"] in found
    other = connect(gateway, token=gateway.token("bob"))
    assert ask(other, "SELECT query_id FROM system.runtime.queries")[0] == []


def test_hidden_columns_stay_hidden(gateway):
    found, _ = ask(
        connect(gateway), "SELECT column_name FROM information_schema.columns WHERE table_name = 'purchases'"
    )
    assert sorted(name for (name,) in found) == ["amount", "basket", "customer_id", "purchased_on", "quantity"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM information_schema.tables a, information_schema.columns b, information_schema.columns c, information_schema.columns d",
        (
            "SELECT COUNT(*) FROM system.jdbc.columns a, system.jdbc.columns b, system.jdbc.columns c, "
            "system.jdbc.columns d WHERE a.column_name || b.column_name || c.column_name || d.column_name LIKE '%q%z%q%'"
        ),
    ],
)
def test_a_look_up_that_is_too_much_ends_and_holds_nobody_up(gateway, sql):
    with pytest.raises(Exception, match="too_large|sql_too_complex"):
        ask(connect(gateway), sql)
    assert ask(connect(gateway), "SELECT 1")[0] == [[1]]
