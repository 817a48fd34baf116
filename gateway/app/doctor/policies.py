"""The policies of a folder: which will stop soon, which allow more than the field would call private."""

import asyncio
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from gateway.app.doctor.finding import Finding, bad, good, warning
from gateway.app.doctor.machine import data_file
from gateway.app.policies import PolicyFile, read_policies
from gateway.catalog.inspection import order
from gateway.engines.postgres_engine import PostgresEngine
from gateway.engines.spark_engine import SparkEngine
from gateway.errors import GatewayError
from gateway.settings import variable

SOON = timedelta(days=30)
MUCH = Decimal(10)
PATIENCE_S = 30.0


def look(folder: Path, today: date) -> Iterator[Finding]:
    """Look at every policy, and at the file behind it."""
    try:
        files = read_policies(folder)
    except GatewayError as error:
        yield bad("policies", error.detail, error.hint)
        return
    for name, file in files.items():
        yield from _standing(name, file, today)
        source = file.source()
        if source.kind == "duckdb":
            yield from data_file(Path(source.path), name)
        else:
            yield from _database(name, file)


def _database(name: str, file: PolicyFile) -> Iterator[Finding]:
    """Look at a provider's server: whether it can be read as the policy says, and what its role may do beyond."""
    check, source = f"data of {name}", file.source()

    async def inspected() -> tuple[str, ...]:
        engine: PostgresEngine | SparkEngine = PostgresEngine(variable, 1, PATIENCE_S, PATIENCE_S)
        if source.kind == "spark":
            engine = SparkEngine(variable, 1, PATIENCE_S)
        try:
            return (await engine.inspect(source, order(file.document))).warnings
        finally:
            await engine.close()

    try:
        beyond = asyncio.run(inspected())
    except GatewayError as error:
        yield bad(check, error.detail, error.hint)
        return
    if beyond:
        fix = "Make a role by docker/postgres/role.sql, and grant it the policy's columns alone."
        yield from (bad(check, told, fix) for told in beyond)
    elif source.kind == "spark":
        yield good(check, "there, and plain Parquet files")
    else:
        yield good(check, "there, and its role may read the policy's columns and nothing else")


def _standing(name: str, file: PolicyFile, today: date) -> Iterator[Finding]:
    check, document = f"policy of {name}", file.document
    ends = document.compliance.valid_until
    epsilon = document.privacy.budget.epsilon
    if ends is None:
        fix = "Write compliance.valid_until: a review holds for a time."
        yield warning(check, "its review has no end", fix)
    elif ends < today:
        yield bad(check, f"its review ended on {ends}: nobody is answered", "Have it reviewed again.")
    elif ends < today + SOON:
        yield warning(check, f"its review ends on {ends}", "Have it reviewed again before then.")
    elif epsilon > MUCH:
        fix = f"Lower privacy.budget.epsilon to {MUCH} or less, unless nobody real is behind the rows."
        yield warning(check, f"its budget is epsilon {epsilon:f}: a promise that protects little", fix)
    else:
        yield good(check, f"reviewed until {ends}, epsilon {epsilon:f} in all")
