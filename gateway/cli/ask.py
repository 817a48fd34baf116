"""What a buyer types: query, quote, datasets, budget, receipt. Everything goes over HTTP; nothing is decided here."""

import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote as escaped

import typer
from rich.text import Text

from gateway.cli.answering import Format, asked, check_place, written
from gateway.cli.failures import reporting
from gateway.cli.forecast import cells_lines, quote_table
from gateway.cli.http import Client
from gateway.cli.show import accuracy_line, answer_table, budget_table, console, cost_line, datasets_table, notes
from gateway.client.result import Result
from gateway.client.wire import Reply
from gateway.errors import GatewayError
from gateway.evidence.offline import notes as signed
from gateway.evidence.offline import receipts
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.trust import Trust

# The names do not begin with GATEWAY_: those are the server's settings, and an unknown one stops it.
Url = Annotated[str, typer.Option(envvar="QUERY_GATEWAY_URL", help="Address of the gateway.")]
Token = Annotated[str, typer.Option(envvar="QUERY_GATEWAY_TOKEN", help="Bearer token; @FILE reads it from a file.")]
Json = Annotated[bool, typer.Option("--json", help="Print the server's JSON as it is.")]
Sql = Annotated[str, typer.Option(help="The SELECT to answer; - reads it from standard input.")]
Epsilon = Annotated[str | None, typer.Option(help="Privacy loss to spend, at most the policy's max_epsilon.")]
HalfWidth = Annotated[str | None, typer.Option(help="Error to reach in place of an epsilon, in the columns' units.")]
Relative = Annotated[str | None, typer.Option(help="Error to reach, as a share of a cell's declared size: 0.05.")]
Confidence = Annotated[str | None, typer.Option(help="Confidence of that error; 0.95 unless given.")]
Dataset = Annotated[str | None, typer.Option(help="Dataset name; not needed where only one is granted.")]
Dialect = Annotated[str, typer.Option(help="SQL dialect: duckdb, postgres, trino or spark.")]
Purpose = Annotated[str | None, typer.Option(help="Purpose of use, as in the grant.")]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Ask synthetic rows of the policy: costs nothing.")]
Key = Annotated[str | None, typer.Option(help="Idempotency key: a retry with it is never charged twice.")]

DEFAULT_URL = "http://127.0.0.1:8080"

WRONG_RECEIPT = "Keep the receipt and tell the provider and the regulator: the log does not hold."


def client(url: str, token: str) -> Client:
    """Return the HTTP client; `@FILE` in place of a token reads the file, so that no process list shows it."""
    if token.startswith("@"):
        try:
            with open(token[1:], encoding="ascii") as file:  # noqa: PTH123 - a name typed by the user
                token = file.read().strip()
        except (OSError, UnicodeError):
            raise GatewayError("settings_invalid", f"the token file {token[1:]} cannot be read") from None
    return Client(url, token)


def query(
    sql: Sql,
    token: Token,
    url: Url = DEFAULT_URL,
    dataset: Dataset = None,
    epsilon: Epsilon = None,
    half_width: HalfWidth = None,
    relative: Relative = None,
    confidence: Confidence = None,
    dialect: Dialect = "duckdb",
    purpose: Purpose = None,
    row_limit: Annotated[int | None, typer.Option(help="The most rows to return.")] = None,
    sandbox: Sandbox = False,
    idempotency_key: Key = None,
    form: Annotated[Format, typer.Option("--format", help="What the answer is printed as.")] = Format.TABLE,
    intervals: Annotated[bool, typer.Option(help="csv, ndjson, arrow: with columns n_low and n_high.")] = True,
    out: Annotated[Path | None, typer.Option(help="The file to write in place of the screen.")] = None,
    verify: Annotated[bool, typer.Option(help="Check the receipt of the answer.")] = True,
    as_json: Json = False,
) -> None:
    """Ask one question: charged, noised, with its 95 % intervals, its receipt checked. Ctrl-C cancels it."""
    text, form = _sql(sql), Format.JSON if as_json else form
    with reporting(text, as_json=as_json):
        check_place(form, out)
        body = _body(text, dataset, dialect, purpose) | _spent(epsilon, half_width, relative, confidence)
        options = {name: value for name, value in body.items() if name != "sql"}
        caller = client(url, token)
        result = asked(
            caller,
            text,
            {
                **options,
                "row_limit": row_limit,
                "sandbox": sandbox,
                "idempotency_key": idempotency_key,
                "verify": verify,
            },
        )
        if form is Format.TABLE:
            _show(result)
        else:
            _write(written(result.body, form, intervals=intervals), out)


def _show(result: Result) -> None:
    answer, screen = result.document, console()
    screen.print(answer_table(answer), cost_line(answer))
    if "accuracy" in answer:
        screen.print(accuracy_line(answer))
    checked = "  receipt verified" if result.receipt is not None else ""
    screen.print(Text(f"query {result.query_id}  policy {answer['versions']['policy'][:19]}{checked}", style="dim"))
    for note in notes(answer):
        screen.print(note)


def _write(body: bytes, out: Path | None) -> None:
    if out is not None:
        try:
            out.write_bytes(body)
        except OSError as error:
            hint = "Name a file that can be written; the same question again is answered for nothing."
            raise GatewayError("settings_invalid", f"{out} cannot be written: {error.strerror}.", hint) from None
    else:
        sys.stdout.buffer.write(body)
        sys.stdout.flush()


def cancel(
    query_id: Annotated[str, typer.Argument(help="The query_id of a question that runs.")],
    token: Token,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """End a question of yours that runs; what was charged stays charged."""
    with reporting(as_json=as_json):
        reply = client(url, token).delete(f"/v1/queries/{escaped(query_id, safe='')}")
        if not printed(reply, as_json=as_json):
            console().print(Text(f"query {query_id} is {reply.json()['state']}"))


def quote(
    sql: Sql,
    token: Token,
    url: Url = DEFAULT_URL,
    dataset: Dataset = None,
    epsilon: Epsilon = None,
    half_width: HalfWidth = None,
    relative: Relative = None,
    confidence: Confidence = None,
    dialect: Dialect = "duckdb",
    purpose: Purpose = None,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Say what a question would cost and how exact it would be; reads no data, costs nothing."""
    text = _sql(sql)
    with reporting(text, as_json=as_json):
        body = _body(text, dataset, dialect, purpose) | _spent(epsilon, half_width, relative, confidence)
        reply = client(url, token).post("/v1/quote", body | ({"sandbox": True} if sandbox else {}))
        if not printed(reply, as_json=as_json):
            document = reply.json()
            out = console()
            out.print(cost_line(document), quote_table(document), sep="\n")
            for line in (*cells_lines(document), *notes(document)):
                out.print(line)


def datasets(
    token: Token,
    name: Annotated[str | None, typer.Argument(help="One dataset, in full.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List what may be asked: tables, columns, bounds, values, prices."""
    with reporting(as_json=as_json):
        path = "/v1/datasets" if name is None else f"/v1/datasets/{escaped(name, safe='')}"
        reply = client(url, token).get(path)
        if not printed(reply, as_json=as_json):
            document = reply.json()
            console().print(datasets_table(document) if name is None else _tree(name, document))


def budget(token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show the limit, what is spent and what is left, for each dataset."""
    with reporting(as_json=as_json):
        reply = client(url, token).get("/v1/budget")
        if not printed(reply, as_json=as_json):
            console().print(budget_table(reply.json()))


def receipt(
    query_id: Annotated[str, typer.Argument(help="The query_id of an answer.")],
    token: Token,
    url: Url = DEFAULT_URL,
    public_key: Annotated[str | None, typer.Option(help="The log's key (hex) as you know it.")] = None,
    since: Annotated[Path | None, typer.Option(help="A checkpoint that you kept: the log has to extend it.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch a receipt and verify it here: leaf, inclusion proof and the checkpoint's signature."""
    with reporting(as_json=as_json):
        kept = None if since is None else _kept(since)
        try:
            asked = "" if kept is None else f"?since={signed.parse(kept).size}"
            reply = client(url, token).get(f"/v1/queries/{escaped(query_id, safe='')}/receipt{asked}")
            verified = receipts.verify(reply.json(), Trust((public_key,) if public_key else ()), since=kept)
        except NotVerified as failure:
            raise GatewayError("log_corrupt", f"The receipt does not verify: {failure}.", WRONG_RECEIPT) from None
        if verified.query_id != query_id:
            raise GatewayError("log_corrupt", "The receipt is of another query.", WRONG_RECEIPT)
        if not printed(reply, as_json=as_json):
            out = console()
            out.print(Text("the receipt verifies", style="bold green"))
            index = reply.json()["log_index"]
            out.print(Text(f"query {query_id} is leaf {index} of {verified.tree_size} in the log {verified.origin}"))
            if verified.since is not None:
                out.print(Text(f"the log extends the checkpoint of {verified.since} leaves that you kept"))


def _kept(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        hint = "Name a file with a checkpoint, as GET /v1/log/checkpoint gave it."
        raise GatewayError("settings_invalid", f"{path.name} holds no checkpoint.", hint) from None


def _sql(text: str) -> str:
    return sys.stdin.read() if text == "-" else text


def _body(sql: str, dataset: str | None, dialect: str, purpose: str | None) -> dict[str, object]:
    """Return the request's body with what was given."""
    body: dict[str, object] = {"sql": sql, "dialect": dialect}
    if dataset is not None:
        body["dataset"] = dataset
    if purpose is not None:
        body["purpose"] = purpose
    return body


def _spent(
    epsilon: str | None, half_width: str | None, relative: str | None, confidence: str | None
) -> dict[str, object]:
    """Return what is to be spent, or what is to be reached. Raises GatewayError `bad_request` for no numbers."""
    spent: dict[str, object] = {}
    if epsilon is not None:
        spent["epsilon"] = amount("epsilon", epsilon)
    aims = {"half_width": half_width, "relative": relative, "confidence": confidence}
    accuracy = {name: amount(name.replace("_", "-"), text) for name, text in aims.items() if text is not None}
    if accuracy:
        spent["accuracy"] = accuracy
    return spent


def amount(name: str, text: str) -> float:
    """Return a number above 0. Raises GatewayError `bad_request`."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number <= 0:
        raise GatewayError("bad_request", f"{name} '{text}' is not a number above 0", f"write --{name} 0.2")
    return float(number)


def printed(reply: Reply, *, as_json: bool) -> bool:
    """Write the body as it came, if that is wanted."""
    if as_json:
        sys.stdout.buffer.write(reply.body.rstrip(b"\n") + b"\n")
        sys.stdout.flush()
    return as_json


def _tree(name: str, value: Any) -> Any:
    """Return a JSON document as a tree: a dataset's description grows members over time, and all of them show."""
    from rich.tree import Tree  # noqa: PLC0415 - used by one command of many

    root = Tree(Text(name, style="bold"))

    def grow(node: Any, label: str, item: Any) -> None:
        match item:
            case dict():
                branch = node.add(Text(str(item.get("name", label)) if label.isdigit() else label, style="bold"))
                for key, inner in item.items():
                    grow(branch, str(key), inner)
            case list() if any(isinstance(inner, dict | list) for inner in item):
                branch = node.add(Text(label, style="bold"))
                for number, inner in enumerate(item):
                    grow(branch, str(number), inner)
            case list():
                node.add(Text(f"{label}: {', '.join(map(str, item))}"))
            case _:
                node.add(Text(f"{label}: {item}"))

    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        grow(root, str(key), inner)
    return root
