"""`gateway witness`: watch somebody's log over HTTP, and co-sign it while it only grows."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.clock import SystemClock
from gateway.cli.ask import client
from gateway.cli.durations import seconds
from gateway.cli.failures import report, reporting
from gateway.cli.http import Client, Unreachable
from gateway.errors import GatewayError, Kind
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.witness import Caught, Witness, WitnessKey, make_key, read_key


@dataclass(frozen=True, slots=True)
class _Http:
    """Satisfies gateway.evidence.witness.LogSource."""

    client: Client

    def get(self, path: str) -> bytes:
        return self.client.get(path).body

    def post(self, path: str, body: dict[str, object]) -> None:
        self.client.post(path, body)


def witness(
    key: Annotated[Path, typer.Option(help="The witness's own key file.")],
    new_key: Annotated[str | None, typer.Option(help="Make the key file under this name, print the key, end.")] = None,
    log: Annotated[str | None, typer.Option(help="Address of the gateway whose log is watched.")] = None,
    token: Annotated[str | None, typer.Option(envvar="QUERY_GATEWAY_TOKEN", help="Bearer token, or @FILE.")] = None,
    state: Annotated[Path, typer.Option(help="Folder of what was signed last, and of proofs.")] = Path("witness"),
    log_key: Annotated[str | None, typer.Option(help="The log's key; needed the first time.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    every: Annotated[str, typer.Option(help="How often to look: 30s, 5m.")] = "60s",
) -> None:
    """Check that a log extends what was signed before, and co-sign it. A fork or rollback ends it with code 1."""
    with reporting():
        if new_key is not None:
            typer.echo(_make(key, new_key).public.vkey())
            return
        if log is None or token is None:
            raise GatewayError("settings_invalid", "The log's address or the token is missing.", "--log, --token")
        pause = seconds(every)
        own = _key(key)
        while True:
            try:  # the token is read anew each time: it may have been renewed
                _look(Witness(_Http(client(log, token)), own, state, SystemClock(), log_key))
            except (GatewayError, Unreachable) as failure:
                if once or not _passing(failure):
                    raise
                report(failure)  # the log may be back at the next look
            if once:
                return
            time.sleep(pause)


def _look(found: Witness) -> None:
    """Look once. Raises GatewayError `log_corrupt`, loudly, where the log is not what it was."""
    try:
        seen = found.step()
    except Caught as caught:
        detail = f"THE LOG DOES NOT HOLD: {caught.reason}. Both heads are kept in {caught.folder}."
        hint = "It was not signed. Show the folder to the members and the regulator."
        raise GatewayError("log_corrupt", detail, hint) from None
    except NotVerified as failure:
        raise GatewayError("log_corrupt", f"The log cannot be checked: {failure}.", "Nothing was signed.") from None
    extends = f", extends {seen.extends:,}" if seen.extends is not None else ", the first"
    typer.echo(f"co-signed {seen.origin} at {seen.size:,} leaves{extends}")
    sys.stdout.flush()


def _passing(failure: GatewayError | Unreachable) -> bool:
    return isinstance(failure, Unreachable) or failure.kind in (Kind.UNAVAILABLE, Kind.EXHAUSTED)


def _make(path: Path, name: str) -> WitnessKey:
    try:
        return make_key(path, name)
    except (NotVerified, OSError) as failure:
        hint = "Name a file that is not there yet, and a name such as witness.example.org/1."
        raise GatewayError("settings_invalid", f"The key cannot be made: {failure}.", hint) from None


def _key(path: Path) -> WitnessKey:
    try:
        return read_key(path)
    except (NotVerified, OSError, UnicodeError) as failure:
        hint = "Make one: gateway witness --key FILE --new-key NAME."
        raise GatewayError("settings_invalid", f"The witness's key cannot be read: {failure}.", hint) from None
