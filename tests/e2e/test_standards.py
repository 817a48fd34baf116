"""Data contracts over HTTP and as files, and dbt's files on the way to a policy."""

import json
from pathlib import Path

import duckdb
import pytest
from jsonschema import Draft201909Validator
from ruamel.yaml import YAML
from support.classifying import command, confirmed

SCHEMA = Path(__file__).parents[1] / "corpora" / "odcs" / "odcs-json-schema-v3.1.0.json"
VALIDATOR = Draft201909Validator(json.loads(SCHEMA.read_text()))


def asked(gateway, token, name="shop"):
    status, body = gateway.call("GET", f"/v1/datasets/{name}/contract", token=token)
    return status, json.loads(body)


def test_whoever_sees_a_dataset_sees_its_contract(gateway):
    status, contract = asked(gateway, gateway.token())
    assert status == 200
    assert list(VALIDATOR.iter_errors(contract)) == []
    assert (contract["id"], contract["status"]) == ("acme/shop", "active")
    assert contract["price"]["priceAmount"] == 0.5
    text = json.dumps(contract)
    assert "duckdb" not in text
    assert "weight" not in text, "a column that the policy does not name"
    _, told = gateway.call("GET", "/v1/datasets/shop")
    assert contract["version"] == json.loads(told)["versions"]["policy"]
    status, own = asked(gateway, gateway.token("eve", "acme", ("provider",), None))
    assert status == 200
    assert "price" not in own
    for token, name in ((gateway.token("sam", "strangers"), "shop"), (gateway.token(), "nothing")):
        status, problem = asked(gateway, token, name)
        assert (status, problem["code"]) == (404, "unknown_dataset")


def test_a_contract_takes_no_parameters_and_no_other_method(gateway):
    assert gateway.call("GET", "/v1/datasets/shop/contract?a=1")[0] == 400
    assert gateway.call("POST", "/v1/datasets/shop/contract", {})[0] == 405


def test_what_is_shut_has_no_contract(own):
    gateway = own()
    eve = gateway.token("eve", "acme", ("provider",), None)
    gateway.data.rename(gateway.data.with_suffix(".away"))
    assert gateway.call("POST", "/v1/datasets/shop/refresh", token=eve)[0] == 503
    gateway.stop()
    gateway.start()
    for token in (gateway.token(), eve):
        status, problem = asked(gateway, token)
        assert (status, problem["code"]) == (503, "engine_unavailable")
    assert asked(gateway, gateway.token("sam", "strangers"))[1]["code"] == "unknown_dataset"


@pytest.mark.parametrize("name", ["contract.odcs.yaml", "contract.json", "-"])
def test_a_policy_is_exported(gateway, tmp_path, name):
    out = tmp_path / name if name != "-" else "-"
    done = command("policy", "export", gateway.policies / "shop.yaml", "--odcs", out)
    assert done.returncode == 0, done.stderr
    text = done.stdout if name == "-" else out.read_text()
    contract = json.loads(text) if name.endswith("json") else YAML(typ="safe", pure=True).load(text)
    _, served = asked(gateway, gateway.token())
    assert list(VALIDATOR.iter_errors(json.loads(json.dumps(contract)))) == []
    assert contract["schema"] == served["schema"]
    assert (contract["version"], contract["status"]) == (served["version"], "draft")


DBT = """
models:
  - name: persons
    columns:
      - {name: pid, tests: [unique, not_null]}
      - name: region
        tests:
          - not_null
          - accepted_values: {values: [north, south, "east & west"]}
      - {name: nick, meta: {pii: true}}
  - name: visits
    columns:
      - name: who
        tests: [{relationships: {to: ref('persons'), field: pid}}]
      - name: minutes
        description: how long, in minutes
"""


@pytest.fixture
def visits(tmp_path):
    path = tmp_path / "visits.duckdb"
    connection = duckdb.connect(str(path))
    connection.execute(
        "CREATE TABLE persons AS SELECT i AS pid, ['north', 'south', 'east & west'][1 + i % 3] AS region, 'n' || i AS nick FROM range(500) t(i)"
    )
    connection.execute("CREATE TABLE visits AS SELECT i % 500 AS who, i % 90 AS minutes FROM range(3000) t(i)")
    connection.close()
    (tmp_path / "schema.yml").write_text(DBT)
    return path


def test_a_dbt_file_becomes_a_policy(visits, tmp_path):
    policy = tmp_path / "visits.yaml"
    arguments = ("--duckdb", visits, "--organisation", "acme", "--out", policy)
    done = command("policy", "import", "--dbt", tmp_path / "schema.yml", *arguments)
    assert done.returncode == 0, done.stderr
    made = YAML(typ="safe", pure=True).load(policy.read_text())["tables"]
    assert made["persons"]["unique"] == [["pid"]]
    assert made["persons"]["columns"]["region"]["values"] == ["north", "south", "east & west"]
    assert made["persons"]["columns"]["region"]["nullable"] is False
    assert made["persons"]["columns"]["nick"] == {"class": "core"}
    assert made["visits"]["unit_path"] == {"who": "persons.pid"}
    policy.write_text(confirmed(policy.read_text()))
    checked = command("policy", "check", policy)
    assert checked.returncode == 0, checked.stderr
    without = command("classify", "--duckdb", visits)
    assert (without.returncode, "--unit" in without.stderr) == (2, True), "names alone do not tell"


def test_a_file_that_is_none_is_said(visits, tmp_path):
    (tmp_path / "schema.yml").write_text("a: [")
    done = command("policy", "import", "--dbt", tmp_path / "schema.yml", "--duckdb", visits)
    assert done.returncode == 2
    assert "schema.yml is not YAML" in done.stderr
