"""`gateway grant` against a real gateway: from the key file to the checked grant, as two organisations type it."""

import json
import os
import subprocess
import sys

import pytest
from support.starting import ended

SQL = "SELECT COUNT(*) AS n FROM customers"


@pytest.fixture
def run(gateway):
    people = {
        "gil": gateway.token("gil", "gadgets"),
        "eve": gateway.token("eve", "acme", ("provider",), None),
        "mei": gateway.token("mei", "acme", ("provider",), None),
    }

    def command(person, *words, given=""):
        environment = {
            **os.environ, "QUERY_GATEWAY_URL": gateway.url, "QUERY_GATEWAY_TOKEN": people[person], "COLUMNS": "160",
        }  # fmt: skip
        return ended(words, environment, given=given)

    return command


def test_from_the_key_to_the_checked_grant(gateway, run, tmp_path):
    file = tmp_path / "acme.key"
    made = run("eve", "grant", "key", "make", str(file))
    assert made.returncode == 0, made.stderr
    key_id, public = made.stdout.split()[1], made.stdout.split()[-1]
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("eve", "grant", "key", "make", str(file)).returncode == 2  # it is not made twice
    assert run("eve", "grant", "key", "register", str(file)).stdout.startswith("registered")
    assert "two_persons" in run("eve", "grant", "key", "confirm", key_id).stderr
    assert run("mei", "grant", "key", "confirm", key_id).stdout.startswith("confirmed")
    asked = run(
        "gil", "grant", "request", "--dataset", "shop", "--why", "a study", "--purpose", "research", "--uses", "9",
        "--set", 'budget={"epsilon":"5"}', "--set", "rate=60/min", "--json",
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    grant_id = json.loads(asked.stdout)["grant_id"]
    assert grant_id in run("eve", "grant", "list").stdout
    declined = run("eve", "grant", "sign", grant_id, "--key", str(file), given="n\n")
    assert declined.returncode == 1
    wide = run("eve", "grant", "sign", grant_id, "--key", str(file), "--set", "uses=10", "--yes")
    assert (wide.returncode, "wider than what was asked" in wide.stderr) == (2, True)
    signed = run("eve", "grant", "sign", grant_id, "--key", str(file), "--set", "uses=2", "--yes")
    assert signed.returncode == 0, signed.stderr
    assert signed.stdout.startswith("granted")
    assert "changed by you" in signed.stderr
    assert run("gil", "query", "--dataset", "shop", "--sql", SQL).returncode == 0
    shown = run("gil", "grant", "show", grant_id, "--json")
    paper = tmp_path / "grant.json"
    paper.write_text(shown.stdout)
    checked = run("gil", "evidence", "verify", str(paper), "--key", public)
    assert checked.returncode == 0, checked.stderr
    assert "uses: 2" in checked.stdout
    alone = subprocess.run(
        [sys.executable, "-m", "gateway.evidence.offline", str(paper), "--key", public], text=True, capture_output=True
    )
    assert (alone.returncode, "the grant verifies" in alone.stdout) == (0, True)
    paper.write_text(shown.stdout.replace('"uses": 2', '"uses": 3'))
    assert run("gil", "evidence", "verify", str(paper), "--key", public).returncode == 1
    revoked = run("mei", "grant", "revoke", grant_id, "--reason", "misused")
    assert (revoked.returncode, "running queries ended: 0" in revoked.stdout) == (0, True)
    refused = run("gil", "query", "--dataset", "shop", "--sql", SQL)
    assert (refused.returncode, "grant_not_valid" in refused.stderr) == (3, True)
    assert run("eve", "grant", "key", "revoke", key_id).stdout.startswith("revoked")
    assert key_id in run("eve", "grant", "key", "list").stdout


def test_what_cannot_be_used_is_told_on_the_spot(run, tmp_path):
    file = tmp_path / "open.key"
    file.write_text("00" * 32)
    file.chmod(0o644)
    assert "chmod 600" in run("eve", "grant", "key", "register", str(file)).stderr
    file.write_text("none")
    file.chmod(0o600)
    assert "is no key" in run("eve", "grant", "key", "register", str(file)).stderr
    for words in (
        ("grant", "show", "../x"), ("grant", "key", "confirm", "../x"),
        ("grant", "request", "--dataset", "shop", "--why", "x", "--set", "price=5"),
    ):  # fmt: skip
        assert run("gil", *words).returncode == 2


def test_a_refusal_is_told_with_its_reason(run):
    asked = run("gil", "grant", "request", "--dataset", "shop", "--why", "a study of carts", "--json")
    grant_id = json.loads(asked.stdout)["grant_id"]
    run("gil", "grant", "request", "--dataset", "shop", "--why", "a study of baskets")
    listed = run("gil", "grant", "list", "--limit", "1")
    assert "a study of baskets" in listed.stdout
    assert grant_id not in listed.stdout
    more = listed.stderr.removeprefix("there are more: ").split()
    assert grant_id in run("gil", "grant", "list", "--limit", "1", *more).stdout
    assert "The cursor is not one of ours" in run("gil", "grant", "list", "--after", "x").stderr
    refused = run("eve", "grant", "refuse", grant_id, "--reason", "not for this")
    assert refused.stdout.startswith("refused")
    assert json.loads(run("gil", "grant", "show", grant_id, "--json").stdout)["reason"] == "not for this"
    assert run("eve", "grant", "crossings").returncode == 0
