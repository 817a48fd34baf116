"""Accuracy in place of epsilon, and quotes that predict, over real HTTP."""

import json
import re

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app

COUNT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort ORDER BY cohort"
DAYS = "SELECT purchased_on, COUNT(*) AS n FROM purchases GROUP BY purchased_on"


def quote(gateway, sql, **options):
    status, body = gateway.call("POST", "/v1/quote", {"sql": sql, **options})
    return status, json.loads(body)


def test_an_accuracy_is_quoted_charged_and_reached(gateway):
    accuracy = {"half_width": 9}
    _, quoted = quote(gateway, COUNT, accuracy=accuracy)
    assert quoted["accuracy"] == {"asked": {"half_width": 9.0, "confidence": 0.95}}
    assert quoted["expected"]["half_width"] == {"n": 9.0}
    before = gateway.spent()
    status, answer = gateway.ask(COUNT, accuracy=accuracy)
    assert status == 200, answer
    assert answer["accuracy"] == {"asked": {"half_width": 9.0, "confidence": 0.95}, "reached": {"n": 9.0}}
    assert [high - low for low, high in answer["intervals"]["columns"]["n"]] == [18, 18, 18]
    assert quoted["privacy"]["rho"] == answer["privacy"]["rho"] > 0
    assert quoted["price"] == answer["price"]
    assert gateway.spent() - before == pytest.approx(answer["privacy"]["rho"], abs=1e-12)
    # once more it costs nothing and is the same; so it is quoted
    _, again = gateway.ask(COUNT, accuracy={"half_width": 9.0, "confidence": 0.95})
    assert again["rows"] == answer["rows"]
    assert again["accuracy"] == answer["accuracy"]
    assert again["privacy"]["stored"]
    _, quoted = quote(gateway, COUNT, accuracy=accuracy)
    _, same, half = quoted["levels"]
    assert (same["stored"], same["price"]["amount"], half["stored"]) == (True, "0", False)
    # an answer to an epsilon says nothing of accuracy, though its draw may be the same
    assert "accuracy" not in gateway.ask(COUNT)[1]


def test_other_accuracies_of_the_same_question(gateway):
    sql = COUNT.replace("GROUP", "WHERE cohort <> '1999-01' GROUP")
    _, answer = gateway.ask(sql, accuracy={"relative": 0.2, "confidence": 0.8})
    assert answer["accuracy"]["asked"] == {"relative": 0.2, "confidence": 0.8}
    assert answer["accuracy"]["of"] == {"n": 100.0}  # 300 people by declaration, in three cohorts
    assert answer["accuracy"]["reached"] == {"n": 20.0}
    sql = "SELECT AVG(quantity) AS a, COUNT(*) AS n FROM purchases WHERE quantity < 40"
    status, answer = gateway.ask(sql, accuracy={"half_width": 8})
    assert status == 200, answer
    assert answer["accuracy"]["reached"]["a"] > 0
    ((low, high),) = answer["intervals"]["columns"]["a"]
    assert answer["accuracy"]["reached"]["a"] == pytest.approx((high - low) / 2)


def test_what_cannot_be_had_is_refused_for_nothing(gateway):
    before = gateway.spent()
    for body, status, code in (
        ({"epsilon": 0.1, "accuracy": {"half_width": 5}}, 400, "bad_request"),
        ({"accuracy": {"half_width": 5, "relative": 0.1}}, 400, "bad_request"),
        ({"accuracy": {"half_width": 0.01}}, 403, "accuracy_unreachable"),
    ):
        for found in (gateway.ask(COUNT, **body), quote(gateway, COUNT, **body)):
            assert (found[0], found[1]["code"]) == (status, code), found
            assert found[1]["hint"]
    median = "SELECT MEDIAN(quantity) AS m FROM purchases"
    status, problem = gateway.ask(median, accuracy={"half_width": 5})
    assert (status, problem["code"]) == (400, "accuracy_not_predicted")
    assert "'m'" in problem["detail"]
    assert gateway.spent() == before


def test_every_level_of_a_quote_is_what_asking_for_it_costs(gateway):
    sql = "SELECT COUNT(*) AS n, MEDIAN(quantity) AS m FROM purchases WHERE quantity < 30"
    _, quoted = quote(gateway, sql, epsilon=0.2)
    assert [level["ask"]["epsilon"] for level in quoted["levels"]] == [0.1, 0.2, 0.4]
    assert [level["asked"] for level in quoted["levels"]] == [False, True, False]
    for level in quoted["levels"]:
        _, other = quote(gateway, sql, **level["ask"])
        assert other["expected"]["half_width"]["n"] == level["columns"]["n"]["half_width"]
        assert level["columns"]["m"] == {"half_width": None, "reason": "it depends on how the values are spread"}
        assert (level["rho"], level["price"]) == (other["privacy"]["rho"], other["price"])
    most = quoted["levels"][2]
    before = gateway.spent()
    _, answer = gateway.ask(sql, **most["ask"])
    assert answer["price"] == most["price"]
    assert gateway.spent() - before == pytest.approx(most["rho"], abs=1e-12)


def test_a_key_that_is_too_fine_is_foretold_with_a_coarser_one(gateway):
    before = gateway.spent()
    _, quoted = quote(gateway, DAYS)
    (cells,) = quoted["cells"]
    assert (cells["keys"], cells["plausible"], cells["useful"]) == ("public", 547, False)
    assert "GROUP BY DATE_TRUNC(" in quoted["proposal"]["sql"]
    status, coarse = quote(gateway, quoted["proposal"]["sql"])
    assert status == 200, coarse
    assert coarse["cells"] == quoted["proposal"]["cells"]
    assert gateway.spent() == before


def test_a_quote_reads_no_data(own):
    """Without its file the dataset can be asked nothing, but quoted as before, to the last digit."""
    gateway = own()
    first = [quote(gateway, sql, **body) for sql in (COUNT, DAYS) for body in ({}, {"accuracy": {"half_width": 50}})]
    assert all(status == 200 for status, _ in first)
    gateway.data.unlink()
    again = [quote(gateway, sql, **body) for sql in (COUNT, DAYS) for body in ({}, {"accuracy": {"half_width": 50}})]
    assert again == first
    assert not [event for event in gateway.events("provider") if event["type"] == "gateway.query.measured"]


def test_the_command_line_asks_for_an_accuracy_and_shows_the_levels(gateway):
    sql = COUNT.replace("GROUP", "WHERE cohort <> '1999-02' GROUP")

    def run(command, *options):
        result = CliRunner().invoke(
            app, [command, "--url", gateway.url, "--token", gateway.token(), "--sql", sql, *options]
        )
        return result.exit_code, result.stdout + result.stderr

    code, shown = run("quote", "--half-width", "12")
    assert code == 0, shown
    assert re.findall(r"half-width (\d+) .*± (\d+) │", shown) == [("24", "24"), ("12", "12"), ("6", "6")]
    assert "plausible cells" in shown
    code, shown = run("query", "--relative", "0.15", "--confidence", "0.9")
    assert code == 0, shown
    assert "asked 15.000% of a cell's declared size at 0.9; reached n ± 15" in " ".join(shown.split())
    code, shown = run("query", "--relative", "0.15", "--epsilon", "1")
    assert (code, "Both" in shown) == (2, True)
    code, shown = run("quote", "--half-width", "many")
    assert (code, "--half-width" in shown) == (2, True)
