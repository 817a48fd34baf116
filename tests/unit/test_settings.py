"""Settings: from the environment, then from the command line; what cannot be right stops the start."""

from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.settings import Settings, expanded, read


def test_defaults_then_environment_then_overrides():
    settings = read({"GATEWAY_PORT": "9", "GATEWAY_STATE": "here", "PATH": "/bin"}, {"port": 10, "host": None})
    assert settings.port == 10
    assert settings.state == Path("here")
    assert settings.host == Settings().host


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"GATEWAY_PROT": "1"}, "prot"),
        ({"GATEWAY_PORT": "x"}, "port"),
        ({"GATEWAY_PORT": "-1"}, "port"),
        ({"GATEWAY_PORT": "65536"}, "port"),
        ({"GATEWAY_WAIT_S": "nan"}, "wait_s"),
        ({"GATEWAY_WAIT_S": "inf"}, "wait_s"),
        ({"GATEWAY_HS256_SECRET": "short", "GATEWAY_ISSUER": "i"}, "hs256_secret"),
        ({"GATEWAY_HS256_SECRET": "s" * 32}, "issuer"),
        ({"GATEWAY_ISSUER": "i"}, "issuer"),
        ({"GATEWAY_ISSUER": "i", "GATEWAY_JWKS_URL": "file:///x"}, "jwks_url"),
        ({"GATEWAY_METER_WEBHOOK": "https://billing.example/events"}, "meter_secret"),
        ({"GATEWAY_METER_SECRET": "s" * 32}, "meter_secret"),
        ({"GATEWAY_METER_WEBHOOK": "https://x", "GATEWAY_METER_SECRET": "short"}, "meter_secret"),
        (
            {"GATEWAY_METER_WEBHOOK": "https://x", "GATEWAY_METER_SECRET": "s" * 32, "GATEWAY_METER_SECRET_FILE": "f"},
            "meter_secret",
        ),
        ({"GATEWAY_METER_WEBHOOK": "http://billing.example", "GATEWAY_METER_SECRET": "s" * 32}, "meter_webhook"),
        ({"GATEWAY_METER_WEBHOOK": "ftp://127.0.0.1", "GATEWAY_METER_SECRET": "s" * 32}, "meter_webhook"),
        ({"GATEWAY_METER_ATTEMPTS": "0"}, "meter_attempts"),
        ({"GATEWAY_FREE_PER_MINUTE": "0"}, "free_per_minute"),
        ({"GATEWAY_STATEMENTS_PER_MINUTE": "0"}, "statements_per_minute"),
        ({"GATEWAY_ISSUER": "i", "GATEWAY_JWKS_URL": "https://x", "GATEWAY_HS256_SECRET": "s" * 32}, "hs256_secret"),
    ],
)
def test_what_cannot_be_right_is_named(environment, named):
    with pytest.raises(GatewayError) as caught:
        read(environment, {})
    assert caught.value.code == "settings_invalid"
    assert f"'{named}'" in caught.value.detail
    assert "s" * 32 not in caught.value.detail + caught.value.hint


def test_a_secret_comes_from_a_file_that_the_environment_names(tmp_path):
    held = tmp_path / "secret"
    held.write_text("s" * 40 + "\n")
    found = expanded({"GATEWAY_HS256_SECRET_FILE": str(held), "GATEWAY_JWKS_FILE": "keys.json", "PATH_FILE": "x"})
    assert found == {"GATEWAY_HS256_SECRET": "s" * 40, "GATEWAY_JWKS_FILE": "keys.json", "PATH_FILE": "x"}


@pytest.mark.parametrize("beside", [{}, {"GATEWAY_STORE_URL": "postgresql://x"}])
def test_a_file_that_is_missing_or_one_too_many_stops_the_start(tmp_path, beside):
    held = tmp_path / "url"
    if beside:
        held.write_text("postgresql://y")
    with pytest.raises(GatewayError) as caught:
        expanded({"GATEWAY_STORE_URL_FILE": str(held), **beside})
    assert caught.value.code == "settings_invalid"
    assert "store_url" in caught.value.detail
    assert "postgresql" not in caught.value.detail


def test_a_mistyped_file_setting_is_still_named(tmp_path):
    held = tmp_path / "x"
    held.write_text("1")
    with pytest.raises(GatewayError) as caught:
        read(expanded({"GATEWAY_PROT_FILE": str(held)}), {})
    assert "prot" in caught.value.detail
