"""The command line: serve and operate a gateway, or ask one."""

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import __version__
from gateway import app as gateway_app
from gateway.cli import policy
from gateway.cli.http import Client, Unreachable
from gateway.cli.show import answer_table, console, cost_line, error_text, table_of
from gateway.cli.world import SystemClock, SystemRandomness
from gateway.errors import GatewayError, Kind
from gateway.evidence.verifier import NotVerified, verify
from gateway.identity.development import DevelopmentKey
from gateway.settings import from_environment

app = typer.Typer(
    help="A gateway that answers SQL over private tables with bounded, noised, charged and receipted aggregates.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
dataset = typer.Typer(help="Data versions.", no_args_is_help=True)
app.add_typer(policy.app, name="policy")
app.add_typer(dataset, name="dataset")

EXIT = {Kind.USER: 2, Kind.DENIED: 3, Kind.EXHAUSTED: 4, Kind.UNAVAILABLE: 5, Kind.INTERNAL: 1}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

State = Annotated[Path, typer.Option(help="Folder of the store, the log and the development keys.")]
Policies = Annotated[Path, typer.Option(help="Folder of policy files.")]
Url = Annotated[str, typer.Option(envvar="GATEWAY_CLIENT_URL", help="The gateway's address.")]
Token = Annotated[str, typer.Option(envvar="GATEWAY_CLIENT_TOKEN", help="A bearer token.")]
Json = Annotated[bool, typer.Option("--json", help="Print the document as it came.")]
HERE = "http://127.0.0.1:8080"


def main() -> None:
    """Run a command; errors become words on stderr and an exit code by their kind."""
    try:
        app()
    except GatewayError as error:
        console(error=True).print(error_text(error))
        sys.exit(EXIT[error.kind])
    except (Unreachable, NotVerified) as error:
        console(error=True).print(str(error))
        sys.exit(EXIT[Kind.UNAVAILABLE] if isinstance(error, Unreachable) else 1)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command()
def serve(
    policies: Policies = Path("policies"),
    state: State = Path("state"),
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.")] = None,
) -> None:
    """Serve the policies of a folder until SIGTERM; SIGHUP reads them anew."""
    settings = from_environment({"policies": policies, "state": state, "host": host, "port": port})
    sys.exit(gateway_app.run(settings))


@app.command()
def demo(
    state: State = Path("demo-state"),
    serve_on: Annotated[bool, typer.Option("--serve", help="Leave the gateway running.")] = False,
) -> None:
    """Show the whole story on real purchases, over HTTP."""
    from gateway.cli.demo.story import tell  # noqa: PLC0415 - the demo brings an engine along

    sys.exit(tell(state, serve_on=serve_on))


def seconds(text: str) -> int:
    """Return a duration such as 90s, 15m, 1h or 7d in seconds."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdigit() or len(number) > 9:
        raise typer.BadParameter("write a number and one of s, m, h, d: for example 1h")
    return int(number) * _UNITS[unit]


@app.command()
def token(
    subject: Annotated[str, typer.Option(help="Who the token is for.")],
    organisation: Annotated[str, typer.Option(help="Whom they act for.")],
    role: Annotated[list[str], typer.Option(help="buyer, provider, billing, supervisor ... (repeatable)")],
    state: State = Path("state"),
    purpose: Annotated[str | None, typer.Option(help="What the answers are for.")] = None,
    jurisdiction: Annotated[str | None, typer.Option(help="Where the recipient sits, for example CN.")] = None,
    ttl: Annotated[str, typer.Option(help="How long it holds: 90s, 15m, 1h, 1d.")] = "1h",
) -> None:
    """Print a token signed by the embedded development key (refused where an outside issuer is set)."""
    settings = from_environment({"state": state})
    if settings.issuer is not None:
        detail = "An outside issuer is configured; it issues the tokens."
        raise GatewayError("settings_invalid", detail, "Ask the issuer, or unset GATEWAY_ISSUER.")
    life = seconds(ttl)
    if life > settings.max_token_lifetime_s:
        longest = timedelta(seconds=settings.max_token_lifetime_s)
        raise GatewayError("settings_invalid", f"Tokens hold at most {longest}.", "Ask for a shorter --ttl.")
    key = DevelopmentKey.open(settings.state, SystemRandomness())
    print(key.issue(subject, organisation, role, purpose, jurisdiction, life, SystemClock().now(), settings.audience))


@dataset.command()
def refresh(name: str, policies: Policies = Path("policies"), state: State = Path("state")) -> None:
    """Declare a dataset's data as it is now to be a new version; a running gateway sees it at once."""
    settings = from_environment({"policies": policies, "state": state})
    print(f"{name} is at data version {gateway_app.refresh(settings, name)}")


def _body(
    sql: str, dataset_name: str | None, epsilon: float | None, dialect: str, purpose: str | None
) -> dict[str, object]:
    named = {"sql": sql, "dataset": dataset_name, "epsilon": epsilon, "dialect": dialect, "purpose": purpose}
    return {name: value for name, value in named.items() if value is not None}


def _with_sql(sql: str, call: Callable[[], Any]) -> Any:
    """Run a call; show the place of an error in the SQL."""
    try:
        return call()
    except GatewayError as error:
        console(error=True).print(error_text(error, sql))
        sys.exit(EXIT[error.kind])


Sql = Annotated[str, typer.Option(help="The query.")]
Name = Annotated[str | None, typer.Option("--dataset", help="Which dataset; default your only one.")]
Epsilon = Annotated[float | None, typer.Option(help="Privacy to spend; default the policy's.")]
Dialect = Annotated[str, typer.Option(help="duckdb, postgres, trino or spark.")]
Purpose = Annotated[str | None, typer.Option(help="What the answer is for.")]


@app.command()
def query(
    sql: Sql, url: Url = HERE, token: Token = "", dataset_name: Name = None, epsilon: Epsilon = None,
    dialect: Dialect = "duckdb", purpose: Purpose = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Ask a gateway a question and print the answer with its error bars and cost."""
    body = _body(sql, dataset_name, epsilon, dialect, purpose)
    reply = _with_sql(sql, lambda: Client(url, token).post("/v1/query", body))
    if as_json:
        print(reply.body.decode())
        return
    answer = reply.json()
    screen = console()
    screen.print(answer_table(answer))
    screen.print(cost_line(answer))


@app.command()
def quote(
    sql: Sql, url: Url = HERE, token: Token = "", dataset_name: Name = None, epsilon: Epsilon = None,
    dialect: Dialect = "duckdb", purpose: Purpose = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Print what a question would cost and how exact the answer would be. Costs nothing."""
    body = _body(sql, dataset_name, epsilon, dialect, purpose)
    reply = _with_sql(sql, lambda: Client(url, token).post("/v1/quote", body))
    if as_json:
        print(reply.body.decode())
        return
    document = reply.json()
    screen = console()
    screen.print(cost_line(document))
    widths = document["expected"]["half_width"]
    rows = [(name, "from the bootstrap" if w is None else f"± {w:,.2f}") for name, w in widths.items()]
    screen.print(table_of(("column", "expected 95 % half-width"), rows))


@app.command()
def datasets(url: Url = HERE, token: Token = "", as_json: Json = False) -> None:
    """List the datasets that you have a grant on."""
    reply = Client(url, token).get("/v1/datasets")
    rows = [(d["name"], d["title"], d["provider"], d["data_version"]) for d in reply.json()["datasets"]]
    print(reply.body.decode()) if as_json else console().print(table_of(("name", "title", "provider", "data"), rows))


@app.command()
def budget(url: Url = HERE, token: Token = "", as_json: Json = False) -> None:
    """Print what is left of your budgets, and for about how many queries."""
    reply = Client(url, token).get("/v1/budget")
    if as_json:
        print(reply.body.decode())
        return
    rows = [
        (d["dataset"], level["level"], f"{level['rho']['spent']:.6g}", f"{level['rho']['left']:.6g}", d["queries_left"])
        for d in reply.json()["datasets"]
        for level in d["levels"]
    ]
    console().print(table_of(("dataset", "level", "rho spent", "rho left", "queries left"), rows))


@app.command()
def receipt(query_id: str, url: Url = HERE, token: Token = "", as_json: Json = False) -> None:
    """Fetch a query's receipt and verify it here: signature, inclusion, content."""
    document = Client(url, token).get(f"/v1/queries/{query_id}/receipt").json()
    verified = verify(document)
    if as_json:
        print(json.dumps(document, ensure_ascii=False))
        return
    where = f"leaf {document['log_index']} of {verified.tree_size} in the log '{verified.origin}'"
    print(f"verified: query {verified.query_id} is {where}")
