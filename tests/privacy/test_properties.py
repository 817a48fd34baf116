"""Properties of whatever SQL comes: read back the same, nothing off the allow-list, bounds kept on neighbours."""

import json
from functools import cache

import duckdb
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from sqlglot import exp
from support.neighbours import pair, violations
from support.queries import ANSWERED
from support.shop import SHOP, planned
from support.strategies import SOURCES, queries, truths

from gateway.errors import CODES, GatewayError
from gateway.planning import Planned
from gateway.privacy.measurement import Derived, PublicRead
from gateway.sql.parse import parse

FUNCTIONS = {
    "%", "*", "+", "-", "/", "//", "||", "~~", "!~~", "~~*", "!~~*", "abs", "ceil", "count", "date_part", "date_trunc", "floor",
    "greatest", "isfinite", "least", "length", "lower", "md5", "nullif", "round", "row_number", "substring", "sum", "trim", "upper",
    "acos", "ascii", "asin", "count_star", "atan", "atan2", "cbrt", "concat_ws", "contains", "cos", "date_diff", "degrees",
    "epoch_us", "exp", "isinf", "isnan", "last_day", "left", "ln", "log", "lpad", "ltrim", "make_date", "power",
    "radians", "regexp_matches", "replace", "right", "rpad", "rtrim", "sign", "sin", "split_part", "sqrt",
    "starts_with", "strftime", "strpos", "suffix", "tan", "to_days", "to_microseconds", "to_months", "translate",
    "trunc", "try_strptime",
}  # fmt: skip
CLASSES = {
    "BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "OPERATOR", "PARAMETER", "STAR",
    "TYPE", "WINDOW",
}  # fmt: skip
STEPS = {f"{kind}{number}" for kind in ("m", "r", "__staged", "__s") for number in range(4)}
TABLES = {table.name for table in SHOP.tables} | {"r", "a", "b", "n", "m", "g", "d"} | STEPS
"""Base tables, the steps of a measurement (compile/cells, tree, distinct) and its noisy table."""
FRAMES = {"BASE_TABLE", "JOIN", "SUBQUERY", "EMPTY", "SELECT_NODE", "EXPRESSION_LIST"}


def engine_texts(made: Planned) -> list[str]:
    """Return every statement that would reach an engine for this plan."""
    program = made.program
    found = [probe.sql for measurement in program.measurements for probe in measurement.probes]
    found += [step.sql for step in program.steps if isinstance(step, PublicRead | Derived)] + [program.finish.sql]
    return [*found, program.finish.redraw_sql] if program.finish.redraw_sql else found


@cache
def reader() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def escapes(text: str) -> list[str]:
    """Return what DuckDB's own parser finds in a statement that is on no list of ours.

    A second parser, so that a difference between it and the one that planned would be seen.
    """
    document = json.loads(reader().execute("SELECT json_serialize_sql(?)", [text]).fetchone()[0])
    if document["error"]:
        return [f"not one SELECT: {document}"]
    found = [] if len(document["statements"]) == 1 else ["several statements"]
    pending = [document["statements"][0]["node"]]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        if not isinstance(node, dict):
            continue
        pending.extend(node.values())
        if node.get("function_name", "count") not in FUNCTIONS or node.get("schema"):
            found.append(f"function {node['function_name']}")
        if "class" in node and node["class"] not in CLASSES:
            found.append(f"expression {node['class']}")
        if "sample" in node and node["type"] not in FRAMES:  # only what stands in FROM has a sample
            found.append(f"relation {node['type']}")
        if node.get("type") == "BASE_TABLE" and (
            node["table_name"] not in TABLES or node["schema_name"] or node["catalog_name"]
        ):
            found.append(f"table {node['table_name']}")
        if node.get("sample"):
            found.append("a sample")
    return found


def attempt(sql: str) -> Planned | None:
    """Return the plan, or None for a refusal: by a known code, with a hint, never a fault of the server."""
    try:
        return planned(sql)
    except GatewayError as error:
        assert CODES[error.code].status < 500, sql
        assert error.hint, sql
        return None


# -- what is planned is what was written --------------------------------------------------------------------------


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(queries(), st.booleans())
def test_written_out_again_it_is_the_same_plan(sql, pretty):
    assume("SYMMETRIC" not in sql)  # the parser's own writer leaves that word out
    made = attempt(sql)
    assume(made is not None)
    again = planned(parse(sql, "duckdb").sql("duckdb", pretty=pretty))
    assert again.explain == made.explain
    assert again.program == made.program


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SOURCES), truths(2))
def test_comments_and_case_of_keywords_change_nothing(source, test):
    sql = f"SELECT gift, COUNT(*) AS n FROM {source} WHERE {test} GROUP BY gift"
    made = attempt(sql)
    assume(made is not None)
    other = sql.replace(" FROM ", " /* FROM secret */ from ").replace(" GROUP BY ", " -- x\n group  by ")
    assert planned(other).program == made.program


# -- nothing escapes the allow-list ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ANSWERED)
def test_duckdb_reads_nothing_else_in_what_is_answered(name):
    for text in engine_texts(planned(ANSWERED[name])):
        assert escapes(text) == []


def _stay_inside(sql: str) -> None:
    made = attempt(sql)
    event("answered" if made else "refused")
    for text in engine_texts(made) if made else []:
        assert escapes(text) == [], sql


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(queries())
def test_generated_queries_do_not_escape(sql):
    _stay_inside(sql)


@pytest.mark.long
@settings(max_examples=1_000, suppress_health_check=[HealthCheck.too_slow])
@given(queries())
def test_a_thousand_generated_queries_do_not_escape(sql):
    _stay_inside(sql)


@cache
def engine_functions() -> list[str]:
    rows = reader().execute("SELECT DISTINCT function_name FROM duckdb_functions() ORDER BY 1").fetchall()
    return [name for (name,) in rows if name.isidentifier()]


def _nodes() -> list[type[exp.Expr]]:
    return sorted(
        (k for k in vars(exp).values() if isinstance(k, type) and issubclass(k, exp.Func) and k is not exp.Func),
        key=lambda k: k.key,
    )


ARGUMENTS = ("p.quantity", "p.basket", "p.purchased_on", "p.gift", "1", "'x'", "'/etc/hostname'", "'SELECT 1'", "*", "NULL", "[1, 2]",
             "{'a': 1}", "x -> x + 1", "DISTINCT p.quantity", "(SELECT 1)", "p", "secret", "p.customer_id")  # fmt: skip
PLACES = (
    "SELECT COUNT(*) AS n FROM purchases p WHERE {} IS NULL",
    "SELECT SUM({}) AS n FROM purchases p",
    "SELECT {} AS k, COUNT(*) AS n FROM purchases p GROUP BY 1",
    "SELECT COUNT(*) + {} AS n FROM purchases p",
    "SELECT COUNT(*) AS n FROM purchases p HAVING {} > 0",
    "SELECT COUNT(*) AS n FROM purchases p ORDER BY {}",
    "SELECT COUNT(*) AS n FROM {}",
    "SELECT COUNT(*) AS n FROM purchases p, {} t",
    "SELECT COUNT(*) AS n FROM purchases p LIMIT {}",
    "SELECT {} FROM purchases p",
    "SELECT COUNT(*) FILTER (WHERE {} IS NULL) AS n FROM purchases p",
    "SELECT COUNT(*) AS n FROM purchases p JOIN customers c ON p.customer_id = c.customer_id AND {} = 1",
)


def calls(names):
    """Return calls of functions by a name, with arguments of any kind, in places of any kind."""
    some = st.lists(st.sampled_from(ARGUMENTS), max_size=3)
    return st.builds(
        lambda name, arguments, where: where.format(f"{name}({', '.join(arguments)})"),
        st.sampled_from(names), some, st.sampled_from(PLACES),
    )  # fmt: skip


OF_THE_ENGINE, OF_THE_PARSER = calls(engine_functions()), calls([kind.sql_name() for kind in _nodes()])


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(OF_THE_ENGINE)
def test_no_function_of_the_engine_escapes(sql):
    _stay_inside(sql)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(OF_THE_PARSER)
def test_no_function_that_the_parser_knows_escapes(sql):
    _stay_inside(sql)


@pytest.mark.long
@settings(max_examples=3_000, suppress_health_check=[HealthCheck.too_slow])
@given(OF_THE_ENGINE | OF_THE_PARSER)
def test_no_function_escapes_in_thousands_of_places(sql):
    _stay_inside(sql)


def test_the_second_parser_sees_what_does_not_belong():
    for text in (
        "SELECT getenv('HOME')",
        "SELECT COUNT(*) FROM read_csv('x')",
        "SELECT COUNT(*) FROM other",
        "SELECT COUNT(*) FROM main.purchases",
        "SELECT (SELECT 1)",
        "SELECT COUNT(*) FROM purchases TABLESAMPLE 10%",
        "SELECT x -> x + 1",
        "SELECT 1; SELECT 2",
        "COPY purchases TO 'x'",
    ):
        assert escapes(text), text


# -- bounds ------------------------------------------------------------------------------------------------------


def _keep_their_bounds(sql: str, seed: int) -> None:
    made = attempt(sql)
    event("answered" if made else "refused")
    assert made is None or violations(made, *pair(seed)) == []


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(queries(), st.integers(0, 3))
def test_neighbours_of_generated_expressions(sql, seed):
    _keep_their_bounds(sql, seed)


@pytest.mark.long
@settings(max_examples=10_000, suppress_health_check=[HealthCheck.too_slow])
@given(queries(), st.integers(0, 7))
def test_neighbours_of_ten_thousand_generated_expressions(sql, seed):
    _keep_their_bounds(sql, seed)
