"""`gateway classify`: a policy to edit, guessed from a source that the command opens. Nothing goes over HTTP."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.failures import reporting
from gateway.cli.show import console
from gateway.errors import GatewayError
from gateway.evidence.files import writing

if TYPE_CHECKING:
    from gateway.catalog.document import EngineEntry
    from gateway.classification.model import Facts

DuckDB = Annotated[Path | None, typer.Option(help="A DuckDB file, or a folder of Parquet files.")]
PostgresEnv = Annotated[str | None, typer.Option(help="The environment variable that holds postgresql://...")]
Schema = Annotated[str, typer.Option(help="The schema, with --postgres-env.")]
PolicyFile = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A policy whose engine is meant.")]
Values = Annotated[bool, typer.Option("--values", help="Read values too, here and by this command alone.")]
Unit = Annotated[str | None, typer.Option(help="Whom to protect: TABLE.KEY.")]
Name = Annotated[str | None, typer.Option(help="The dataset's name.")]
Organisation = Annotated[str | None, typer.Option(help="The provider's organisation.")]
Out = Annotated[Path | None, typer.Option(help="Write here, and never over a file; default: standard output.")]


@dataclass(frozen=True, slots=True)
class Choice:
    """The source and the names that a provider typed."""

    duckdb: Path | None
    postgres_env: str | None
    schema: str
    policy: Path | None
    name: str | None
    organisation: str | None
    out: Path | None


def classify(
    duckdb: DuckDB = None,
    postgres_env: PostgresEnv = None,
    schema: Schema = "public",
    policy: PolicyFile = None,
    values: Values = False,
    unit: Unit = None,
    name: Name = None,
    organisation: Organisation = None,
    out: Out = None,
) -> None:
    """Propose a policy for a source: classes, keys, uses and bounds, to be looked at before anything is served."""
    from gateway.classification.model import Facts  # noqa: PLC0415 - loads the policies' models

    with reporting():
        choice = Choice(duckdb, postgres_env, schema, policy, name, organisation, out)
        propose(choice, unit, Facts(), values=values)


def propose(choice: Choice, unit: str | None, facts: "Facts", *, values: bool) -> None:
    """Write a proposal. Raises GatewayError, `settings_invalid` for options that do not fit."""
    from gateway.app.classifying import Order, proposed  # noqa: PLC0415 - loads the engines

    if choice.out is not None and choice.out.exists():
        detail = f"{choice.out} is there already."
        raise GatewayError("settings_invalid", detail, "Name another file with --out: what was edited is not lost.")
    engine, base, dataset, organisation = _source(choice)
    text = proposed(Order(engine, base, dataset, organisation, unit, values, facts))
    if choice.out is None:
        print(text, end="")
    else:
        with writing(choice.out):
            choice.out.write_text(text, encoding="utf-8")
    screen = console(error=True)
    where = choice.out if choice.out is not None else "the policy"
    if values:
        screen.print("warning: what says `from values` tells of the data: write what everybody may know in its place")
    screen.print(f"confirm each line under `confirm`, then: gateway policy check {where}")


def _source(choice: Choice) -> "tuple[EngineEntry, Path, str, str]":
    """Return the engine's entry, the folder that its path starts from, and the names of dataset and provider."""
    from gateway.app.policies import read_policy  # noqa: PLC0415 - loads the policies' models
    from gateway.catalog.document import DuckDBEntry, PostgresEntry  # noqa: PLC0415

    given = [one for one in (choice.duckdb, choice.postgres_env, choice.policy) if one is not None]
    if len(given) != 1:
        hint = "Give one of --duckdb PATH, --postgres-env NAME, --policy FILE."
        raise GatewayError("settings_invalid", "It takes one source.", hint)
    organisation = choice.organisation or "your-organisation"
    if choice.policy is not None:
        document, _ = read_policy(choice.policy)
        known = choice.organisation or document.provider.organisation
        return document.engine, choice.policy.parent, choice.name or document.dataset, known
    if choice.postgres_env is not None:
        entry = _postgres(choice.postgres_env, choice.schema, PostgresEntry)
        return entry, Path(), choice.name or choice.schema, organisation
    assert choice.duckdb is not None  # INVARIANT: one of the three is given
    base = choice.out.parent if choice.out is not None else Path()
    path = os.path.relpath(choice.duckdb, base)
    return DuckDBEntry(kind="duckdb", path=path), base, choice.name or choice.duckdb.stem, organisation


def _postgres(variable: str, schema: str, entry: "type[EngineEntry]") -> "EngineEntry":
    from pydantic import ValidationError  # noqa: PLC0415 - loads the policies' models

    try:
        return entry.model_validate({"kind": "postgres", "dsn_env": variable, "schema": schema})
    except ValidationError:
        hint = "A variable's name is capitals, digits and _, and a schema's has no / and no control characters."
        raise GatewayError("settings_invalid", "The variable or the schema has no name that is one.", hint) from None
