"""The policies of a folder: which will stop soon, which allow more than the field would call private."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from gateway.app.doctor.finding import Finding, bad, good, warning
from gateway.app.doctor.machine import data_file
from gateway.app.policies import PolicyFile, read_policies
from gateway.errors import GatewayError

SOON = timedelta(days=30)
MUCH = Decimal(10)


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
