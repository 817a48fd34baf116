"""`gateway store`: the operator's care of what is kept."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.failures import reporting
from gateway.cli.operate import State
from gateway.errors import GatewayError
from gateway.evidence.offline import logs
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.trust import Trust
from gateway.settings import from_environment

app = typer.Typer(help="Back up, restore, migrate and verify the gateway's store.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def migrate(state: State = Path("state")) -> None:
    """Bring the store's schema up to this gateway's; stop the gateway and back up first."""
    from gateway.app.keeping import migrate_store  # noqa: PLC0415 - loads the whole server

    with reporting():
        migrate_store(from_environment({"state": state}))
        typer.echo("the store has this gateway's schema")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
    state: State = Path("state"),
    json_: AsJson = False,
) -> None:
    """Write everything that is kept into one file, in one snapshot, while the gateway runs. The keys are not in it."""
    from gateway.app.keeping import backup_store  # noqa: PLC0415 - loads the whole server

    with reporting():
        made = backup_store(from_environment({"state": state}), file)
        typer.echo(json.dumps(made) if json_ else f"{file}: {made['log_size']:,} leaves, root {made['log_root']}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    state: State = Path("state"),
    json_: AsJson = False,
) -> None:
    """Fill a fresh store from a backup. It takes no charges until `replay` or `write-off`: no budget comes back."""
    from gateway.app.keeping import restore_store  # noqa: PLC0415 - loads the whole server

    with reporting():
        made = restore_store(from_environment({"state": state}), file)
        done = f"restored {made['log_size']:,} leaves; next: gateway store replay LOG, or gateway store write-off"
        typer.echo(json.dumps(made) if json_ else done)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="The whole log as `evidence copy` wrote it.")],
    state: State = Path("state"),
    key: Annotated[list[str] | None, typer.Option(help="The log's key as you know it.")] = None,
    since: Annotated[Path | None, typer.Option(help="A checkpoint that was kept: the log has to reach it.")] = None,
) -> None:
    """Append the leaves that a restored store lacks and make every balance again from the log."""
    from gateway.app.keeping import replay_log  # noqa: PLC0415 - loads the whole server

    with reporting():
        try:
            content = file.read_bytes()
            kept = None if since is None else since.read_text(encoding="utf-8")
            logs.verify_lines(content, Trust(tuple(key or ())), kept)
        except OSError as error:
            detail = f"{file.name} cannot be read: {error.strerror}."
            raise GatewayError("settings_invalid", detail, "Name a log, as `evidence copy` writes it.") from None
        except (NotVerified, UnicodeDecodeError) as failure:
            hint = "Name a log as `evidence copy` writes it, with every leaf; name its key with --key."
            raise GatewayError("log_corrupt", f"The log does not verify: {failure}.", hint) from None
        leaves = logs.leaves(content)
        typer.echo(f"{replay_log(from_environment({'state': state}), leaves):,} leaves replayed; the store is open")


@app.command("write-off")
def write_off(
    person: Annotated[list[str], typer.Option(help="Who answers for it; name two.")],
    reason: Annotated[str, typer.Option(help="Why nothing can have been charged since the backup.")],
    state: State = Path("state"),
) -> None:
    """Open a restored store without its missing leaves; what was charged since the backup counts no more."""
    from gateway.app.keeping import write_off as open_again  # noqa: PLC0415 - loads the whole server

    with reporting():
        if len(person) != 2:
            raise GatewayError("two_persons", "This takes two persons.", "Give --person twice.")
        open_again(from_environment({"state": state}), (person[0], person[1]), reason)
        typer.echo("the store is open; the log says who answers for it")


@app.command()
def verify(state: State = Path("state"), json_: AsJson = False) -> None:
    """Hash the whole log again and compare it with what was signed."""
    from gateway.app.keeping import verify_store  # noqa: PLC0415 - loads the whole server

    with reporting():
        found = verify_store(from_environment({"state": state}))
        typer.echo(json.dumps(found) if json_ else f"{found['size']:,} leaves verify; root {found['root']}")
