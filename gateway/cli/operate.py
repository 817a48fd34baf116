"""What a provider types: serve, token, dataset refresh. The parts that do the work live behind app.py."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.app.clock import SystemClock, SystemRandomness
from gateway.app.roles import starting
from gateway.cli.durations import seconds
from gateway.cli.failures import reporting
from gateway.cli.show import console, table_of
from gateway.errors import GatewayError
from gateway.request import Caller
from gateway.settings import Settings, from_environment

State = Annotated[Path, typer.Option(help="Folder of the store, the log and the development keys.")]
Policies = Annotated[Path, typer.Option(help="Folder of the policy files.")]

dataset_app = typer.Typer(
    no_args_is_help=True,
    help="A dataset's life: declare that its data changed, look at queries that run and that failed.",
)


def serve(
    policies: Policies = Path("policies"),
    state: State = Path("state"),
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.  [default: 8080]")] = None,
) -> None:
    """Run the gateway until SIGTERM, which drains it."""
    overrides: dict[str, object] = {"policies": policies, "state": state}
    if host is not None:
        overrides["host"] = host
    if port is not None:
        overrides["port"] = port
    with reporting():
        raise typer.Exit(served(from_environment(overrides)))


def served(settings: Settings) -> int:
    """Serve until SIGTERM; return the exit code. The workers' code and the server's are loaded side by side."""
    with starting(settings) as workers:
        from gateway.app.running import run  # noqa: PLC0415 - loads the whole server, and only this command needs it

        return run(settings, workers)


def token(
    subject: Annotated[str, typer.Option(help="Who the token is for.")],
    organisation: Annotated[str, typer.Option(help="The organisation they act for.")],
    role: Annotated[list[str], typer.Option(help="A role; may be repeated.")],
    state: State = Path("state"),
    purpose: Annotated[str | None, typer.Option(help="Purpose of use.")] = None,
    jurisdiction: Annotated[str | None, typer.Option(help="Where the caller is, for instance SG.")] = None,
    ttl: Annotated[str, typer.Option(help="How long it holds: 90s, 15m, 1h, 1d.")] = "1h",
) -> None:
    """Print a token signed by the embedded development key; refused where an outside issuer is configured."""
    from gateway.identity.development import DevelopmentKey  # noqa: PLC0415 - loads what signs
    from gateway.identity.tokens import ROLES  # noqa: PLC0415 - likewise

    with reporting():
        settings = from_environment({"state": state})
        if settings.issuer is not None:
            raise GatewayError(
                "settings_invalid",
                "an outside issuer is configured, so this gateway signs no tokens",
                f"ask {settings.issuer} for a token, or unset GATEWAY_ISSUER",
            )
        unknown = next((name for name in role if name not in ROLES), None)
        if unknown is not None:
            raise GatewayError(
                "settings_invalid", f"there is no role '{unknown}'", f"roles: {', '.join(sorted(ROLES))}"
            )
        life = seconds(ttl)
        if life > settings.max_token_lifetime_s:
            raise GatewayError(
                "settings_invalid",
                f"this gateway takes tokens of at most {settings.max_token_lifetime_s} seconds",
                "ask for a shorter --ttl",
            )
        first = not DevelopmentKey.made_in(settings.state)
        key = DevelopmentKey.open(settings.state, SystemRandomness())
        if first:  # a mistyped folder would else give a token that no gateway takes, without a word
            note = f"note: {settings.state} held no key: a gateway takes this token once it runs with that --state"
            typer.echo(note, err=True)
        now = SystemClock().now()
        jti = SystemRandomness().token_bytes(12).hex()
        caller = Caller(subject, organisation, frozenset(role), purpose, jurisdiction, jti)
        typer.echo(key.issue(caller, life, now, settings.audience))


@dataset_app.command("refresh")
def refresh(
    name: Annotated[str, typer.Argument(help="The dataset's name in its policy.")],
    policies: Policies = Path("policies"),
    state: State = Path("state"),
) -> None:
    """Declare that the data behind a dataset changed; prints the new data version. Restores no budget."""
    from gateway.app.offline import refresh as declare  # noqa: PLC0415 - loads the whole server

    with reporting():
        typer.echo(declare(from_environment({"policies": policies, "state": state}), name))


@dataset_app.command("failures")
def failures(
    name: Annotated[str, typer.Argument(help="The dataset's name in its policy.")],
    state: State = Path("state"),
    excuse: Annotated[
        str | None,
        typer.Option(help="A buyer (organisation/subject) who may ask again."),
    ] = None,
) -> None:
    """Show charged queries that failed, with the cause. A buyer with two of them is suspended until excused."""
    from gateway.app.offline import failures as failed  # noqa: PLC0415 - loads the whole server

    with reporting():
        found = failed(from_environment({"state": state}), name, excuse)
        rows = [(f.charged_at.isoformat(timespec="seconds"), f.buyer, f.query_id, f.note) for f in found]
        console().print(table_of(("charged at", "buyer", "query", "cause"), rows) if rows else "no failed queries")
        if excuse is not None:
            console().print(f"{excuse} may ask '{name}' again; the charges stay", markup=False)
