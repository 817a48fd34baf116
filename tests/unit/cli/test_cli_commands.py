"""Commands that need no gateway: tokens, versions, refusals on the spot, exit codes."""

import asyncio
import json
import re

import duckdb
import jwt
import pytest
from support.shop import NOW
from support.stores import ledger_of, order, versions_of
from typer.testing import CliRunner

from gateway import __version__
from gateway.cli.durations import seconds
from gateway.cli.failures import EXIT_CODES, reporting
from gateway.cli.main import app
from gateway.errors import GatewayError, Kind
from gateway.ports import FixedClock
from gateway.store.database import open_store

RUNNER = CliRunner()
WHO = ["--subject", "ana", "--organisation", "widgets", "--role", "buyer", "--role", "billing"]


def test_the_version():
    assert RUNNER.invoke(app, ["--version"]).stdout.strip() == __version__


def test_a_token_carries_what_was_asked(tmp_path):
    state = tmp_path / "state"
    extra = ["--purpose", "market-research", "--jurisdiction", "SG", "--ttl", "15m"]
    result = RUNNER.invoke(app, ["token", "--state", str(state), *WHO, *extra])
    assert result.exit_code == 0, result.output
    assert state.stat().st_mode & 0o777 == 0o700
    secret = (state / "keys" / "development.key").read_text()
    claims = jwt.decode(result.stdout.strip(), secret, algorithms=["HS256"], audience="controlled-query-gateway")
    assert claims["sub"] == "ana"
    assert claims["org"] == "widgets"
    assert claims["roles"] == ["billing", "buyer"]
    assert len(claims["jti"]) == 24
    assert claims["purpose"] == "market-research"
    assert claims["jurisdiction"] == "SG"
    assert claims["exp"] - claims["iat"] == 900
    assert f"{state} held no key" in result.stderr
    again = RUNNER.invoke(app, ["token", "--state", str(state), *WHO])
    assert (again.exit_code, again.stderr) == (0, "")


def test_no_token_where_an_outside_issuer_is_configured(tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_ISSUER", "https://issuer.example")
    monkeypatch.setenv("GATEWAY_JWKS_URL", "https://issuer.example/keys")
    result = RUNNER.invoke(app, ["token", "--state", str(tmp_path), *WHO])
    assert result.exit_code == 2
    assert "settings_invalid" in result.stderr
    assert not (tmp_path / "keys").exists()


def test_no_token_that_the_gateway_would_not_take(tmp_path):
    result = RUNNER.invoke(app, ["token", "--state", str(tmp_path), *WHO, "--ttl", "2d"])
    assert result.exit_code == 2
    assert "86400 seconds" in result.stderr


def test_no_token_with_a_role_that_there_is_not(tmp_path):
    result = RUNNER.invoke(app, ["token", "--state", str(tmp_path), *WHO, "--role", "byuer"])
    assert result.exit_code == 2
    assert "there is no role 'byuer'" in result.stderr
    assert not (tmp_path / "keys").exists()


MINE = """
dataset: mine
provider: {organisation: acme}
engine: {kind: duckdb, path: mine.duckdb}
compliance: {source: own, legal_basis: contract, reviewed_by: reviewer}
privacy:
  unit: {table: people, key: person}
  budget: {epsilon: 5, delta: 1.0e-6}
  per_query: {default_epsilon: 0.2, max_epsilon: 0.4}
tables: {people: {rows: 9, columns: {person: {class: core}}}}
grants: [{to: {organisation: widgets}}]
"""


def test_a_policy_s_file_that_cannot_be_opened_is_named_to_its_provider(tmp_path):
    policy, data = tmp_path / "mine.yaml", tmp_path / "mine.duckdb"
    policy.write_text(MINE)
    absent = RUNNER.invoke(app, ["policy", "check", str(policy)])
    assert absent.exception.code == "engine_unavailable"
    assert str(data) in absent.exception.detail
    assert "no such file" in absent.exception.detail
    data.write_text("no database")
    broken = RUNNER.invoke(app, ["policy", "check", str(policy)])
    assert broken.exception.code == "engine_unavailable"
    assert str(data) in broken.exception.detail
    assert "no such file" not in broken.exception.detail


def test_a_hint_in_brackets_is_printed_whole(tmp_path):
    policy = tmp_path / "mine.yaml"
    policy.write_text(MINE)
    with duckdb.connect(str(tmp_path / "mine.duckdb")) as connection:
        connection.execute("CREATE TABLE people (person INTEGER NOT NULL)")
    result = RUNNER.invoke(app, ["policy", "check", str(policy)])
    assert result.exit_code == 0, result.output
    assert "add `unique: [[person]]`" in result.stdout


@pytest.mark.parametrize(("token", "key"), [("secret\n", "k"), ("secret x", "k"), ("", "k"), ("secret", "a\nb")])
def test_a_line_break_in_a_header_is_named_and_the_token_never_shown(token, key):
    result = RUNNER.invoke(app, ["query", "--sql", "SELECT 1", "--token", token, "--idempotency-key", key])
    assert result.exit_code == 2
    assert "visible ASCII" in " ".join(result.stderr.split())
    assert "secret" not in result.output + repr(result.exception)


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("15m", 900), ("1h", 3600), ("7d", 604_800)])
def test_durations(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "h", "0s", "1", "1.5h", "-1h", "1 h", "\u0661h", "1w", "9999999999s"])
def test_what_is_no_duration(text):
    with pytest.raises(GatewayError, match="is not a duration"):
        seconds(text)


def test_every_kind_has_its_own_exit_code():
    assert set(EXIT_CODES) == set(Kind)
    assert sorted(EXIT_CODES.values()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("code", "expected"),
    [("sql_syntax", 2), ("raw_rows", 3), ("budget_exhausted", 4), ("overloaded", 5), ("query_failed", 1)],
)
def test_errors_end_in_their_exit_code_and_words(code, expected, capsys):
    with pytest.raises(Exception) as caught, reporting("SELECT 1"):  # noqa: PT011 - typer keeps its class to itself
        raise GatewayError(code, "what happened", "what to do")
    assert caught.value.exit_code == expected
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.search(rf"{code} +what happened\s+hint: what to do", shown.err)


def test_errors_as_json_are_one_object_on_one_line(capsys):
    with pytest.raises(Exception), reporting(as_json=True):  # noqa: B017, PT011 - as above
        raise GatewayError("raw_rows", "a long detail " * 40, "hint")
    problem = json.loads(capsys.readouterr().err)
    assert problem["code"] == "raw_rows"
    assert problem["status"] == 400
    assert problem["detail"] == "a long detail " * 40


@pytest.mark.parametrize("epsilon", ["x", "0", "-1", "nan", "inf"])
def test_an_epsilon_that_is_none_is_refused_on_the_spot(epsilon):
    result = RUNNER.invoke(app, ["query", "--sql", "SELECT 1", "--token", "t", f"--epsilon={epsilon}"])
    assert result.exit_code == 2
    assert "bad_request" in result.stderr


def test_nobody_listens():
    result = RUNNER.invoke(app, ["budget", "--token", "t", "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 5
    assert "no gateway answers" in result.stderr


def test_a_token_file_that_is_not_there(tmp_path):
    result = RUNNER.invoke(app, ["budget", "--token", f"@{tmp_path}/none"])
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_a_provider_looks_at_failures_and_excuses_a_buyer(tmp_path):
    failed_query(tmp_path)
    shown = RUNNER.invoke(app, ["dataset", "failures", "shop", "--state", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    assert "org/ana" in shown.stdout
    assert "engine said no" in shown.stdout
    nobody = RUNNER.invoke(app, ["dataset", "failures", "shop", "--state", str(tmp_path), "--excuse", "org/bob"])
    assert nobody.exit_code == 2
    assert "org/bob" in nobody.stderr
    excused = RUNNER.invoke(app, ["dataset", "failures", "shop", "--state", str(tmp_path), "--excuse", "org/ana"])
    assert "may ask 'shop' again" in excused.stdout
    assert "no failed queries" in RUNNER.invoke(app, ["dataset", "failures", "shop", "--state", str(tmp_path)]).stdout


def test_a_state_folder_or_a_dataset_that_is_not_there_is_an_error(tmp_path):
    failed_query(tmp_path)
    for command in ("refresh", "failures"):
        result = RUNNER.invoke(app, ["dataset", command, "shop", "--state", str(tmp_path / "none")])
        assert result.exit_code == 2
        assert "no gateway's state" in " ".join(result.stderr.split())
        assert not (tmp_path / "none").exists()
    result = RUNNER.invoke(app, ["dataset", "failures", "shpo", "--state", str(tmp_path)])
    assert result.exit_code == 3
    assert "unknown_dataset" in result.stderr


def failed_query(folder):
    async def work():
        store = await open_store(folder)
        ledger = ledger_of(store, FixedClock(NOW))
        await versions_of(store, FixedClock(NOW)).declare("shop", "1:1:1", "first start")
        await ledger.fail(await ledger.charge(order(1)), "the engine said no")
        await store.close()

    asyncio.run(work())
