"""EXPLAIN and DESCRIBE of prepared statements through Trino's door: the gateway's own quote, and nothing charged."""

import json
from urllib.parse import quote

import pytest
from support.trino_clients import ask, connect

SQL = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort"


def post(gateway, sql, token, **headers):
    sent = {"Content-Type": "text/plain", "X-Trino-Schema": "shop", **headers}
    status, body = gateway.call("POST", "/v1/statement", raw=sql.encode(), token=token, headers=sent)
    assert status == 200, body
    return json.loads(body)


def prepared(**statements):
    return {"X-Trino-Prepared-Statement": ",".join(f"{name}={quote(sql, safe='')}" for name, sql in statements.items())}


def test_a_plan_is_the_quote_and_costs_nothing(gateway):
    before = gateway.spent()
    rows, cursor = ask(connect(gateway), f"EXPLAIN {SQL}")
    assert [column[0] for column in cursor.description] == ["Query Plan"]
    ((text,),) = rows
    told = json.loads(gateway.call("POST", "/v1/quote", {"sql": SQL})[1])
    assert f"price: {told['price']['amount']} CNY" in text
    assert f"rho {told['privacy']['rho']:g}" in text
    assert f"error of n at 0.95: ± {told['expected']['half_width']['n']:,.4g}" in text
    assert "cohort: VARCHAR" in text
    for word in ("scan", "filter", "duckdb", "rows read"):
        assert word not in text.lower(), "nothing of an engine's plan"
    rows, _ = ask(connect(gateway), f"EXPLAIN (TYPE DISTRIBUTED, FORMAT JSON) {SQL}")
    assert json.loads(rows[0][0])["price"] == told["price"]
    assert gateway.spent() == before


def test_a_session_is_heeded(gateway):
    token = gateway.token()
    few, many = (
        post(gateway, f"EXPLAIN {SQL}", token, **{"X-Trino-Session": f"epsilon={epsilon}"})["data"][0][0]
        for epsilon in ("0.1", "1.5")
    )
    assert "epsilon 0.1 asked for" in few
    assert "epsilon 1.5 asked for" in many


def test_whether_a_query_would_be_answered(gateway):
    token = gateway.token()
    page = post(gateway, f"EXPLAIN (TYPE VALIDATE) {SQL}", token)
    assert ([column["name"] for column in page["columns"]], page["data"]) == (["Valid"], [[True]])
    wrong = "EXPLAIN (TYPE VALIDATE)\n  SELECT amount FROM purchases"
    error = post(gateway, wrong, token)["error"]
    assert error["message"].startswith("line 2:"), "places are those of the statement"
    assert "raw_rows" in error["message"]
    direct = post(gateway, "SELECT amount FROM purchases", token)["error"]
    assert error["errorLocation"]["columnNumber"] == direct["errorLocation"]["columnNumber"] + 2


def test_questions_of_the_catalogue_are_free(gateway):
    token = gateway.token()
    assert "free" in post(gateway, "EXPLAIN SELECT table_name FROM information_schema.tables", token)["data"][0][0]
    assert post(gateway, "EXPLAIN (TYPE VALIDATE) SELECT 1", token)["data"] == [[True]]


REFUSED = {
    "EXPLAIN ANALYZE " + SQL: "analysed",
    f"EXPLAIN (TYPE IO) {SQL}": "not explained",
    f"EXPLAIN (FORMAT GRAPHVIZ) {SQL}": "not explained",
    f"EXPLAIN (COST) {SQL}": "TYPE or FORMAT",
    f"EXPLAIN (TYPE LOGICAL {SQL}": ") is expected",
    "EXPLAIN SHOW TABLES": "sql_not_select",
    "EXPLAIN DROP TABLE purchases": "sql_not_select",
    "EXPLAIN SELECT secret FROM purchases": "unknown_column",
    "EXPLAIN": "A query is expected",
    "EXPLAIN (TYPE VALIDATE) ;": "A query is expected",
}  # fmt: skip


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_not_explained_is_refused_by_name(gateway, sql):
    assert REFUSED[sql] in post(gateway, sql, gateway.token())["error"]["message"]


def test_explaining_with_parameters(gateway):
    sql = "EXPLAIN SELECT COUNT(*) AS n FROM customers WHERE cohort = ?"
    token, header = gateway.token(), prepared(a=sql)
    assert "error of n" in post(gateway, "EXECUTE a USING '1997-01'", token, **header)["data"][0][0]
    rows, _ = ask(connect(gateway), sql, ["1997-01"])
    assert "error of n" in rows[0][0]


def test_parameters_and_columns_of_prepared_statements(gateway):
    token = gateway.token()
    header = prepared(
        a="SELECT cohort, COUNT(*) AS n FROM customers WHERE cohort <> ? AND '?' = \"x?\" -- ?\n OR cohort = ? GROUP BY 1",
        b="SELECT cohort, COUNT(*) AS n, AVG(amount) AS a FROM customers JOIN purchases USING (customer_id) GROUP BY 1",
        c="SELECT table_name, ordinal_position FROM information_schema.columns",
        d="SHOW TABLES",
    )
    before = gateway.spent()
    assert post(gateway, "DESCRIBE INPUT a", token, **header)["data"] == [[0, "unknown"], [1, "unknown"]]
    none = post(gateway, "DESCRIBE INPUT b", token, **header)
    assert ("data" in none, [column["name"] for column in none["columns"]]) == (False, ["Position", "Type"])
    columns = post(gateway, "DESCRIBE OUTPUT b", token, **header)["data"]
    assert [(row[0], row[4]) for row in columns] == [("cohort", "varchar"), ("n", "bigint"), ("a", "double")]
    columns = post(gateway, "describe output c", token, **header)["data"]
    assert [(row[0], row[4]) for row in columns] == [("table_name", "varchar"), ("ordinal_position", "bigint")]
    for sql, words in (
        ("DESCRIBE OUTPUT a", "parameters"),
        ("DESCRIBE OUTPUT d", "Only queries"),
        ("DESCRIBE INPUT nothing", "nothing"),
    ):
        assert words in post(gateway, sql, token, **header)["error"]["message"]
    assert gateway.spent() == before


def test_a_table_may_be_called_input(gateway):
    error = post(gateway, "DESCRIBE input", gateway.token())["error"]["message"]
    assert "no table 'input'" in error


def test_nothing_is_explained_to_a_stranger(gateway):
    error = post(gateway, "EXPLAIN SELECT COUNT(*) FROM shop.customers", gateway.token("sam", "strangers"))["error"]
    assert "unknown_dataset" in error["message"]
