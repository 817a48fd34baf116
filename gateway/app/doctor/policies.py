"""Policies as they are in effect, file or store: which stop soon, which allow more than the field calls private."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from gateway.app.doctor.finding import Finding, Verdict, bad, good, warning
from gateway.app.doctor.machine import data_file
from gateway.app.effective import Known
from gateway.app.offline import inspect_policy
from gateway.app.policies import PolicyFile, PolicyFolder, read_folder
from gateway.catalog.alone import check_alone
from gateway.catalog.build import build
from gateway.catalog.inspection import Inspection
from gateway.catalog.model import Compliance
from gateway.catalog.together import check_together
from gateway.errors import GatewayError
from gateway.policy.rules.mode import unserved

SOON = timedelta(days=30)
MUCH = Decimal(10)

_UNSERVED = {
    "draft": (
        "no version of its policy is published: nobody is answered",
        "gateway policy submit, review and publish, by three persons.",
    ),
    "withdrawn": (
        "it was withdrawn: nobody is answered",
        "Publish another version, or bring one back: gateway policy rollback, by two persons.",
    ),
    "unavailable": (
        "the store lacks the text of the version that it serves: nobody is answered",
        "Have its provider propose the same text again: gateway policy propose.",
    ),
    "unreadable": (
        "this gateway does not read the text of the version that is served: nobody is answered",
        "Run the version of the gateway that it was proposed with, or have its provider propose another text.",
    ),
    "removed": (
        "its data were declared in this store, and no policy of it is here",
        "Put its file back into the folder; or leave it, and nobody is answered.",
    ),
}


def look(folder: Path, today: date) -> Iterator[Finding]:
    """Look at every policy of a folder by itself, where there is no store yet, and at the data behind it."""
    found = read_folder(folder)
    alone = [Known(name, file, None, filed=True, stored=False) for name, file in found.files.items()]
    yield from look_at(alone, found, today)


def look_at(known: Sequence[Known], folder: PolicyFolder, today: date) -> Iterator[Finding]:
    """Look at every dataset as a gateway of this folder and store would serve it, and at the data behind it."""
    for broken in folder.broken:
        yield bad("policies", broken.error.detail, broken.error.hint)
    if not known and not folder.broken:
        yield bad("policies", "no policy (*.yaml) is in the folder", "Name the folder with --policies.")
    for one in known:
        if one.file is None or one.unserved is not None:
            yield _not_served(one)
        else:
            yield from _served(one, one.file, folder.files, today)
    yield from _together([one.file for one in known if one.file is not None and one.unserved is None])


def _not_served(one: Known) -> Finding:
    told, fix = _UNSERVED[one.unserved or "unavailable"]
    shown = bad if one.unserved in ("unavailable", "unreadable") else warning
    return shown(f"policy of {one.name}", told, fix)


def _served(one: Known, file: PolicyFile, files: Mapping[str, PolicyFile], today: date) -> Iterator[Finding]:
    assert one.compliance is not None  # INVARIANT: it has a file
    check = f"policy of {one.name}"
    yield from _standing(check, file, one.compliance, today)
    if not one.filed:
        fix = "Put a file of it into the folder: with its provider, its engine and its account."
        yield bad(check, "the store serves it, and a gateway of this folder does not: there is no file of it", fix)
    elif one.stored and files[one.name].version != file.version:
        fix = "gateway policy propose FILE and the steps after it; or write the file as the served version is."
        yield warning(check, "its file has another text than the version that is served: it is a draft", fix)
    for grant in file.grants:
        refusal = unserved(grant.mode)
        if refusal is not None:
            yield warning(check, f"its grant to {grant.organisation} has no effect: {refusal.detail}", refusal.hint)
    yield from _data(one.name, file)


def _together(files: Sequence[PolicyFile]) -> Iterator[Finding]:
    """Hold what is served to what refuses a start: each by itself, and no two accounts over the same people."""
    try:
        for file in files:
            check_alone(file.document, file.lines)
        check_together([file.member() for file in files])
    except GatewayError as error:
        yield bad("policies", error.detail, error.hint)


def _data(name: str, file: PolicyFile) -> Iterator[Finding]:
    """Look at a provider's data: whether they are as the policy says, and what is allowed beyond it."""
    check, source = f"data of {name}", file.source()
    if source.kind == "duckdb":
        found = tuple(data_file(Path(source.path), name))
        yield from found
        if any(finding.verdict is Verdict.BAD for finding in found):
            return
    try:
        inspection = inspect_policy(file.document, file.folder)
        build(file.document, inspection, data_version="", base=file.folder, lines=file.lines)
    except GatewayError as error:
        yield bad(check, error.detail, error.hint)
        return
    if inspection.broken_facts:
        told = f"what its policy declares does not hold: {', '.join(inspection.broken_facts)}"
        yield bad(check, told, "Correct the data or the declaration: nobody is answered.")
    yield from _OF_KIND[source.kind](check, inspection)


def _of_duckdb(check: str, found: Inspection) -> Iterator[Finding]:
    if not found.broken_facts:
        yield good(check, "they fit the policy, and all declared keys hold: every row was looked at")


def _of_postgres(check: str, found: Inspection) -> Iterator[Finding]:
    fix = "Make a role by docker/postgres/role.sql, and grant it the policy's columns alone."
    yield from (bad(check, told, fix) for told in found.warnings)
    if not found.warnings and not found.broken_facts:
        yield good(check, "there, and its role may read the policy's columns and nothing else")


def _of_spark(check: str, found: Inspection) -> Iterator[Finding]:
    yield from (warning(check, told, "See to it that you know what they do.") for told in found.warnings)
    if not found.warnings and not found.broken_facts:
        yield good(check, "there, plain Parquet files in which all declared keys hold: every row was looked at")


_OF_KIND = {"duckdb": _of_duckdb, "postgres": _of_postgres, "spark": _of_spark}


def _standing(check: str, file: PolicyFile, review: Compliance, today: date) -> Iterator[Finding]:
    """Look at the review that counts, whoever made it, and at the budget."""
    ends, epsilon = review.valid_until, file.document.privacy.budget.epsilon
    if review.reviewed_by is None:
        fix = "Have a reviewer of another organisation look at it: gateway policy submit, then review."
        yield bad(check, "no review of it counts: nobody is answered", fix)
    elif review.by_owner or review.reviewed_by == file.document.provider.organisation:
        yield bad(check, "its owner reviewed it: nobody is answered", "Have somebody else review it.")
    elif ends is None:
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
        yield good(check, f"reviewed by {review.reviewed_by} until {ends}, epsilon {epsilon:f} in all")
