"""The demo as it ships: every step of its story, and the README's first query, on the running gateway."""

import io
import json
import re
import shlex
from pathlib import Path

import pytest
from rich.console import Console
from support.starting import ended
from typer.testing import CliRunner

from gateway.cli.demo import questions
from gateway.cli.demo.cast import assemble
from gateway.cli.demo.checks import Checks
from gateway.cli.demo.child import running
from gateway.cli.demo.stage import Stage, prepare
from gateway.cli.demo.story import STEPS, Story
from gateway.cli.http import Client
from gateway.cli.main import app
from gateway.errors import GatewayError

ROOT = Path(__file__).resolve().parents[3]
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    stage = Stage(tmp_path_factory.mktemp("demo") / "state")
    prepare(stage)
    with running(stage) as url:
        out = Console(file=io.StringIO(), width=120)
        yield Story(out, assemble(url, stage.state), Checks(out))


@pytest.fixture(scope="module")
def told(story):
    for _, step in STEPS:
        step(story)
    return story


def invoke(client: Client, *arguments):
    return RUNNER.invoke(app, [*arguments, "--url", client.url, "--token", client.token])


def test_the_story_meets_its_own_expectations(told):
    assert told.checks.missed == []
    assert told.checks.met >= 15


def test_the_shown_answer_names_every_month_with_its_spread(told):
    shown = told.out.file.getvalue()
    assert re.search(r"1997-01-01 │ +[78],\d{3} │ ± +\d+ +\(\d\.\d%\)", shown)


def test_the_story_says_once_what_intervals_leave_out(told):
    assert told.out.file.getvalue().count("intervals cover the noise alone, not the bounding") == 1


def test_an_expectation_that_is_missed_is_counted(story):
    checks = Checks(Console(file=io.StringIO()))
    checks.expect(False, "the moon is made of cheese")
    assert checks.missed == ["the moon is made of cheese"]


def test_the_readme_s_first_query_is_answered_as_it_says(told):
    readme = (ROOT / "README.md").read_text()
    body = json.loads(re.search(r"-d '(\{.*?\})'", readme, re.DOTALL)[1])
    printed = json.loads(re.search(r"```json\n(.*?)```", readme, re.DOTALL)[1])
    client = told.cast.second_buyer
    answer = client.post("/v1/query", body).json()
    assert set(printed) <= set(answer)
    assert set(printed["privacy"]) <= set(answer["privacy"])
    assert printed["columns"] == answer["columns"]
    assert printed["privacy"]["rho"] == pytest.approx(answer["privacy"]["rho"], rel=1e-6)
    assert [row[0] for row in printed["rows"]] == [row[0] for row in answer["rows"]]
    width = [high - low for low, high in answer["intervals"]["columns"]["customers"]]
    assert [high - low for low, high in printed["intervals"]["columns"]["customers"]] == width


def test_the_readme_s_commands_are_answered_as_it_says(told):
    readme = (ROOT / "README.md").read_text()
    commands = re.findall(r"\.venv/bin/(gateway (?:query|quote) .*?'[^']*')", readme, re.DOTALL)
    shown = []
    for command in commands:
        words = shlex.split(command.replace("\\\n", " "))
        del words[words.index("--token") : words.index("--token") + 2]
        result = invoke(told.cast.second_buyer, *words[1:])
        assert result.exit_code == 0, result.output
        shown.append(" ".join(result.stdout.split()))
    plain, quote, accuracy = shown
    assert "±" in plain
    assert "nothing useful is expected" in quote
    assert "coarser purchased_on by" in quote
    reached = re.search(r"asked ± 200 at 0.95; reached n ± ([\d.]+)", accuracy)
    assert 0 < float(reached[1]) <= 400  # the bound that is found decides


def test_a_query_on_the_command_line(told):
    result = invoke(told.cast.buyer, "query", "--sql", questions.COUNTS_BY_MONTH)
    assert result.exit_code == 0, result.output
    assert "nothing: the stored answer again" in result.stdout
    assert result.stdout.count("±") == 19
    raw = invoke(told.cast.buyer, "query", "--json", "--sql", questions.COUNTS_BY_MONTH)
    assert json.loads(raw.stdout)["rows"] == told.first["rows"]


def test_a_refusal_on_the_command_line(told):
    result = invoke(told.cast.buyer, "query", "--sql", "SELECT amount\nFROM purchases")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "raw_rows" in result.stderr
    assert "^" in result.stderr
    assert "hint: " in result.stderr


def test_an_overdraw_on_the_command_line(told):
    result = invoke(told.cast.buyer, "query", "--epsilon", "0.4", "--json", "--sql", questions.ONE_MORE)
    assert result.exit_code == 4
    assert json.loads(result.stderr)["code"] == "budget_exhausted"


def test_a_quote_on_the_command_line(told):
    result = invoke(told.cast.buyer, "quote", "--sql", "SELECT COUNT(*) AS n FROM purchases WHERE quantity > 3")
    assert result.exit_code == 0, result.output
    widths = [int(width) for width in re.findall(r"│ epsilon [\d.]+ +│.*│ ± (\d+) │", result.stdout)]
    assert len(widths) == 3
    assert widths[0] == pytest.approx(2 * widths[1], abs=2)  # at epsilon 1/8 and 1/4
    assert widths[2] == pytest.approx(widths[1] / 4 / 0.4, abs=1)  # and at 0.4, the most that the policy allows


def test_datasets_and_budget_on_the_command_line(told):
    assert "Online music purchases" in invoke(told.cast.buyer, "datasets").stdout
    one = invoke(told.cast.buyer, "datasets", "cdnow").stdout
    assert "granularity" in one
    assert "purchase_id" not in one  # hidden
    budget = invoke(told.cast.buyer, "budget")
    assert [name in budget.stdout for name in ("data", "organisation", "buyer")] == [True] * 3
    assert json.loads(invoke(told.cast.buyer, "budget", "--json").stdout)["datasets"][0]["dataset"] == "cdnow"


def test_a_receipt_on_the_command_line(told):
    query_id = told.first["query_id"]
    result = invoke(told.cast.buyer, "receipt", query_id)
    assert result.exit_code == 0, result.output
    assert "the receipt verifies" in result.stdout
    wrong = invoke(told.cast.buyer, "receipt", query_id, "--public-key", "00" * 32)
    assert wrong.exit_code == 1
    assert "log_corrupt" in wrong.stderr


@pytest.mark.long
def test_a_gateway_that_does_not_start_says_why(tmp_path):
    stage = Stage(tmp_path)
    stage.policies.mkdir()
    with pytest.raises(GatewayError, match="did not start") as caught, running(stage):
        pass
    assert "policy_invalid" in caught.value.detail or "No policy" in caught.value.detail


def test_the_policy_is_checked_clean(tmp_path):
    built = ended(["demo", "--database", str(tmp_path / "data" / "cdnow.duckdb")])
    assert built.returncode == 0, built.stderr
    policy = tmp_path / "cdnow.yaml"
    policy.write_text((ROOT / "policies" / "cdnow.yaml").read_text())
    result = RUNNER.invoke(app, ["policy", "check", str(policy)])
    assert result.exit_code == 0, result.output
    assert "warning" not in result.stdout
    assert "suspended" not in result.stdout


def test_a_policy_that_does_not_hold_ends_in_words(tmp_path):
    policy = tmp_path / "x.yaml"
    policy.write_text("dataset: x\n")
    done = ended(["policy", "check", str(policy)])
    assert done.returncode == 2
    assert "privacy: this key is missing" in done.stderr
    assert "Traceback" not in done.stderr
