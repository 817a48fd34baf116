"""Everything that can be set, read once: from the environment (GATEWAY_*), then what the command line says."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.errors import GatewayError

MIN_SECRET_BYTES = 32
MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Settings:
    """How this gateway runs. Paths may not exist yet; `state` holds the store, the log and the development keys."""

    policies: Path = Path("policies")
    state: Path = Path("state")
    store_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    source: str = "gateway"
    members: str = "embedded"
    witnesses: str = ""
    issuer: str | None = None
    audience: str = "controlled-query-gateway"
    jwks_url: str | None = None
    jwks_file: Path | None = None
    hs256_secret: str | None = None
    max_token_lifetime_s: int = 86_400
    clock_skew_s: int = 30
    max_body_bytes: int = 256 * 1024
    body_timeout_s: float = 10.0
    planners: int = 2
    engines: int = 2
    finishers: int = 2
    engine_memory_mb: int = 1024
    engine_threads: int = 1
    engine_connections: int = 4
    plan_deadline_s: float = 2.0
    engine_deadline_s: float = 60.0
    finish_deadline_s: float = 60.0
    wait_s: float = 30.0
    drain_s: float = 30.0
    head_timeout_s: float = 10.0
    max_connections: int = 512
    max_in_flight: int = 256
    free_per_minute: int = 240
    statements_per_minute: int = 1200
    lease_s: float = 5.0
    meter_files: Path | None = None
    meter_webhook: str | None = None
    meter_secret: str | None = None
    meter_secret_file: Path | None = None
    meter_attempts: int = 8
    alert_webhook: str | None = None
    alert_secret: str | None = None
    alert_secret_file: Path | None = None
    billing_zone: str = "UTC"
    log_format: str = "text"
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    traces_url: str | None = None
    traces_share: float = 1.0

    def __post_init__(self) -> None:
        """Check what cannot be right. Raises GatewayError `settings_invalid`."""
        if not 0 <= self.port <= MAX_PORT:
            raise _invalid("port", f"it is not between 0 and {MAX_PORT}")
        if self.hs256_secret is not None and len(self.hs256_secret.encode()) < MIN_SECRET_BYTES:
            raise _invalid("hs256_secret", f"it is shorter than {MIN_SECRET_BYTES} bytes")
        outside = [name for name in ("jwks_url", "jwks_file", "hs256_secret") if getattr(self, name) is not None]
        if len(outside) > 1:
            raise _invalid(outside[1], f"{outside[0]} is set as well; keys come from one place")
        if bool(outside) != (self.issuer is not None):
            raise _invalid("issuer", "an outside issuer and its keys are set together or not at all")
        if self.jwks_url is not None and not self.jwks_url.startswith(("https://", "http://")):
            raise _invalid("jwks_url", "it is no http or https address")
        self._check_metering()
        self._check_operations()

    @property
    def members_required(self) -> bool:
        """Whether members, reviews and versions of policies stand in the store (docs/design/exchange.md)."""
        return self.members == "required"

    def _check_operations(self) -> None:
        if self.members not in ("embedded", "required"):
            raise _invalid("members", "it is neither embedded nor required")
        if self.log_format not in ("text", "json"):
            raise _invalid("log_format", "it is neither text nor json")
        if self.metrics_port is not None and not 0 <= self.metrics_port <= MAX_PORT:
            raise _invalid("metrics_port", f"it is not between 0 and {MAX_PORT}")
        if self.traces_url is not None and not self.traces_url.startswith(("https://", "http://")):
            raise _invalid("traces_url", "it is no http or https address")
        if not 0 <= self.traces_share <= 1:
            raise _invalid("traces_share", "it is not between 0 and 1")

    def _check_webhook(self, kind: str) -> None:
        names = (f"{kind}_secret", f"{kind}_secret_file")
        url, secret = getattr(self, f"{kind}_webhook"), getattr(self, names[0])
        secrets = [name for name in names if getattr(self, name) is not None]
        if len(secrets) != (0 if url is None else 1):
            raise _invalid(names[0], "a webhook has one secret, of its own or in a file; without one there is none")
        if secret is not None and len(secret.encode()) < MIN_SECRET_BYTES:
            raise _invalid(names[0], f"it is shorter than {MIN_SECRET_BYTES} bytes")
        if url is not None:
            address = urlsplit(url)
            near = address.hostname in ("localhost", "127.0.0.1", "::1")
            if address.scheme != "https" and not (address.scheme == "http" and near):
                raise _invalid(f"{kind}_webhook", "it is no https address, nor an http one of this machine")

    def _check_metering(self) -> None:
        self._check_webhook("meter")
        self._check_webhook("alert")
        if self.meter_attempts < 1:
            raise _invalid("meter_attempts", "at least one attempt is made")
        if self.free_per_minute < 1:
            raise _invalid("free_per_minute", "nobody could be told why")
        if self.statements_per_minute < 1:
            raise _invalid("statements_per_minute", "nobody could send one")


def _invalid(name: str, why: str) -> GatewayError:
    hint = f"Correct GATEWAY_{name.upper()} or the option of this name."
    return GatewayError("settings_invalid", f"The setting '{name}' cannot be used: {why}.", hint)


def read(environ: Mapping[str, str], overrides: Mapping[str, Any]) -> Settings:
    """Return the settings of an environment and of overrides that win. Raises GatewayError `settings_invalid`."""
    kinds = {field.name: str(field.type) for field in fields(Settings)}
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith("GATEWAY_"):
            continue
        name = variable.removeprefix("GATEWAY_").lower()
        if name not in kinds:
            raise _invalid(name, "there is no such setting")
        values[name] = _typed(name, kinds[name], text)
    return Settings(**{**values, **{name: value for name, value in overrides.items() if value is not None}})


def _typed(name: str, kind: str, text: str) -> Any:
    if "Path" in kind:
        return Path(text)
    if "str" in kind:
        return text
    try:
        number = float(text) if "float" in kind else int(text)
    except ValueError:
        raise _invalid(name, "it is no number") from None
    if not 0 <= number < 10**12:
        raise _invalid(name, "it is out of range")
    return number


def variable(name: str) -> str | None:
    """Return what this process's environment says under a name that a policy gives: where a provider's database is.

    NAME_FILE in place of NAME stands for what is in that file. None where there is neither, or no such file.
    """
    found, path = os.environ.get(name), os.environ.get(f"{name}_FILE")  # noqa: TID251 - the same one door
    if found is not None or path is None:
        return found
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def from_environment(overrides: Mapping[str, Any]) -> Settings:
    """Return this process's settings: the one place that reads its environment."""
    return read(expanded(os.environ), overrides)  # noqa: TID251 - the one door


def expanded(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment where GATEWAY_X_FILE, which is no setting itself, stands for what is in that file.

    So secrets reach a container without standing in its environment. Raises GatewayError `settings_invalid`.
    """
    known = {field.name for field in fields(Settings)}
    found = dict(environ)
    for variable, path in environ.items():
        name = variable.removeprefix("GATEWAY_").removesuffix("_FILE").lower()
        whole = variable.removeprefix("GATEWAY_").lower()
        if variable != f"GATEWAY_{name.upper()}_FILE" or name not in known or whole in known:
            continue
        if f"GATEWAY_{name.upper()}" in environ:
            raise _invalid(name, "it is given both as such and in a file")
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise _invalid(name, "its file cannot be read") from None
        del found[variable]
        found[f"GATEWAY_{name.upper()}"] = text
    return found
