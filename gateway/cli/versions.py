"""What the provider, the reviewer and the supervisor type: `gateway policy propose` to `withdraw`. All over HTTP."""

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote as escaped

import typer
from rich.text import Text

from gateway.cli.ask import DEFAULT_URL, Json, Token, Url, client, printed
from gateway.cli.failures import reporting
from gateway.cli.http import Client
from gateway.cli.listings import MOST, USUAL, After, Limit, page, told_more
from gateway.cli.show import console, table_of
from gateway.client.wire import Reply
from gateway.errors import GatewayError

Name = Annotated[str, typer.Argument(help="The dataset.")]
VersionName = Annotated[str, typer.Argument(help="The version, or the beginning of its hash.")]
PolicyPath = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The policy file.")]

WHOLE = len("sha256:") + 64


def propose(file: PolicyPath, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Propose a policy file as a version of its dataset: checked as a file is, and kept as a draft."""
    from gateway.app.policies import policy_text, read_policy  # noqa: PLC0415 - loads the policies' models

    with reporting(as_json=as_json):
        document, _ = read_policy(file)
        body = {"policy": policy_text(file)}
        _told(client(url, token).post(f"{_of(document.dataset)}/versions", body), as_json=as_json)


def submit(dataset: Name, version: VersionName, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Hand a draft to reviewers; it is reviewed at once where a review that holds covers it."""
    _step("submit", dataset, version, client(url, token), as_json=as_json)


def publish(dataset: Name, version: VersionName, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Serve a version on every gateway of the store, as another person than who submitted it."""
    _step("publish", dataset, version, client(url, token), as_json=as_json)


def rollback(dataset: Name, version: VersionName, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Ask for an earlier version again; a second person's asking brings it back. Spent budget stays spent."""
    _step("rollback", dataset, version, client(url, token), as_json=as_json)


def review(
    dataset: Name,
    version: VersionName,
    findings: Annotated[str, typer.Option(help="What you found; it stands in the log.")],
    token: Token,
    until: Annotated[str | None, typer.Option(help="Approve until this day, as 2027-12-31.")] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Reject it, or take an approval back.")] = False,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Approve until a day, or reject, what a version declares, as a reviewer of another organisation."""
    with reporting(as_json=as_json):
        if reject is (until is not None):
            raise GatewayError("bad_request", "It is not said what you decide.", "Give one of --until and --reject.")
        caller = client(url, token)
        decided = {"decision": "reject"} if reject else {"decision": "approve", "valid_until": until}
        body = {"version": _whole(caller, dataset, version), "findings": findings, **decided}
        _told(caller.post(f"{_of(dataset)}/review", body), as_json=as_json)


def withdraw(
    dataset: Name,
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    token: Token,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Serve a dataset no longer on any gateway of the store, and end what runs of it; charges stay."""
    with reporting(as_json=as_json):
        _told(client(url, token).post(f"{_of(dataset)}/withdraw", {"reason": reason}), as_json=as_json)


def versions(
    dataset: Name,
    token: Token,
    limit: Limit = USUAL,
    after: After = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List the versions of a dataset's policy, who stands behind each, and which is served."""
    with reporting(as_json=as_json):
        reply = client(url, token).get(page(f"{_of(dataset)}/versions", limit, after))
        if not printed(reply, as_json=as_json):
            rows = [
                (
                    one["version"][:19],
                    one["state"] + (", served" if one["served"] else ""),
                    *(_by(one[step]) for step in ("proposed", "submitted", "reviewed", "published", "withdrawn")),
                    (one["review"] or {}).get("valid_until") or "-",
                )
                for one in reply.json()["versions"]
            ]
            heads = ("version", "state", "proposed", "submitted", "reviewed", "published", "withdrawn", "review until")
            console().print(table_of(heads, rows))
            told_more(reply)


def show(dataset: Name, version: VersionName, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Print a version's text as its provider wrote it."""
    with reporting(as_json=as_json):
        caller = client(url, token)
        reply = caller.get(f"{_of(dataset)}/versions/{_whole(caller, dataset, version)}")
        if not printed(reply, as_json=as_json):
            typer.echo(reply.json()["policy"], nl=False)


def certificate(
    dataset: Name,
    token: Token,
    version: Annotated[str | None, typer.Option(help="Which version.  [default: registered last]")] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write, for `gateway evidence verify`.")] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Fetch the registration certificate of a version: who holds what right in it, proved by the log."""
    from gateway.evidence.files import write_new  # noqa: PLC0415 - loads the evidence

    with reporting():
        of = "" if version is None else f"?version={escaped(version, safe='')}"
        body = client(url, token).get(f"{_of(dataset)}/certificate{of}").body
        if out is None:
            typer.echo(body.decode())
        else:
            write_new(out, body)
            typer.echo(f"{out}; next: gateway evidence verify {out} --key KEY")


def diff(
    old: PolicyPath,
    new: PolicyPath,
    as_json: Annotated[bool, typer.Option("--json", help="Print paths and words as JSON.")] = False,
) -> None:
    """Say in words what changes from one policy file to another: who gains or loses what."""
    from gateway.app.policies import read_policy  # noqa: PLC0415 - loads the policies' models
    from gateway.catalog.differences import differences  # noqa: PLC0415

    with reporting(as_json=as_json):
        found = differences(read_policy(old)[0], read_policy(new)[0])
        if as_json:
            said = [{"path": one.path, "words": one.words} for one in found]
            typer.echo(json.dumps({"differences": said}, ensure_ascii=False))
            return
        for one in found:
            typer.echo(one.words)
        if not found:
            typer.echo("Nothing changes.")


def replay(
    dataset: Name,
    version: VersionName,
    token: Token,
    queries: Annotated[Path | None, typer.Option(help="Questions as JSON lines: sql, organisation, ...")] = None,
    from_store: Annotated[bool, typer.Option("--from-store", help="The latest whose texts the policy keeps.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many of the store's.")] = 50,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Say what past questions would become under a version: refused, allowed or dearer. Nothing is read or charged."""
    with reporting(as_json=as_json):
        if from_store is (queries is not None):
            raise GatewayError("bad_request", "It is not said which.", "Give one of --queries FILE and --from-store.")
        caller = client(url, token)
        body: dict[str, object] = {"limit": limit} if queries is None else {"queries": _questions(queries)}
        whole = _whole(caller, dataset, version)
        reply = caller.post(f"{_of(dataset)}/versions/{whole}/replay", body)
        if not printed(reply, as_json=as_json):
            document = reply.json()
            rows = [
                (
                    one["query"],
                    f"{one['organisation']}/{one['buyer']}",
                    one["becomes"],
                    _cost(one["before"]),
                    _cost(one["after"]),
                )
                for one in document["questions"]
            ]
            out = console()
            out.print(table_of(("query", "buyer", "becomes", "before", "after"), rows))
            out.print(Text(", ".join(f"{word}: {count}" for word, count in document["counts"].items())))


def _questions(path: Path) -> list[Any]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError):
        hint = 'Write one a line: {"sql": "SELECT ...", "organisation": "..."}.'
        raise GatewayError("settings_invalid", f"{path.name} holds no JSON lines.", hint) from None


def _cost(outcome: dict[str, Any]) -> str:
    if not outcome["allowed"]:
        return str(outcome["code"])
    return f"rho {outcome['rho']}, {outcome['amount']} {outcome['currency']}"


def _of(dataset: str) -> str:
    return f"/v1/datasets/{escaped(dataset, safe='')}"


def _by(step: dict[str, str] | None) -> str:
    return "-" if step is None else step["by"]


def _whole(caller: Client, dataset: str, version: str) -> str:
    """Return a version's whole name. Raises GatewayError `not_found` where none, or more than one, begins so."""
    if len(version) == WHOLE:
        return version
    begun = version if version.startswith("sha256:") else f"sha256:{version}"
    found, after, over = list[str](), None, False
    while not over:
        listed = caller.get(page(f"{_of(dataset)}/versions", MOST, after)).json()
        found += [one["version"] for one in listed["versions"] if one["version"].startswith(begun)]
        after = listed["cursor"]
        over = after is None
    if len(found) != 1:
        hint = f"gateway policy versions {dataset} lists them."
        raise GatewayError("not_found", f"{len(found)} versions begin with '{version}'.", hint)
    return found[0]


def _step(what: str, dataset: str, version: str, caller: Client, *, as_json: bool) -> None:
    with reporting(as_json=as_json):
        _told(caller.post(f"{_of(dataset)}/{what}", {"version": _whole(caller, dataset, version)}), as_json=as_json)


def _told(reply: Reply, *, as_json: bool) -> None:
    """Print how a version stands by now."""
    if printed(reply, as_json=as_json):
        return
    one = reply.json()
    said = f"{one['dataset']} {one['version'][:19]} is {one['state']}" + (", and served" if one["served"] else "")
    if one.get("asked_back_by"):
        said += f"; {one['asked_back_by']} asks for it again, and a second person has to"
    if "ended" in one:
        said += f"; running queries ended: {one['ended']}"
    console().print(Text(said))
