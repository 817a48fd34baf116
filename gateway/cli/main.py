"""The `gateway` command: its sub-commands and nothing else."""

import typer

from gateway import __version__
from gateway.cli import (
    accounts,
    ask,
    audit,
    bill,
    case,
    classify,
    evidence,
    grants,
    members,
    operate,
    policy,
    store,
    supervise,
    versions,
    witness,
)  # fmt: skip
from gateway.cli.demo.command import demo
from gateway.cli.doctor import doctor
from gateway.cli.drill import drill
from gateway.cli.model import model
from gateway.cli.running import running

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals may hold tokens
    help="A controlled query gateway: SQL in, bounded, noised, charged and receipted aggregates out.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    _wanted: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Hold the options that stand before any command."""


app.command()(demo)
app.command()(operate.serve)
app.command()(operate.token)
app.command()(doctor)
app.command()(classify.classify)
app.command()(ask.query)
app.command()(ask.quote)
app.command()(model)
app.command()(ask.cancel)
app.command()(supervise.freeze)
app.command()(supervise.unfreeze)
app.command()(supervise.freezes)
app.command()(supervise.alerts)
app.command()(drill)
app.command()(ask.datasets)
app.command()(ask.budget)
app.command()(ask.receipt)
app.command()(witness.witness)
app.command()(accounts.history)
app.command()(accounts.spending)
app.command()(accounts.revoke)
app.add_typer(accounts.topup_app, name="topup")
app.add_typer(case.app, name="case")
app.add_typer(members.app, name="members")
app.add_typer(grants.app, name="grant")
operate.dataset_app.command()(running)
app.add_typer(operate.dataset_app, name="dataset")
for step in (
    versions.propose, versions.submit, versions.review, versions.publish, versions.withdraw, versions.rollback,
    versions.versions, versions.show, versions.certificate, versions.diff, versions.replay,
):  # fmt: skip
    policy.app.command()(step)
app.add_typer(policy.app, name="policy")
app.add_typer(evidence.app, name="evidence")
app.add_typer(store.app, name="store")
app.add_typer(bill.app, name="bill")
app.add_typer(audit.app, name="audit")
