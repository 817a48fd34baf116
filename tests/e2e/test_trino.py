"""Trino's client for Python at a real gateway: questions, parameters, sessions, repeats, cancelling, replicas."""

import datetime as dt
import json
import threading
import time
import urllib.request
from decimal import Decimal

import pytest
from support.gateways import Gateway, eventually, held_up, states
from support.thinning import one_in
from support.trino_clients import CuttingProxy, ask, connect
from trino.exceptions import TrinoExternalError, TrinoQueryError, TrinoUserError

BY_COHORT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort ORDER BY cohort"


def post(gateway, sql, token, **headers):
    """Send a statement as bare HTTP; return the page."""
    sent = {"Content-Type": "text/plain", "X-Trino-Schema": "shop", **headers}
    status, body = gateway.call("POST", "/v1/statement", raw=sql.encode(), token=token, headers=sent)
    assert status == 200, body
    return json.loads(body)


def follow(gateway, uri, token):
    status, body = gateway.call("GET", uri.removeprefix(gateway.url), token=token)
    assert status == 200, body
    return json.loads(body)


def charges(gateway):
    return sum(event["type"] == "gateway.query.charged" for event in gateway.events())


def test_a_question_is_the_same_as_through_rest_and_is_charged_once(gateway):
    connection = connect(gateway)
    before = charges(gateway)
    rows, cursor = ask(connection, BY_COHORT)
    _, answer = gateway.ask(BY_COHORT)
    assert rows == answer["rows"]
    assert charges(gateway) == before + 1
    assert [(d.name, d.type_code) for d in cursor.description] == [("cohort", "varchar"), ("n", "bigint")]
    for named in ("gateway.shop.customers", 'shop."customers"'):
        again, cursor = ask(connection, BY_COHORT.replace("customers", named))
        assert again == rows
        said = {warning["warningCode"]["name"]: warning["message"] for warning in cursor.warnings}
        assert said["PRIVACY_COST"] == "Privacy: nothing: it was stored."
        assert said["PRICE"] == "Price: 0 XXX."
    assert charges(gateway) == before + 1


def test_every_type_arrives_as_pythons_own(gateway):
    sql = """SELECT purchased_on, COUNT(*) AS n, SUM(amount) AS s, AVG(quantity) AS a, COUNT(*) > -1 AS b,
                    CAST('1997-01-02 03:04:05.000006' AS TIMESTAMP(6)) AS t, 'x' AS v
             FROM purchases WHERE purchased_on < DATE '1997-02-01' GROUP BY purchased_on ORDER BY purchased_on"""
    rows, cursor = ask(connect(gateway), sql)
    assert [d.type_code for d in cursor.description] == [
        "date", "bigint", "decimal(38,2)", "double", "boolean", "timestamp(6)", "varchar",
    ]  # fmt: skip
    day, count, total, _, _, moment, text = rows[0]
    assert (moment, text) == (dt.datetime(1997, 1, 2, 3, 4, 5, 6), "x")
    assert (type(day), type(count), type(total)) == (dt.date, int, Decimal)


def test_parameters_are_constants_in_every_way_of_sending_them(gateway):
    for legacy in (False, True):
        connection = connect(gateway, legacy_prepared_statements=legacy)
        sql = "SELECT COUNT(*) AS n FROM customers WHERE cohort IN (?, ?)"
        rows, _ = ask(connection, sql, ["1997-01", "it's '' OR 1=1 --"])
        direct, _ = ask(
            connection, "SELECT COUNT(*) AS n FROM customers WHERE cohort IN ('1997-01', 'it''s '''' OR 1=1 --')"
        )
        assert rows == direct
        with pytest.raises(TrinoUserError, match="2 parameters, and 1 are given"):
            ask(connection, sql, ["1997-01"])
    since = dt.date(1997, 6, 1)
    rows, _ = ask(
        connection, "SELECT COUNT(*) AS n FROM purchases WHERE purchased_on >= ? AND quantity > ?", [since, 2]
    )
    assert len(rows) == 1


@pytest.mark.long
def test_a_session_says_what_a_question_may_cost(own):
    gateway = own()
    connection = connect(gateway)
    ask(connection, "SET SESSION epsilon = 0.4")
    ask(connection, "SET SESSION intervals = true")
    rows, cursor = ask(connection, "SELECT COUNT(*) AS n FROM customers")
    assert [d.name for d in cursor.description] == ["n", "n_low", "n_high"]
    assert rows[0][1] <= rows[0][0] <= rows[0][2]
    assert abs(gateway.spent() - 0.08) < 1e-9, "epsilon 0.4 is rho 0.08"
    assert ask(connection, "SHOW SESSION LIKE 'epsilon'")[0][0][1] == "0.4"
    ask(connection, "RESET SESSION epsilon")
    ask(connection, "SET SESSION half_width = 30")
    ask(connection, "SET SESSION confidence = 0.9")
    low, mid, high = (ask(connection, "SELECT COUNT(*) AS n FROM purchases")[0][0][i] for i in (1, 0, 2))
    assert low < mid < high
    ask(connection, "SET SESSION row_limit = 1")
    with pytest.raises(TrinoUserError, match="'colour' is not known"):
        ask(connection, "SET SESSION colour = 'red'")
    with pytest.raises(TrinoUserError, match="out of range"):
        ask(connection, "SET SESSION epsilon = -1")
    with pytest.raises(TrinoUserError, match="'colour' is not known"):
        ask(connect(gateway, session_properties={"colour": "red"}), BY_COHORT)


def test_refusals_have_trinos_names_and_places_and_are_logged_as_from_any_door(own):
    gateway = own()
    connection = connect(gateway)
    cases = {
        "SELECT amount FROM purchases": ("PERMISSION_DENIED", "raw_rows"),
        "SELECT COUNT(*) FRO x y z": ("SYNTAX_ERROR", "sql_syntax"),
        "SELECT nope FROM customers": ("COLUMN_NOT_FOUND", "unknown_column"),
        "SELECT COUNT(*) FROM nope": ("TABLE_NOT_FOUND", "unknown_table"),
        "SELECT read_text('/etc/passwd') FROM customers": ("FUNCTION_NOT_FOUND", "unsupported_function"),
        "INSERT INTO customers VALUES (1)": ("NOT_SUPPORTED", "sql_not_select"),
    }
    for sql, (name, code) in cases.items():
        with pytest.raises(TrinoUserError) as caught:
            ask(connection, sql)
        assert caught.value.error_name == name, sql
        assert f"{code}: " in caught.value.message
    refused = [e["data"]["reason"] for e in gateway.events() if e["type"] == "gateway.query.refused"]
    assert refused == [code for _, code in cases.values()]
    assert gateway.spent() == 0
    page = post(gateway, "SELECT\n  nope FROM customers", gateway.token())
    assert page["error"]["errorLocation"] == {"lineNumber": 2, "columnNumber": 3}
    assert "nextUri" not in page
    for sql, name in (
        ("SELECT COUNT(*) FROM other.customers", "SCHEMA_NOT_FOUND"),
        ("SELECT COUNT(*) FROM shop.customers, other.x", "TABLE_NOT_FOUND"),
        ("SELECT COUNT(*) FROM hive.shop.customers", "SCHEMA_NOT_FOUND"),
        ("SELECT COUNT(*) FROM customers, information_schema.tables", "NOT_SUPPORTED"),
    ):
        assert post(gateway, sql, gateway.token())["error"]["errorName"] == name, sql


def test_a_reply_that_is_lost_is_asked_for_again_and_charged_once(own):
    gateway = own()
    proxy = CuttingProxy(gateway.url)
    try:
        rows, _ = ask(connect(gateway, proxy.url), BY_COHORT)
    finally:
        proxy.close()
    assert [line.split()[0] for line in proxy.requests][:2] == ["POST", "POST"], "the official client repeats it"
    assert charges(gateway) == 1
    assert rows == gateway.ask(BY_COHORT)[1]["rows"]


@pytest.mark.long
def test_a_repeat_while_the_first_runs_waits_for_it_and_is_free(own):
    gateway = own()
    token, pages = gateway.token(), []
    with held_up(gateway):
        first = post(gateway, BY_COHORT, token)
        assert first["stats"]["state"] in ("STARTING", "RUNNING", "FINISHING")
        again = threading.Thread(target=lambda: pages.append(post(gateway, BY_COHORT, token)))
        again.start()
        time.sleep(0.5)
    again.join(timeout=20)
    rows = rows_of(gateway, first, token)
    assert rows == rows_of(gateway, pages[0], token)
    assert charges(gateway) == 1


def rows_of(gateway, page, token):
    """Follow a statement to its end; return its rows."""
    found = list(page.get("data", []))
    while "nextUri" in page:
        page = follow(gateway, page["nextUri"], token)
        assert "error" not in page, page
        found += page.get("data", [])
    return found


def test_what_is_told_of_a_running_question_hangs_on_the_question_alone(own):
    gateway = own()
    token = gateway.token()
    with held_up(gateway):
        page = post(gateway, BY_COHORT, token)
        page = follow(gateway, page["nextUri"] + "?maxWait=100ms", token)
        assert page["stats"]["state"] == "RUNNING"
        assert page["stats"]["rootStage"]["stageId"] == "release"
        figures = {
            name: value for name, value in page["stats"].items() if name.endswith(("Millis", "Bytes", "Rows", "Splits"))
        }
        assert set(figures.values()) == {0}
        assert "data" not in page
        strangers = (gateway.token("bob"), gateway.token("ana", "others"))
        path = page["nextUri"].removeprefix(gateway.url)
        assert [gateway.call("GET", path, token=stranger)[0] for stranger in strangers] == [404, 404]
        assert gateway.call("GET", path, token="x")[0] == 401
        parts = path.split("/")
        forged = "/".join([*parts[:-2], "p" + "0" * 32, parts[-1]])
        assert gateway.call("GET", forged, token=token)[0] == 404
        assert gateway.call("DELETE", forged, token=token)[0] == 404
    assert len(rows_of(gateway, page, token)) == 3


@pytest.mark.parametrize("how", one_in(3, ("delete", "kill", "id")))
def test_a_running_question_is_ended_and_stays_charged(own, how):
    gateway = own()
    token = gateway.token()
    with held_up(gateway):
        page = post(gateway, BY_COHORT, token)
        stranger = gateway.token("bob")
        kill = f"CALL system.runtime.kill_query(query_id => '{page['id']}', message => 'enough')"
        watcher = gateway.token("clerk", "acme", ("supervisor",), None)
        for other in (stranger, watcher):
            assert post(gateway, kill, other)["error"]["errorName"] == "NOT_FOUND"
        assert states(gateway) == ["running"]
        match how:
            case "delete":
                assert gateway.call("DELETE", page["nextUri"].removeprefix(gateway.url), token=token)[0] == 204
            case "kill":
                assert post(gateway, kill, token)["updateType"] == "CALL"
            case "id":
                assert gateway.call("DELETE", f"/v1/query/{page['id']}", token=token)[0] == 204
    ended = follow(gateway, page["nextUri"], token)
    assert ended["error"]["errorName"] == "USER_CANCELED"
    assert (states(gateway), charges(gateway)) == (["cancelled"], 1)


@pytest.mark.long
def test_the_official_client_cancels(own):
    gateway = own()
    connection = connect(gateway)
    cursor = connection.cursor()
    failures = []

    def run():
        try:
            cursor.execute(BY_COHORT)
            cursor.fetchall()
        except (TrinoQueryError, TrinoExternalError) as error:
            failures.append(error)

    with held_up(gateway):
        asking = threading.Thread(target=run)
        asking.start()
        assert eventually(lambda: states(gateway) == ["running"])
        assert eventually(lambda: cursor.query_id or cursor._query._request._next_uri)
        cursor.cancel()
        asking.join(timeout=30)
    assert states(gateway) == ["cancelled"]
    assert not asking.is_alive()


@pytest.mark.long
def test_any_replica_gives_every_page_again_and_ends_what_another_works_on(own):
    gateway = own()
    token = gateway.token()
    other = Gateway(gateway.folder)
    other.start()
    try:
        page = post(gateway, "SELECT a.day, b.weekday FROM calendar a CROSS JOIN calendar b", token)
        pages = []
        while "nextUri" in page:
            path = page["nextUri"].removeprefix(gateway.url)
            page = follow(gateway, page["nextUri"], token)
            assert "error" not in page, page["error"]
            pages += [(path, page)] if "data" in page else []
        assert sum(len(one["data"]) for _, one in pages) == 546 * 546
        assert len(pages) >= 30
        for path, page in (pages[0], pages[7], pages[-1], pages[7]):
            assert follow(other, path, token)["data"] == page["data"]
            assert follow(gateway, path, token)["data"] == page["data"]
        beyond = path.rpartition("/")[0] + "/1000"
        assert other.call("GET", beyond, token=token)[0] == 404
        with held_up(gateway):
            running = post(gateway, BY_COHORT, token)
            path = running["nextUri"].removeprefix(gateway.url)
            assert "nextUri" in follow(other, path + "?maxWait=1ms", token)
            assert other.call("DELETE", path, token=token)[0] == 204
        assert follow(other, path, token)["error"]["errorName"] == "USER_CANCELED"
    finally:
        assert other.stop() == 0


@pytest.mark.long
def test_a_question_whose_gateway_is_gone_ends_for_its_asker(own):
    gateway = own(GATEWAY_LEASE_S="1")
    token = gateway.token()
    with held_up(gateway):
        page = post(gateway, BY_COHORT, token)
        path = page["nextUri"].removeprefix(gateway.url)
        gateway.kill()
    gateway.start()

    def gone():
        _, body = gateway.call("GET", path, token=token)
        return "error" in json.loads(body)

    assert eventually(gone, 30)
    _, body = gateway.call("GET", path, token=token)
    assert "is gone" in json.loads(body)["error"]["message"]
    assert len(rows_of(gateway, post(gateway, BY_COHORT, token), token)) == 3
    assert charges(gateway) == 2, "no idempotency key says that it is the same charge"


def test_pages_go_on_at_the_address_that_the_caller_sees(gateway):
    token = gateway.token()
    page = post(gateway, "SELECT day FROM calendar ORDER BY day", token, **{
        "X-Forwarded-Proto": "https", "X-Forwarded-Host": "data.example", "X-Forwarded-Port": "8443",
        "X-Trino-Source": "trino-js-client",
    })  # fmt: skip
    assert page["nextUri"].startswith("https://data.example:8443/v1/statement/")
    assert page["infoUri"] == f"https://data.example:8443/v1/queries/{page['id']}"
    status, _ = gateway.call(
        "POST", "/v1/statement", raw=b"SELECT 1", token=token, headers={"X-Forwarded-Host": "a b/c"}
    )
    assert status == 400


def test_transactions_and_prepared_statements_live_in_the_client(gateway):
    connection = connect(gateway, isolation_level=1)
    rows, _ = ask(connection, "SHOW TABLES")
    connection.commit()
    assert rows == [["calendar"], ["customers"], ["purchases"]]
    token = gateway.token()
    prepared = {"X-Trino-Prepared-Statement": "a=SELECT+1%2C+%3F,b=EXECUTE+b,c=SHOW+TABLES+LIKE+%27c%25%27"}
    assert post(gateway, "EXECUTE a USING 'x'", token, **prepared)["data"] == [[1, "x"]]
    assert post(gateway, "EXECUTE c", token, **prepared)["data"] == [["calendar"], ["customers"]]
    assert post(gateway, "EXECUTE b", token, **prepared)["error"]["errorName"] == "NOT_SUPPORTED"
    assert post(gateway, "EXECUTE d", token, **prepared)["error"]["errorName"] == "NOT_FOUND"


@pytest.mark.long
def test_statements_have_a_pace(own):
    gateway = own(GATEWAY_STATEMENTS_PER_MINUTE="3")
    token = gateway.token()
    found = [gateway.call("POST", "/v1/statement", raw=b"SELECT 1", token=token)[0] for _ in range(8)]
    assert 429 in found
    assert found[0] == 200
    asked = urllib.request.Request(f"{gateway.url}/v1/info")
    with urllib.request.urlopen(asked, timeout=10) as reply:
        assert json.loads(reply.read())["coordinator"] is True
