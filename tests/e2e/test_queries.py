"""Questions, refusals, repeats and documents over real HTTP."""

import json

from gateway.evidence.offline.receipts import verify

COUNT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort ORDER BY cohort"


def test_an_answer_has_all_its_parts(gateway):
    status, answer = gateway.ask(COUNT)
    assert status == 200, answer
    assert answer["state"] == "FINISHED"
    assert [row[0] for row in answer["rows"]] == ["1997-01", "1997-02", "1997-03"]
    for row, (low, high) in zip(answer["rows"], answer["intervals"]["columns"]["n"], strict=True):
        assert low <= row[1] <= high
    assert 0.0199 < answer["privacy"]["rho"] <= 0.02
    assert answer["price"] == {**answer["price"], "amount": "4.50", "currency": "CNY", "plan": "standard"}
    status, body = gateway.call("GET", f"/v1/queries/{answer['query_id']}/receipt")
    receipt = json.loads(body)
    assert verify(receipt).leaf["amount"] == "4.50"
    assert receipt["log_index"] == answer["receipt"]["log_index"]
    status, body = gateway.call("GET", f"/v1/queries/{answer['query_id']}")
    assert json.loads(body)["answer"] == answer


def test_a_repeat_is_the_same_and_free(gateway):
    _, first = gateway.ask("SELECT COUNT(*) AS n FROM purchases")
    before = gateway.spent()
    status, again = gateway.ask("select count(*) as N from purchases")
    assert status == 200
    assert again["rows"] == first["rows"]
    assert again["privacy"]["stored"]
    assert again["price"]["amount"] == "0"
    assert gateway.spent() == before


def test_a_quote_is_the_bill(gateway):
    sql = "SELECT SUM(amount) AS s FROM purchases"
    _, body = gateway.call("POST", "/v1/quote", {"sql": sql, "epsilon": 0.3})
    quote = json.loads(body)
    before = gateway.spent()
    _, answer = gateway.ask(sql, epsilon=0.3)
    assert quote["price"] == answer["price"]
    assert quote["privacy"]["rho"] == answer["privacy"]["rho"]
    assert abs(gateway.spent() - before - quote["privacy"]["rho"]) < 1e-9


def test_refusals_are_free_metered_and_placed(gateway):
    before = gateway.spent()
    status, problem = gateway.ask("SELECT COUNT(*) AS n\nFROM purchases\nWHERE amount > 3")
    assert (status, problem["code"]) == (403, "column_use")
    assert problem["position"] == {"line": 3, "column": 7}
    assert problem["hint"]
    assert gateway.spent() == before
    last = gateway.events()[-1]
    assert last["type"] == "gateway.query.refused"
    assert last["data"]["reason"] == "column_use"
    assert last["data"]["grant"] == "widgets"
    _, quantity = gateway.ask("SELECT COUNT(*) AS n FROM purchases WHERE amount > 45")
    assert quantity["code"] == "column_use"
    again = gateway.events()[-1]
    assert again["data"]["fingerprint"] == last["data"]["fingerprint"] != None  # noqa: E711
    gateway.ask("SELECT COUNT(*) AS n FROM purchases WHERE")
    unread = gateway.events()[-1]["data"]
    assert (unread["reason"], unread["grant"], unread["fingerprint"]) == ("sql_syntax", "widgets", None)
    gateway.ask("SELECT COUNT(*) AS n FROM purchases", purpose="marketing")
    assert gateway.events()[-1]["data"]["grant"] is None, "no grant covers it"


def test_events_count_in_the_numbers_of_answers(gateway):
    sql = "SELECT basket, COUNT(*) AS n FROM purchases GROUP BY basket"
    _, answer = gateway.ask(sql, epsilon=0.37)
    (charged,) = [e["data"] for e in gateway.events() if e["subject"] == answer["query_id"]]
    assert charged["delta"] != "0"
    assert float(charged["rho"]) == answer["privacy"]["rho"]
    assert float(charged["delta"]) == answer["privacy"]["delta"]
    receipt = json.loads(gateway.call("GET", f"/v1/queries/{answer['query_id']}/receipt")[1])
    assert verify(receipt).leaf["rho"] == charged["rho"]


def test_what_fails_is_null(gateway):
    for where in ("1/(quantity-2) > 0", "CAST(basket AS INT) > 3"):
        status, answer = gateway.ask(f"SELECT COUNT(*) AS n FROM purchases WHERE {where}")
        assert status == 200, answer


def test_billing_reads_no_engine_cost(gateway):
    gateway.ask("SELECT COUNT(*) AS n FROM purchases WHERE quantity > 1")
    kinds = {e["type"] for e in gateway.events("billing")}
    assert "gateway.query.charged" in kinds
    assert "gateway.query.measured" not in kinds
    assert "gateway.query.measured" in {e["type"] for e in gateway.events("provider")}
    status, body = gateway.call("GET", "/v1/meter/events")
    assert (status, json.loads(body)["code"]) == (403, "forbidden")


def test_strangers_see_nothing(gateway):
    stranger = gateway.token("eve", "elsewhere")
    codes = []
    for name in ("shop", "absent"):
        status, body = gateway.call("POST", "/v1/query", {"sql": COUNT, "dataset": name}, token=stranger)
        codes.append((status, json.loads(body)["detail"].replace(name, "")))
    assert codes[0] == codes[1]
    assert json.loads(gateway.call("GET", "/v1/datasets", token=stranger)[1]) == {"datasets": []}
    _, mine = gateway.ask(COUNT)
    assert gateway.call("GET", f"/v1/queries/{mine['query_id']}/receipt", token=stranger)[0] == 404


def test_bad_bodies_are_400s(gateway):
    bodies = [b"", b"[]", b"{", b'{"sql": 1}', b'{"sql": "a", "sql": "b"}', b'{"sql": "SELECT NaN", "epsilon": NaN}',
              b'{"sql": "\\ud800"}', b'{"sql": "a\\u0000"}', b'{"sql": "SELECT\\u00a01"}', b'{"unknown": 1, "sql": "x"}',
              b'{"sql": "x", "epsilon": 0}', b'{"sql": "x", "epsilon": 1e999999}', b'{"sql": "x", "accuracy": {"relative": 1}}',
              b"[" * 100_000, b'{"sql": "x", "row_limit": 0}', b'{"sql": "x", "dialect": "oracle"}', '{"sql": "é'.encode("latin-1")]  # fmt: skip
    for body in bodies:
        status, reply = gateway.call("POST", "/v1/query", raw=body)
        assert 400 <= status < 500, (body[:40], reply)
        assert json.loads(reply)["code"]
    assert gateway.call("POST", "/v1/query", raw=b'{"sql": "' + b"x" * 300_000 + b'"}')[0] == 413
    assert gateway.call("POST", "/v1/query", {"sql": COUNT}, headers={"Content-Encoding": "gzip"})[0] == 415
    assert gateway.call("DELETE", "/v1/query")[0] == 405
    assert gateway.call("GET", "/nowhere")[0] == 404


def test_tokens_that_do_not_hold(gateway):
    good = gateway.token()
    head, claims, signature = good.split(".")
    for bad in (
        "",
        "x",
        good + "=",
        f"{head}.{claims}.",
        f"{head}.{claims}.{signature[:-1]}",
        f"{claims}.{claims}.{signature}",
    ):
        status, body = gateway.call("GET", "/v1/budget", token=bad or " ")
        assert (status, json.loads(body)["code"]) == (401, "unauthenticated")


def test_documents(gateway):
    described = json.loads(gateway.call("GET", "/v1/datasets/shop")[1])
    names = {c["name"] for t in described["tables"] for c in t["columns"]}
    assert "quantity" in names
    assert "secret" not in names
    assert gateway.call("GET", "/healthz")[0] == 200
    assert gateway.call("GET", "/readyz")[0] == 200
    assert b"gateway\n" in gateway.call("GET", "/v1/log/checkpoint")[1]


def test_a_limit_of_events_beyond_the_most_is_refused(gateway):
    for limit in ("0", "1001x", "000000001000000", "99999999", "-1"):
        status, problem = gateway.call(
            "GET", f"/v1/meter/events?limit={limit}", token=gateway.token("clerk", "acme", ("billing",), None)
        )
        assert (status, json.loads(problem)["code"]) == (400, "bad_request"), limit


def test_roles_of_strangers_see_neither_costs_nor_results(gateway):
    _, answer = gateway.ask("SELECT COUNT(*) AS n FROM purchases WHERE quantity > 1")
    stranger = gateway.token("eve", "elsewhere", ("provider",), None)
    assert gateway.call("GET", "/v1/meter/events", token=stranger)[0] == 403
    for role in ("billing", "arbiter", "supervisor"):
        token = gateway.token("eve", "elsewhere", (role,), None)
        status, seen = gateway.call("GET", f"/v1/queries/{answer['query_id']}", token=token)
        assert (status, "answer" in json.loads(seen)) == (200, False), role
    clerk = gateway.token("eve", "elsewhere", ("billing",), None)
    lines = gateway.call("GET", "/v1/meter/events?limit=1000", token=clerk)[1]
    assert "measured" not in str(lines)
    assert "charged" in str(lines)


def test_deep_expressions_within_the_limits_are_answered(gateway):
    for sql in (
        "SELECT SUM(quantity" + "+1" * 25 + ") AS s FROM purchases",
        "SELECT COUNT(*) AS n FROM purchases WHERE basket" + "||basket" * 25 + " = 'a'",
        "SELECT COUNT(*) AS n FROM purchases WHERE " + "NOT (" * 25 + "quantity > 3" + ")" * 25,
    ):
        status, answer = gateway.ask(sql)
        assert status == 200, answer


def test_questions_and_quotes_are_for_buyers(gateway):
    token = gateway.token("ana", "widgets", ("billing",))
    for path in ("/v1/query", "/v1/quote"):
        status, body = gateway.call("POST", path, {"sql": COUNT}, token=token)
        assert (status, json.loads(body)["code"]) == (403, "forbidden")
        assert "buyer" in json.loads(body)["hint"]


def test_a_more_exact_question_pays_the_difference_and_no_answer_changes(gateway):
    sql = "SELECT cohort, COUNT(DISTINCT customer_id) AS n FROM customers WHERE cohort <> '1997-02' GROUP BY cohort"
    _, little = gateway.ask(sql, epsilon=0.2)
    before = gateway.spent()
    _, body = gateway.call("POST", "/v1/quote", {"sql": sql, "epsilon": 0.4})
    quote = json.loads(body)
    status, more = gateway.ask(sql, epsilon=0.4)
    assert status == 200, more
    assert more["privacy"]["rho"] == quote["privacy"]["rho"]
    assert quote["price"] == more["price"]
    assert abs(gateway.spent() - before - more["privacy"]["rho"]) < 1e-9
    variance = 1 / (2 * 0.08)  # of a count in which each customer is once
    rounded = 0.08 * (1 / 12) / (variance - 1 / 12)  # what makes up for rounding to whole numbers
    assert abs(more["privacy"]["rho"] - (0.08 - 0.02 + rounded)) < 1e-6
    assert any("combined" in notice for notice in more["notices"])
    coarse, fine = (
        {row[0]: high - low for row, (low, high) in zip(one["rows"], one["intervals"]["columns"]["n"], strict=True)}
        for one in (little, more)
    )
    assert {"1997-01", "1997-03"} <= coarse.keys() & fine.keys()  # nobody is in the third: the noise alone may show it
    assert all(fine[key] < coarse[key] for key in coarse.keys() & fine.keys())
    # each question is answered as it was, whatever came after
    for epsilon, first in ((0.2, little), (0.4, more)):
        _, again = gateway.ask(sql, epsilon=epsilon)
        assert (again["rows"], again["intervals"]) == (first["rows"], first["intervals"])
        assert again["privacy"]["stored"]
    # what asks for less is answered by it, for nothing, and stays so when something more exact comes
    _, between = gateway.ask(sql, epsilon=0.3)
    assert (between["rows"], between["privacy"]["rho"], between["price"]["amount"]) == (more["rows"], 0, "0")
    assert any("costs nothing" in notice for notice in between["notices"])
    gateway.ask(sql, epsilon=0.8)
    _, again = gateway.ask(sql, epsilon=0.3)
    assert again["rows"] == between["rows"]
