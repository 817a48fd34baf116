"""What queries of Trino's door mean: names, parameters, and which of them ask the catalogue."""

import pytest
from sqlglot import exp

from gateway.errors import GatewayError, Position
from gateway.sql.parse import parse
from gateway.sql.trino.lookups import SERVER_VERSION
from gateway.sql.trino.model import Namespace, Statement
from gateway.sql.trino.reading import read

HERE = Namespace("gateway", "shop")


def meant(sql, parameters=None, namespace=HERE):
    return read(Statement(sql, namespace, parameters, "ana"))


def refused(sql, parameters=None, namespace=HERE):
    with pytest.raises(GatewayError) as caught:
        meant(sql, parameters, namespace)
    return caught.value


@pytest.mark.parametrize(
    ("sql", "bare", "dataset"),
    [
        ("SELECT COUNT(*) FROM purchases", "SELECT COUNT(*) FROM purchases", "shop"),
        ("SELECT COUNT(*) FROM shop.purchases", "SELECT COUNT(*) FROM      purchases", "shop"),
        (
            "SELECT 'é', COUNT(*) FROM gateway.shop.\"purchases\"",
            "SELECT 'é', COUNT(*) FROM              \"purchases\"",
            "shop",
        ),
        ("SELECT COUNT(*)\nFROM other .\n  purchases p", "SELECT COUNT(*)\nFROM        \n  purchases p", "other"),
        (
            "SELECT SUM(gateway.shop.purchases.amount) FROM Shop.purchases",
            "SELECT SUM(             purchases.amount) FROM      purchases",
            "shop",
        ),
        (
            "WITH c AS (SELECT 1 AS one FROM shop.purchases) SELECT COUNT(*) FROM c",
            "WITH c AS (SELECT 1 AS one FROM      purchases) SELECT COUNT(*) FROM c",
            "shop",
        ),
    ],
)
def test_qualifiers_name_the_dataset_and_leave_every_word_where_it_was(sql, bare, dataset):
    found = meant(sql)
    assert (found.sql, found.dataset, found.tables) == (bare, dataset, None)
    assert len(bare) == len(sql)


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT COUNT(*) FROM shop.purchases, other.customers", "unknown_table"),
        ("SELECT COUNT(*) FROM purchases, other.customers", "unknown_table"),
        ("SELECT COUNT(*) FROM hive.shop.purchases", "unknown_dataset"),
        ("SELECT SUM(other.purchases.amount) FROM shop.purchases", "unknown_table"),
        ("SELECT SUM(hive.shop.purchases.amount) FROM shop.purchases", "unknown_table"),
        ("SELECT COUNT(*) FROM shop.purchases, information_schema.tables", "unsupported_sql"),
        ("SELECT COUNT(*) FROM purchases WHERE EXISTS (SELECT 1 FROM system.jdbc.tables)", "unsupported_sql"),
        ('SELECT * FROM shop."purchases$partitions"', "unknown_table"),
        ("SELECT * FROM TABLE(read(1))", "table_function"),
        ("SELECT", "sql_syntax"),
        ("DROP TABLE purchases", "sql_not_select"),
    ],
)
def test_names_that_mix_or_are_nobodys_are_refused(sql, code):
    assert refused(sql).code == code


@pytest.mark.parametrize(
    "sql",
    [
        "WITH purchases AS (SELECT 1 AS one FROM shop.customers) SELECT COUNT(*) FROM shop.purchases",
        "SELECT COUNT(*) FROM (WITH Purchases AS (SELECT 1 AS one FROM customers) SELECT * FROM purchases) x, shop.purchases",
        "SELECT SUM(shop.purchases.amount) FROM shop.purchases p JOIN customers purchases USING (customer_id)",
        "SELECT SUM(shop.purchases.amount) FROM shop.purchases JOIN (SELECT 1 AS a FROM shop.customers) purchases ON true",
    ],
)
def test_a_qualified_name_never_becomes_another_thing_of_that_name(sql):
    error = refused(sql)
    assert (error.code, "something else" in error.detail) == ("unsupported_sql", True)


def test_a_table_may_be_its_own_alias():
    assert meant("SELECT SUM(shop.purchases.amount) FROM shop.purchases AS purchases").dataset == "shop"


def test_a_name_without_a_schema_belongs_to_the_session_or_to_nobody_yet():
    assert meant("SELECT COUNT(*) FROM purchases", namespace=Namespace()).dataset is None
    assert refused("SELECT COUNT(*) FROM purchases, shop.customers", namespace=Namespace()).code == "unknown_table"


@pytest.mark.parametrize(
    ("parameters", "bound"),
    [
        ("1, 'x'", "1 AND b = 'x'"),
        ("-1.5, 'it''s -- ? ; \"'", "-1.5 AND b = 'it''s -- ? ; \"'"),
        ("DECIMAL '-12.50', NULL", "-12.50 AND b = NULL"),
        ("DOUBLE '1.5', true", "CAST('1.5' AS DOUBLE) AND b = TRUE"),
        ("DATE '1997-01-01', UUID 'a'", "CAST('1997-01-01' AS DATE) AND b = CAST('a' AS UUID)"),
    ],
)
def test_constants_take_the_places_of_parameters(parameters, bound):
    question = "SELECT COUNT(*) /* ? */ FROM purchases WHERE c = '?' AND a = ? AND b = ?"
    found = meant(question, parameters).sql
    assert found == f"SELECT COUNT(*) /* ? */ FROM purchases WHERE c = '?' AND a = {bound}"


@pytest.mark.parametrize(
    "parameter",
    [
        "1 OR 1 = 1", "(SELECT 1)", "amount", "1 AS a", "now()", "DATE amount", "1 + 1", "ARRAY[1]", "*", "x'00'",
        "DECIMAL 'nan'", "DECIMAL '1e99'", "CAST(1 AS DATE)",
    ],
)  # fmt: skip
def test_what_is_no_constant_is_no_parameter(parameter):
    assert refused("SELECT COUNT(*) FROM purchases WHERE a = ?", parameter).code == "bad_request"


@pytest.mark.parametrize("parameters", ["1 FROM x", "1 WHERE true", "1; DROP TABLE x", "1)", "1 UNION SELECT 2", ""])
def test_text_behind_using_cannot_leave_its_place(parameters):
    error = refused("SELECT COUNT(*) FROM purchases WHERE a = ?", parameters)
    assert error.code in ("bad_request", "unsupported_sql", "sql_syntax", "sql_not_select")


def test_as_many_parameters_as_places():
    question = "SELECT COUNT(*) FROM purchases WHERE a = ?"
    error = refused(question, "1, 2")
    assert (error.code, error.position) == ("bad_request", Position(1, 42))
    assert refused(question).code == "bad_request"
    assert refused("SELECT COUNT(*) FROM purchases", "1").code == "bad_request"


def test_what_is_of_the_session_is_told_as_it_is():
    found = meant("SELECT version(), current_user, current_catalog, current_schema, current_timezone() AS tz")
    values = [one.name for one in parse(found.sql, "duckdb").find_all(exp.Literal)]
    assert sorted(values) == sorted([SERVER_VERSION, "ana", "gateway", "shop", "UTC"])
    assert found.tables == ()
    assert '"_col0"' in found.sql
    assert '"tz"' in found.sql


def test_tables_about_tables_are_renamed_to_what_is_registered():
    found = meant(
        "SELECT t.table_name FROM information_schema.tables AS t JOIN system.jdbc.columns c USING (table_name)"
    )
    assert found.tables == ("gateway.information_schema.tables", "system.jdbc.columns")
    names = {table.this.name for table in parse(found.sql, "duckdb").find_all(exp.Table)}
    assert names == set(found.tables)


def test_a_name_of_duckdbs_own_is_reached_by_none():
    sql = "WITH sqlite_master AS (SELECT 1 AS a) SELECT * FROM sqlite_master"
    assert '"with sqlite_master"' in meant(sql).sql
    inner = "SELECT * FROM (WITH duckdb_settings AS (SELECT 1 AS a) SELECT * FROM duckdb_settings) x, duckdb_settings y"
    names = {table.this.name for table in parse(meant(inner).sql, "duckdb").find_all(exp.Table)}
    assert names == {"with duckdb_settings"}


@pytest.mark.parametrize(
    "expression",
    [
        "read_text('/etc/passwd')", "getenv('HOME')", "query('SELECT 1')", "random()", "now()", "current_timestamp",
        "sleep(1)", "nextval('a')", "x -> x + 1", "ARRAY[1, 2]", "repeat('a', 1000000000)", "sequence(1, 1000000)",
        "json_extract('1', '$')", "rpad('a', 1000000000, 'b')", "generate_series(1, 10)", "row_number() OVER ()",
    ],
)  # fmt: skip
def test_functions_that_are_not_on_the_list_are_refused_over_the_catalogue(expression):
    error = refused(f"SELECT {expression} FROM information_schema.tables")
    assert error.code in ("unsupported_function", "unsupported_sql", "sql_syntax"), error


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM information_schema.tables TABLESAMPLE BERNOULLI (10)",
        "SELECT * FROM information_schema.tables, UNNEST(ARRAY[1]) AS u (x)",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r",
        "SELECT * FROM information_schema.tables MATCH_RECOGNIZE (PATTERN (A) DEFINE A AS true)",
        "SELECT * FROM information_schema.tables FOR VERSION AS OF 1",
        "SELECT * FROM information_schema.tables, LATERAL (SELECT 1)",
    ],
)
def test_constructs_that_are_not_on_the_list_are_refused_over_the_catalogue(sql):
    assert refused(sql).code.startswith(("unsupported_", "sql_", "table_function"))


def test_a_column_of_the_catalogue_is_qualified_by_what_is_read():
    for qualified in ("tables", "information_schema.tables", "gateway.information_schema.tables"):
        meant(f"SELECT {qualified}.table_name FROM information_schema.tables")
    for other in ("other.tables", "system.information_schema.tables"):
        assert refused(f"SELECT {other}.table_name FROM information_schema.tables").code == "unknown_column"
