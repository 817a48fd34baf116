"""`gateway evidence`: what the log proves. `verify` and `fetch` need no gateway's state; the rest is the operator's."""

import json
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.ask import DEFAULT_URL, Token, Url, client
from gateway.cli.failures import reporting
from gateway.cli.operate import Policies, State
from gateway.errors import GatewayError
from gateway.evidence.files import make_folder, write_new, writing
from gateway.evidence.offline import layout, notes
from gateway.evidence.offline.check import Asked, check
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.receipts import Opened
from gateway.evidence.offline.trust import Trust
from gateway.settings import from_environment

app = typer.Typer(help="Receipts, bundles and the log: check them, copy them, hand them over.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="Where to write; it must not be there yet.")]


@app.command()
def verify(
    file: Annotated[
        Path, typer.Argument(help="A receipt, bundle, grant, or a log: JSON lines, a folder or zip of tiles.")
    ],
    key: Annotated[
        list[str] | None, typer.Option(help="The log's key, or of a grant the provider's; repeatable.")
    ] = None,
    witness: Annotated[list[str] | None, typer.Option(help="A witness's key; may be repeated.")] = None,
    quorum: Annotated[int | None, typer.Option(min=0, help="How many of the witnesses must have signed.")] = None,
    since: Annotated[Path | None, typer.Option(help="A checkpoint that you kept: the log has to extend it.")] = None,
    sql: Annotated[Path | None, typer.Option(help="The SQL that was asked, as it was sent.")] = None,
    answer: Annotated[Path | None, typer.Option(help="The answer, as it came.")] = None,
) -> None:
    """Check a file without asking anybody: signatures, proofs, and that nothing was changed, cut, forked or undone."""
    keys, witnesses = tuple(key or ()), tuple(witness or ())
    needed = quorum if quorum is not None else min(len(witnesses), 1)
    with reporting():
        opened = Opened(_read(sql), _read(answer))
        kept = _read(since)
        try:
            asked = Asked(file, Trust(keys, witnesses, needed), opened, None if kept is None else kept.decode())
            lines = check(asked)
        except (NotVerified, UnicodeDecodeError) as failure:
            hint = "Keep the file as it is, and tell the provider and the regulator."
            raise GatewayError("log_corrupt", f"{file.name} does not verify: {failure}.", hint) from None
        for line in lines:
            typer.echo(line)


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        detail = f"{path.name} cannot be read: {error.strerror}."
        raise GatewayError("settings_invalid", detail, "Name a file that is there.") from None


@app.command()
def fetch(
    token: Token,
    out: Annotated[Path, typer.Option(help="The folder to write; one of an earlier fetch is continued.")],
    url: Url = DEFAULT_URL,
) -> None:
    """Copy the whole log of a running gateway into a folder of tiles, for `evidence verify`."""
    with reporting():
        make_folder(out)
        caller = client(url, token)
        note = caller.get("/v1/log/checkpoint").body
        try:
            size = notes.parse(note.decode("utf-8", "replace")).size
        except NotVerified as failure:
            raise GatewayError("log_corrupt", f"The checkpoint cannot be read: {failure}.") from None
        for tile in layout.tiles_of(size):
            path = out / "tile" / tile.path()
            if not path.exists():
                make_folder(path.parent)
                _put(path, caller.get(f"/v1/log/tile/{tile.path()}").body)
        _put(out / "checkpoint", note)
        typer.echo(f"{out}: {size:,} leaves; next: gateway evidence verify {out} --key KEY")


def _put(path: Path, content: bytes) -> None:
    """Put a part of a copy in place, whole: when a fetch is continued, what is there is taken as good."""
    with writing(path):
        draft = path.with_name(f".{path.name}.draft")
        draft.write_bytes(content)
        draft.replace(path)


@app.command()
def copy(out: Out, state: State = Path("state")) -> None:
    """Write the whole log into one file of JSON lines, for members, witnesses and backups."""
    from gateway.app.evidencing import copy as copied  # noqa: PLC0415 - loads the whole server

    with reporting():
        write_new(out, copied(from_environment({"state": state})))
        typer.echo(str(out))


@app.command()
def export(
    query_id: Annotated[str, typer.Argument(help="The query_id of an answer, or of a refusal's meter event.")],
    out: Annotated[Path | None, typer.Option(help="The zip to write.  [default: QUERY_ID.zip]")] = None,
    state: State = Path("state"),
    policies: Annotated[Path | None, typer.Option(help="Folder of the policies, whose text is then added.")] = None,
    salt: Annotated[bool, typer.Option(help="With the salt: whoever has the bundle can then check guesses.")] = False,
) -> None:
    """Write a bundle for arbitration: receipt, leaves, policy, checkpoint, meter event, and how to check them."""
    from gateway.app.evidencing import export as exported  # noqa: PLC0415 - loads the whole server

    with reporting():
        path = out or Path(f"{Path(query_id).name}.zip")
        write_new(path, exported(from_environment({"state": state}), query_id, policies, salt=salt))
        typer.echo(str(path))


@app.command()
def filing(
    out: Annotated[Path, typer.Option(help="The folder for filing.json and filing.html.")],
    policies: Policies = Path("policies"),
    state: State = Path("state"),
    first: Annotated[str | None, typer.Option("--from", help="First day (UTC), as 2026-01-01.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day (UTC), included.")] = None,
) -> None:
    """Write the data-security filing pack: catalogue, classes, flows by recipient and jurisdiction, incidents."""
    from gateway.app.evidencing import filing as filed  # noqa: PLC0415 - loads the whole server
    from gateway.evidence.filing import Period  # noqa: PLC0415 - loads the policies' models
    from gateway.evidence.printing import page  # noqa: PLC0415 - loads the template engine

    with reporting():
        period = Period(_day(first), _day(last))
        make_folder(out)
        there = next((name for name in ("filing.json", "filing.html") if (out / name).exists()), None)
        if there is not None:
            detail = f"{there} is there already, and stays as it is."
            raise GatewayError("settings_invalid", detail, "Name another folder with --out.")
        content = filed(from_environment({"policies": policies, "state": state}), policies, period)
        write_new(out / "filing.json", (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
        write_new(out / "filing.html", page(content).encode())
        typer.echo(f"{out / 'filing.json'}\n{out / 'filing.html'}")


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise GatewayError("settings_invalid", f"'{text}' is no day.", "Write it as 2026-01-01.") from None


@app.command("rotate-key")
def rotate_key(
    state: State = Path("state"),
    retire: Annotated[bool, typer.Option("--retire", help="Instead: stop signing with the earlier key.")] = False,
) -> None:
    """Replace the log's key: the log says so under the earlier key, and checkpoints carry both until `--retire`."""
    from gateway.app import evidencing  # noqa: PLC0415 - loads the whole server

    with reporting():
        settings = from_environment({"state": state})
        if not retire:
            public, index = evidencing.rotate_key(settings)
            typer.echo(f"{public} signs from leaf {index} on; tell members, then: gateway evidence rotate-key --retire")
        elif evidencing.retire_key(settings):
            typer.echo("the earlier key signs no longer")
        else:
            raise GatewayError("bad_request", "No earlier key signs.", "Replace the key first, without --retire.")
