"""Where commands write: what is there already stays as it is, and a place that cannot be written is an error in words."""

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app

KEPT = b"somebody's only copy"


@pytest.fixture
def there(tmp_path):
    path = tmp_path / "there"
    path.write_bytes(KEPT)
    return path


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def held_up(done, path):
    """Hold a command to have ended in words, with what was there untouched."""
    assert done.exit_code == 2, done.output
    assert "settings_invalid" in done.stderr
    assert "hint: " in done.stderr
    assert path.read_bytes() == KEPT
    assert not [one for one in path.parent.iterdir() if one.name.startswith(f".{path.name}")]


@pytest.mark.parametrize("command", [
    ("evidence", "fetch", "--token", "t", "--url", "http://127.0.0.1:1", "--out"),
    ("evidence", "fetch", "--token", "t", "--url", "http://127.0.0.1:1", "--out", "{}/below"),
    ("evidence", "filing", "--out"),
    ("evidence", "filing", "--out", "{}/below"),
    ("grant", "key", "make"),
    ("token", "--subject", "a", "--organisation", "b", "--role", "buyer", "--state"),
    ("evidence", "rotate-key", "--state"),
    ("drill", "--token", "t", "--buyer-token", "t", "--gateway", "http://127.0.0.1:1", "--sql", "S", "--really",
     "--all", "--out", "{}/below"),
    ("drill", "--token", "t", "--buyer-token", "t", "--gateway", "http://127.0.0.1:1", "--sql", "S", "--really",
     "--all", "--out", "{}/.."),
])  # fmt: skip
def test_a_file_in_the_way_is_left_alone(there, command):
    words = [word.format(there) for word in command]
    held_up(run(*words, *([] if any("{}" in word for word in command) else [there])), there)
