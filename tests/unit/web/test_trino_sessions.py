"""Statements as text: which each is, what SHOW is short for, and what a session's headers say."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from support.shop import planned

from gateway.errors import GatewayError
from gateway.request import Accuracy
from gateway.sql.trino.model import Namespace, Statement
from gateway.sql.trino.reading import read
from gateway.web.trino.asking import _executed
from gateway.web.trino.catalog import AGGREGATES, Shown, listing
from gateway.web.trino.session import PROPERTIES, check_property, read_session
from gateway.web.trino.shapes import SHAPES
from gateway.web.trino.statements import (
    Deallocate,
    Execute,
    Immediate,
    Kill,
    Prepare,
    Query,
    SetSession,
    Transaction,
    Use,
    spoken,
)

HERE = Namespace("gateway", "shop")


def session(**headers):
    sent = {f"X-Trino-{name.replace('_', '-')}": value for name, value in headers.items()}
    return read_session(make_mocked_request("POST", "/v1/statement", headers=sent))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("SELECT 1", Query("SELECT 1")),
        ("-- why\n/* so */ SELECT 1;", Query("-- why\n/* so */ SELECT 1;")),
        ("INSERT INTO a VALUES (1)", Query("INSERT INTO a VALUES (1)")),
        ("use gateway.shop", Use("gateway", "shop")),
        ('USE "My Shop" ;', Use(None, "My Shop")),
        ("SET SESSION epsilon = 0.5", SetSession("epsilon", "0.5")),
        ("SET SESSION gateway.purpose = 'it''s'", SetSession("purpose", "it's")),
        ("SET SESSION intervals = true", SetSession("intervals", "true")),
        ("RESET SESSION epsilon", SetSession("epsilon", None)),
        ("PREPARE a FROM SELECT ?", Prepare("a", "SELECT ?")),
        ("EXECUTE a", Execute("a", None)),
        ("EXECUTE a USING 1, 'x'", Execute("a", "1, 'x'")),
        ("EXECUTE IMMEDIATE 'SELECT ''x'', ?' USING 1", Immediate("SELECT 'x', ?", "1")),
        ("DEALLOCATE PREPARE a", Deallocate("a")),
        ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY", Transaction("START TRANSACTION")),
        ("COMMIT", Transaction("COMMIT")),
        ("ROLLBACK WORK", Transaction("ROLLBACK")),
        ("CALL system.runtime.kill_query(query_id => 'Q', message => 'm')", Kill("Q")),
        ("CALL system.runtime.kill_query('Q', 'm')", Kill("Q")),
        ("call system.runtime.kill_query(message => 'm',query_id=>'Q')", Kill("Q")),
    ],
)
def test_a_text_is_one_statement(text, meant):
    assert spoken(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "USE", "USE a.b.c", "SET SESSION a", "SET SESSION a = ", "RESET SESSION a b", "PREPARE a SELECT 1",
        "EXECUTE IMMEDIATE SELECT 1", "CALL system.runtime.kill_query('Q'", "SHOW TABLES FROM", "SHOW COLUMNS",
        "SHOW TABLES LIKE x", "DESCRIBE", "SHOW CATALOGS; SELECT 1", "COMMIT 1", "USE 'a'", 'USE "a',
    ],
)  # fmt: skip
def test_half_a_command_is_a_syntax_error_with_its_place(text):
    with pytest.raises(GatewayError) as caught:
        spoken(text)
    assert caught.value.code == "sql_syntax"
    assert caught.value.position is not None


@pytest.mark.parametrize("text", ["SHOW GRANTS", "SHOW CREATE VIEW a", "EXPLAIN ANALYZE SELECT 1", "CALL a.b.c()"])
def test_other_commands_are_refused_by_name(text):
    with pytest.raises(GatewayError) as caught:
        spoken(text)
    assert caught.value.code == "sql_not_select"


@pytest.mark.parametrize(
    "text",
    [
        "SHOW CATALOGS", "SHOW CATALOGS LIKE 'g%'", "SHOW SCHEMAS", "SHOW SCHEMAS FROM system", 'SHOW SCHEMAS IN "gateway"',
        "SHOW TABLES", "SHOW TABLES FROM shop", "SHOW TABLES FROM gateway.shop LIKE 'a$_%' ESCAPE '$'",
        "SHOW COLUMNS FROM purchases", "SHOW COLUMNS IN gateway.shop.purchases LIKE 'a%'", "DESCRIBE shop.purchases",
        "DESC purchases", "SHOW FUNCTIONS", "SHOW FUNCTIONS LIKE 'a%'", "SHOW SESSION", "SHOW CREATE TABLE purchases",
        "SHOW TABLES FROM \"it's\"",
    ],
)  # fmt: skip
def test_what_is_shown_is_a_question_of_the_catalogue(text):
    meant = read(Statement(spoken(text).sql(HERE), HERE))
    assert meant.tables is not None
    assert set(meant.tables) <= set(SHAPES)


def test_a_schema_has_to_be_named_somewhere():
    with pytest.raises(GatewayError) as caught:
        spoken("SHOW TABLES").sql(Namespace())
    assert caught.value.code == "unknown_dataset"


def test_nothing_executes_what_executes():
    held = session(Prepared_Statement="a=EXECUTE+a,b=SELECT+%3F,c=SHOW+TABLES")
    assert _executed(spoken("EXECUTE b USING 1"), held) == Query("SELECT ?", "1")
    for text, code in (
        ("EXECUTE a", "sql_not_select"),
        ("EXECUTE IMMEDIATE 'EXECUTE b'", "sql_not_select"),
        ("EXECUTE IMMEDIATE 'PREPARE x FROM SELECT 1'", "sql_not_select"),
        ("EXECUTE d", "not_found"),
        ("EXECUTE c USING 1", "bad_request"),
    ):
        with pytest.raises(GatewayError) as caught:
            _executed(spoken(text), held)
        assert caught.value.code == code, text


def test_properties_become_the_members_of_a_question():
    said = session(Catalog="gateway", Schema="shop", Session="epsilon=0.5,purpose=a%2Cb%3D,row_limit=10,intervals=true")
    asked = said.request("SELECT COUNT(*) FROM t", "shop")
    assert (said.namespace, said.intervals) == (HERE, True)
    assert (asked.epsilon, asked.purpose, asked.row_limit, asked.dialect) == (Decimal("0.5"), "a,b=", 10, "trino")
    assert asked.idempotency_key is None
    assert asked.mode == session(Session="sandbox=false").request("SELECT 1", None).mode == "authorised"
    assert session(Session="sandbox=true").request("SELECT 1", None).mode == "sandbox"
    exact = session(Session="half_width=20,confidence=0.9").request("SELECT 1", None)
    assert exact.accuracy == Accuracy(Decimal(20), None, Decimal("0.9"))
    for both in ("epsilon=1,half_width=2", "half_width=1,relative=1", "confidence=0.9", "sandbox=maybe"):
        with pytest.raises(GatewayError, match="bad_request"):
            session(Session=both).request("SELECT 1", None)


def test_an_intervals_property_is_no_part_of_the_question():
    plain, with_bars = (session(Session=f"epsilon=1,intervals={value}") for value in ("false", "true"))
    assert plain.request("SELECT 1", "shop") == with_bars.request("SELECT 1", "shop")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("colour", "red"), ("epsilon", "x"), ("epsilon", "-1"), ("epsilon", "nan"), ("row_limit", "1.5"),
        ("row_limit", "0"), ("intervals", "1"), ("confidence", "2"), ("purpose", ""), ("half_width", "1e999"),
    ],
)  # fmt: skip
def test_properties_are_refused_by_name(name, value):
    with pytest.raises(GatewayError) as caught:
        check_property(name, value)
    assert caught.value.code == "bad_request"
    assert name in caught.value.detail
    with pytest.raises(GatewayError):
        session(Session=f"{name}={value}")


@pytest.mark.parametrize("header", ["a", "=1", "epsilon=1,,b"])
def test_a_session_that_holds_no_pairs_is_refused(header):
    with pytest.raises(GatewayError, match="bad_request"):
        session(Session=header)


DOCUMENT = {
    "tables": [
        {
            "name": "purchases",
            "public": False,
            "rows": 9,
            "per_unit": {"rows": 5, "groups": 6},
            "columns": [
                {
                    "name": "amount",
                    "type": "DECIMAL(10,2)",
                    "use": ["aggregate"],
                    "nullable": False,
                    "bounds": ["0", "9"],
                },
                {"name": "it's", "type": "VARCHAR", "use": ["group"], "nullable": True, "values": ["a", "b"]},
            ],
        },
        {"name": "days", "public": True, "columns": [{"name": "d", "type": "TIMESTAMP", "use": [], "nullable": True}]},
    ]
}
SHOWN = Shown("ana", {"shop": DOCUMENT, "shut": {}}, [{"query_id": "Q", "state": "FINISHED", "charged_at": "t"}], {})


@pytest.mark.parametrize("full", sorted(SHAPES))
def test_every_table_about_tables_has_rows_of_its_shape(full):
    found = listing(full, SHOWN)
    kinds = {"VARCHAR": str, "BIGINT": int, "BOOLEAN": bool}
    for row in found.rows:
        assert len(row) == len(found.columns), row
        for cell, (name, type_) in zip(row, found.columns, strict=True):
            assert cell is None or type(cell) is kinds[type_], (name, cell)


def test_columns_are_told_as_the_policy_has_them():
    names = [name for name, _ in SHAPES["gateway.information_schema.columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in listing("gateway.information_schema.columns", SHOWN).rows]
    own = {row["column_name"]: row for row in rows if row["table_schema"] == "shop"}
    assert own["amount"]["data_type"] == "decimal(10,2)"
    assert (own["amount"]["is_nullable"], own["amount"]["ordinal_position"]) == ("NO", 1)
    assert own["amount"]["comment"] == "use: aggregate; bounds: 0 to 9"
    assert own["d"]["data_type"] == "timestamp(6)"
    names = [name for name, _ in SHAPES["system.jdbc.columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in listing("system.jdbc.columns", SHOWN).rows]
    amount = next(row for row in rows if row["column_name"] == "amount")
    assert (amount["data_type"], amount["column_size"], amount["decimal_digits"], amount["num_prec_radix"]) == (
        3,
        10,
        2,
        10,
    )
    assert (amount["nullable"], amount["is_nullable"], amount["ordinal_position"]) == (0, "NO", 1)


def test_a_dataset_that_is_shut_is_a_schema_without_tables():
    assert ("gateway", "shut") in listing("gateway.information_schema.schemata", SHOWN).rows
    assert not [row for row in listing("gateway.information_schema.tables", SHOWN).rows if row[1] == "shut"]


def test_a_table_that_there_is_not():
    with pytest.raises(GatewayError) as caught:
        listing("system.jdbc.nope", SHOWN)
    assert caught.value.code == "unknown_table"


@pytest.mark.parametrize("name", AGGREGATES)
def test_the_aggregates_that_are_shown_are_answered(name):
    two = name in ("corr", "covar_pop", "covar_samp", "regr_intercept", "regr_slope")
    if name in ("bool_and", "bool_or", "every"):
        arguments = "quantity > 3"
    else:
        arguments = "quantity, score" if two else "quantity"
    planned(f"SELECT {name}({arguments}) FROM purchases", "trino")


def test_every_property_is_shown():
    assert [row[0] for row in listing("system.gateway.session_properties", SHOWN).rows] == list(PROPERTIES)


def test_the_documentation_names_every_property():
    text = (Path(__file__).parents[3] / "docs" / "trino.md").read_text(encoding="utf-8")
    table = text.partition("## Session properties")[2].partition("## What comes back")[0]
    assert {name for name in re.findall(r"`(\w+)`", table) if name in PROPERTIES} == set(PROPERTIES)
