"""Queries of several steps over real HTTP: stages, public rows, and draws that are shared."""

import json

STAGED = "SELECT COUNT(*) AS n FROM purchases WHERE quantity > (SELECT AVG(quantity) FROM purchases)"
HALF = "(SELECT quantity, COUNT(*) AS {} FROM purchases WHERE quantity BETWEEN 1 AND 5 GROUP BY quantity)"


def test_a_stage_is_charged_with_the_query_and_run_before_it(gateway):
    before = gateway.spent()
    status, answer = gateway.ask(STAGED, epsilon=2)
    assert status == 200, answer
    assert 0 < answer["rows"][0][0] < 1000
    assert any("below a later measurement" in notice for notice in answer["notices"])
    spent = gateway.spent() - before
    assert abs(spent - answer["privacy"]["rho"]) < 1e-9
    assert spent <= 2.0
    status, again = gateway.ask(STAGED, epsilon=2)
    assert again["rows"] == answer["rows"]
    assert again["privacy"]["stored"]
    assert abs(gateway.spent() - before - spent) < 1e-12


def test_public_rows_are_answered_as_they_are_and_cost_no_privacy(gateway):
    before = gateway.spent()
    sql = "SELECT weekday, COUNT(*) AS n FROM calendar GROUP BY weekday ORDER BY weekday"
    status, answer = gateway.ask(sql)
    assert status == 200, answer
    assert answer["rows"] == [[day, 78] for day in range(1, 8)]  # 546 days are 78 weeks
    assert answer["intervals"]["columns"] == {}
    assert gateway.spent() == before
    assert answer["price"]["amount"] == "0.50"
    _, again = gateway.ask(sql)
    assert again["rows"] == answer["rows"]
    assert again["price"]["amount"] == "0"


def test_released_rows_stand_beside_public_ones(gateway):
    sql = """SELECT k.weekday, t.n, COUNT(*) OVER () AS days FROM
        (SELECT purchased_on AS d, COUNT(*) AS n FROM purchases WHERE purchased_on < '1997-01-08' GROUP BY 1) t
        JOIN calendar k ON k.day = t.d ORDER BY k.weekday"""
    status, answer = gateway.ask(sql, epsilon=2)
    assert status == 200, answer
    assert [row[0] for row in answer["rows"]] == sorted(row[0] for row in answer["rows"])
    assert all(row[2] == len(answer["rows"]) for row in answer["rows"])
    _, quote = gateway.call("POST", "/v1/quote", {"sql": sql, "epsilon": 2})
    assert json.loads(quote)["privacy"]["stored"]


def test_a_draw_that_a_query_needs_twice_is_drawn_and_charged_once(gateway):
    # the second measurement's primitive is the first's: another aggregate beside it makes another measurement
    one, two = HALF.format("a"), HALF.format("a, SUM(quantity) AS s")
    sql = f"SELECT x.quantity, x.a, y.a AS b FROM {one} x JOIN {two} y ON x.quantity = y.quantity ORDER BY 1"
    before = gateway.spent()
    status, answer = gateway.ask(sql, epsilon=1.5)
    assert status == 200, answer
    assert len(answer["rows"]) > 1
    assert abs(gateway.spent() - before - answer["privacy"]["rho"]) < 1e-9


def test_each_stage_is_seen_by_the_provider_alone(gateway):
    sql = "SELECT COUNT(*) AS n FROM purchases WHERE quantity < (SELECT AVG(quantity) FROM purchases)"
    status, answer = gateway.ask(sql, epsilon=1)
    assert status == 200, answer
    measured = [e for e in gateway.events("provider") if e["type"] == "gateway.query.measured"]
    assert len(measured) >= 2
    assert not any(e["type"] == "gateway.query.measured" for e in gateway.events("billing"))
