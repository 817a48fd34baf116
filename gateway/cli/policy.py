"""`gateway policy`: what a policy allows, before anyone asks."""

import json
import math
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.clock import SystemClock
from gateway.catalog.model import Dataset
from gateway.cli import classify
from gateway.cli.failures import reporting
from gateway.cli.show import console, table_of
from gateway.evidence.files import writing
from gateway.policy.rules.mode import RESERVED, SERVED

app = typer.Typer(help="Check policies and print their schema.", no_args_is_help=True)

CHOICES = ((1, 1), (5, 6), (20, 10))


@app.command()
def check(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The policy file.")]) -> None:
    """Read a policy and its engine's types; print who may do what, and what the budgets buy."""
    from gateway.app.offline import inspect_policy  # noqa: PLC0415 - loads the whole server
    from gateway.app.policies import convert_budgets, read_policy  # noqa: PLC0415
    from gateway.catalog.build import build  # noqa: PLC0415

    document, lines = read_policy(file)
    found = inspect_policy(document, file.parent)
    dataset = build(document, found, data_version="unpublished", base=file.parent, lines=lines)
    convert_budgets(dataset.privacy, dataset.grants, lines)
    today = SystemClock().now().date()
    screen = console()
    screen.print(f"{file.name}: {dataset.name} is well formed, version {dataset.policy_version[:19]}...")
    shut = closed(dataset, today)
    if shut:
        screen.print("but NOBODY CAN ASK it as it stands:")
    for reason in shut:
        screen.print(f"  - {reason}")
    screen.print(table_of(("organisation", "mode", "purposes", "from", "until", "prices"), _grants(dataset), "grants"))
    screen.print(table_of(("column", "class", "use", "known"), _columns(dataset), "columns"))
    screen.print(table_of(("budget", "epsilon", "default queries", "largest queries"), _budgets(dataset), "budgets"))
    title = "half-width (95 %) of a COUNT by per-unit bounds and epsilon"
    screen.print(table_of(("rows", "groups", "epsilon 0.05", "epsilon 0.2", "epsilon 1"), _errors(), title))
    for warning in (*warnings(dataset), *found.warnings):
        screen.print(f"warning: {warning}")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The policy file.")],
    odcs: Annotated[
        Path, typer.Option(help="Where to write the data contract: .json, or YAML; - for standard output.")
    ],
) -> None:
    """Write a dataset as a data contract of the Open Data Contract Standard: what its policy makes public."""
    from gateway.app.contracts import written  # noqa: PLC0415 - loads the whole server

    with reporting():
        text = written(file, as_json=odcs.suffix == ".json")
        if odcs == Path("-"):
            print(text, end="")
            return
        with writing(odcs):
            odcs.write_text(text, encoding="utf-8")


@app.command("import")
def import_(
    dbt: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="A dbt properties file, schema.yml.")],
    duckdb: classify.DuckDB = None,
    postgres_env: classify.PostgresEnv = None,
    schema_: classify.Schema = "public",
    policy: classify.PolicyFile = None,
    values: classify.Values = False,
    unit: classify.Unit = None,
    name: classify.Name = None,
    organisation: classify.Organisation = None,
    out: classify.Out = None,
) -> None:
    """Propose a policy as `gateway classify` does, with the keys, values and links that a dbt file states."""
    from gateway.app.contracts import read_dbt  # noqa: PLC0415 - loads the whole server

    with reporting():
        choice = classify.Choice(duckdb, postgres_env, schema_, policy, name, organisation, out)
        classify.propose(choice, unit, read_dbt(dbt), values=values)


@app.command()
def schema() -> None:
    """Print the JSON Schema of policy files, for editors."""
    print(schema_text(), end="")


def schema_text() -> str:
    """Return the JSON Schema as it stands in policies/schema.json."""
    from gateway.catalog.document import PolicyDocument  # noqa: PLC0415 - builds the policies' models

    return json.dumps(PolicyDocument.model_json_schema(by_alias=True), indent=2, sort_keys=True) + "\n"


def closed(dataset: Dataset, today: date) -> list[str]:
    """Return every reason why nobody can ask today, each with what to do; none where somebody can."""
    review, reasons = dataset.compliance, []
    if dataset.suspended is not None:
        reasons.append(f"it would be suspended: {dataset.suspended}. Correct the data or the declaration.")
    if review.reviewed_by is None:
        reasons.append("it is not reviewed. Have someone other than its owner review it: `compliance.reviewed_by`.")
    elif review.by_owner:
        reasons.append("its reviewer is its owner. `compliance.reviewed_by` names someone else.")
    if review.valid_until is not None and today > review.valid_until:
        reasons.append(f"its review was valid until {review.valid_until}. Have it reviewed again.")
    served = [grant for grant in dataset.grants if grant.mode in SERVED]
    if not dataset.grants:
        reasons.append("it grants nobody. Add an entry under `grants`, or sign what buyers ask for: gateway grant.")
    elif not served:
        reasons.append(f"no grant has a mode that is served. Write `mode: {', '.join(sorted(SERVED))}`.")
    elif all(grant.valid_until is not None and today > grant.valid_until for grant in served):
        reasons.append("every grant of a served mode has ended. Renew `valid` of one.")
    elif not any(
        (grant.valid_from is None or grant.valid_from <= today)
        and (grant.valid_until is None or today <= grant.valid_until)
        for grant in served
    ):
        reasons.append("no grant of a served mode holds today. Look at the dates of `valid`.")
    return reasons


def warnings(dataset: Dataset) -> list[str]:
    """Return what is allowed and yet unwise."""
    found = []
    unit = dataset.table(dataset.privacy.unit_table)
    if unit is not None and (unit.owner,) not in unit.unique:
        fix = f"add `unique: [[{unit.owner}]]`"
        found.append(f"{unit.name} does not promise one row a unit, which costs accuracy and joins: {fix}")
    unserved = [grant for grant in dataset.grants if grant.mode not in SERVED]
    found += [
        f"{grant.name} of {grant.organisation}: the mode '{grant.mode}' is not served. {RESERVED[grant.mode]}"
        for grant in unserved
    ]
    if dataset.privacy.budget.epsilon > 10:
        found.append(f"a budget of epsilon {dataset.privacy.budget.epsilon:f} is more than 10: it promises little")
    for table in dataset.tables:
        for column in table.columns:
            loose = not table.public and column.bounds is None and "aggregate" in {use.value for use in column.use}
            if loose and column.type.numeric:
                found.append(f"{table.name}.{column.name} has no bounds: buyers have to clamp it themselves")
    return found


def _grants(dataset: Dataset) -> list[tuple[object, ...]]:
    return [
        (
            g.organisation,
            g.mode,
            ", ".join(sorted(g.purposes)) or "any",
            g.valid_from or "",
            g.valid_until or "",
            g.price_plan or "free",
        )
        for g in dataset.grants
    ]


def _columns(dataset: Dataset) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for table in dataset.tables:
        for column in table.columns:
            uses = ", ".join(sorted(use.value for use in column.use)) or "key: join, count people"
            known = f"{column.bounds[0]} to {column.bounds[1]}" if column.bounds else ""
            known = f"{len(column.values)} values" if column.values else known
            rows.append(
                (f"{table.name}.{column.name}", "public" if table.public else column.data_class.value, uses, known)
            )
    return rows


def _budgets(dataset: Dataset) -> list[tuple[object, ...]]:
    from gateway.privacy import accounting  # noqa: PLC0415 - loads OpenDP
    from gateway.privacy.units import budget_of_epsilon  # noqa: PLC0415

    privacy = dataset.privacy
    levels = (("everyone", privacy.budget), ("organisation", privacy.per_organisation), ("buyer", privacy.per_buyer))
    rows: list[tuple[object, ...]] = []
    for name, budget in levels:
        if budget is not None:
            limit = accounting.limits(budget.epsilon, budget.delta, privacy.accounting)[0]
            asked = (privacy.default_epsilon, privacy.max_epsilon)
            counts = [limit // budget_of_epsilon(epsilon, privacy.accounting) for epsilon in asked]
            rows.append((name, f"{budget.epsilon:f}", *counts))
    return rows


def _errors() -> list[tuple[object, ...]]:
    """Return 1.96 sigma for sigma = rows sqrt(groups) / epsilon, since a query's epsilon buys rho = epsilon^2 / 2."""
    from gateway.privacy.intervals import Z95  # noqa: PLC0415 - loads numpy

    return [
        (rows, groups, *(f"{Z95 * rows * math.sqrt(groups) / epsilon:,.0f}" for epsilon in (0.05, 0.2, 1.0)))
        for rows, groups in CHOICES
    ]
