"""The API is as its own document says: schemathesis asks every address as each role, with valid and invalid requests."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.web.reading import MEMBERS
from gateway.web.schemas import SCHEMAS

BUYER = ("ana", "widgets", ("buyer",))
WATCHING = ("billing", "supervisor", "arbiter")
ROLES = {"buyer": BUYER, "provider": ("eve", "acme", ("provider",)), "watchers": ("clerk", "acme", WATCHING)}
TOGETHER = {"buyer": BUYER, "the others": ("eve", "acme", ("provider", *WATCHING))}
NOT_FOR_A_SCHEMA = "positive_data_acceptance"
"""Whether SQL means anything, and whose tokens are meant, is no matter of a schema."""


def run(gateway, person, examples, *words):
    subject, organisation, roles = person
    command = [
        Path(sys.executable).parent / "schemathesis", "run", f"{gateway.url}/openapi.json",
        "-H", f"Authorization: Bearer {gateway.token(subject, organisation, roles)}",
        "--checks", "all", "--exclude-checks", NOT_FOR_A_SCHEMA, "--max-examples", str(examples), "--workers", "1",
        "--suppress-health-check", "all", "--seed", "1", "--no-color", "--request-timeout", "30",
        *words,
    ]  # fmt: skip
    return subprocess.run(command, text=True, capture_output=True, cwd=gateway.folder, timeout=900)


def described(gateway):
    """Return the addresses of the document, each with its methods."""
    return json.loads(gateway.call("GET", "/openapi.json")[1])["paths"]


@pytest.mark.parametrize("role", TOGETHER)
def test_every_address_answers_as_documented(own, role):
    gateway = own()
    # values at random; in the long test also each value of each parameter in turn, as a person of each role
    done = run(gateway, TOGETHER[role], 2, "--phases", "examples,fuzzing,stateful")
    assert done.returncode == 0, done.stdout[-8000:]
    described_ones = sum(map(len, described(gateway).values()))
    assert f"Tested: {described_ones - 1}" in done.stdout, "all but the description itself"


@pytest.mark.long
@pytest.mark.parametrize("role", ROLES)
def test_every_address_answers_as_documented_to_many_more(own, role):
    done = run(own(GATEWAY_FREE_PER_MINUTE="100000"), ROLES[role], 300)
    assert done.returncode == 0, done.stdout[-8000:]


def test_the_document_knows_every_member_of_a_question():
    assert set(SCHEMAS["Question"]["properties"]) == set(MEMBERS)


def test_the_page_shows_every_address_and_lets_nothing_else_in(gateway):
    status, page = gateway.call("GET", "/docs")
    assert status == 200
    text = page.decode()
    for path, methods in described(gateway).items():
        for method in methods:
            assert f"<h3><b>{method.upper()}</b> {path.replace('{path}', '{path:.+}')}</h3>" in text
    assert "<script" not in text
    assert "http://" not in text
    assert "https://" not in text
