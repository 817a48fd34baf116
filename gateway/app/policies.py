"""Policy files as they are read from their folder, and what they decide alone, before any engine is asked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.catalog import entries
from gateway.catalog.alone import check_alone
from gateway.catalog.document import PolicyDocument
from gateway.catalog.load import PolicyErrors, PolicyLines, Problem, policy_version, read
from gateway.catalog.model import Compliance, Grant, Privacy
from gateway.catalog.together import Member
from gateway.errors import GatewayError
from gateway.ports import Source
from gateway.privacy import accounting
from gateway.privacy.units import budget_of_epsilon


@dataclass(frozen=True, slots=True)
class Told:
    """What the store says of a dataset: how often it changed, and the review that takes the place of the file's."""

    change: int = 0
    compliance: Compliance | None = None


FILE_ALONE = Told()


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One policy as read: its version, the folder that its paths start from, and where its parts stand."""

    document: PolicyDocument
    version: str
    folder: Path
    lines: PolicyLines
    text: str = ""
    told: Told = FILE_ALONE
    """What the store says of the dataset beside the file."""

    @property
    def name(self) -> str:
        return self.document.dataset

    def same(self, other: "PolicyFile") -> bool:
        """Tell whether another reading says the same of the same data."""
        mine, others = (self.version, self.told.compliance), (other.version, other.told.compliance)
        return (mine, self.source()) == (others, other.source())

    @property
    def grants(self) -> tuple[Grant, ...]:
        return tuple(entries.grant(entry, self.document) for entry in self.document.grants)

    def member(self) -> Member:
        """Return what the file says of the people behind it, to hold beside the others'. Its budgets were checked."""
        private = tuple(name for name, table in self.document.tables.items() if not table.public)
        document = self.document
        return Member(self.name, document.provider.organisation, self.source(), private, entries.privacy(document))

    def source(self) -> Source:
        """Return the engine's source with an absolute path."""
        return source_of(self.document, self.folder)


def holds_alone(file: PolicyFile) -> bool:
    """Tell whether a policy holds by itself, before any engine is asked."""
    try:
        check_alone(file.document, file.lines)
    except PolicyErrors:
        return False
    return True


def source_of(document: PolicyDocument, folder: Path) -> Source:
    """Return the engine's source of a policy that stands in `folder`, a file by its absolute path."""
    source = entries.source(document.engine, folder)
    return replace(source, path=str(Path(source.path).resolve())) if source.kind == "duckdb" else source


def read_policy(path: Path) -> tuple[PolicyDocument, PolicyLines]:
    """Return the policy of one file and where its parts stand.

    Raises GatewayError `policy_invalid`, also where it is not UTF-8 text.
    """
    return read(policy_text(path), path.name)


def policy_text(path: Path) -> str:
    """Return the text of a policy file. Raises GatewayError `policy_invalid`."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise GatewayError("policy_invalid", f"{path.name} is not UTF-8 text.", "Save the file as UTF-8.") from None
    except OSError as error:
        detail = f"{path.name} cannot be read: {error.strerror}."
        raise GatewayError("policy_invalid", detail, "Give the gateway a file that it may read.") from None


_DATASET = re.compile(r"^dataset:[ \t]*[\"']?([^\"'#\n]*[^\"'#\s])", re.MULTILINE)
"""Where a policy file names its dataset: found also where the rest of it is no policy."""


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A file of the folder that does not hold: its name, the dataset that it seems to be of, and what is wrong."""

    name: str
    dataset: str | None
    error: GatewayError


@dataclass(frozen=True, slots=True)
class PolicyFolder:
    """What stands in a folder, each file for itself: the policies by their dataset's name, and the files that break."""

    files: Mapping[str, PolicyFile]
    broken: tuple[BrokenFile, ...]

    def whole(self) -> dict[str, PolicyFile]:
        """Return the policies by their dataset's name. Raises GatewayError `policy_invalid` where a file breaks."""
        if self.broken:
            raise self.broken[0].error
        return dict(self.files)

    def of(self, name: str, known_as: str | None = None) -> PolicyFile | None:
        """Return the policy of one dataset, whatever the other files are; None where no file is of it.

        `known_as` is the file that the dataset was read from last. Raises GatewayError `policy_invalid` where its file
        is broken, or two files are of it.
        """
        for one in self.broken:
            if one.dataset == name or one.name == known_as:
                raise one.error
        return self.files.get(name)


def read_folder(folder: Path) -> PolicyFolder:
    """Return what stands in a folder. Of two files with one name both are broken: neither takes the other's place."""
    folder = folder.resolve()  # engine workers stand in another folder: every path that they are given is absolute
    found: dict[str, PolicyFile] = {}
    broken: list[BrokenFile] = []
    for path in sorted(p for pattern in ("*.yaml", "*.yml") for p in folder.glob(pattern)):
        try:
            text = policy_text(path)
            document, lines = read(text, path.name)
        except GatewayError as error:
            broken.append(BrokenFile(path.name, _seems(path), error))
            continue
        if document.dataset in found:
            detail = f"{path.name}: the dataset '{document.dataset}' has another policy file."
            twice = GatewayError("policy_invalid", detail, "Give each dataset one file and one name.")
            broken.append(BrokenFile(path.name, document.dataset, twice))
        else:
            found[document.dataset] = PolicyFile(document, policy_version(document), path.parent, lines, text)
    doubled = {one.dataset for one in broken}
    return PolicyFolder({name: file for name, file in found.items() if name not in doubled}, tuple(broken))


def _seems(path: Path) -> str | None:
    """Return the dataset that a broken file names, as far as it can be read."""
    try:
        named = _DATASET.search(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return None if named is None else named[1]


def read_policies(folder: Path) -> dict[str, PolicyFile]:
    """Return every policy of a folder by its dataset's name.

    Raises GatewayError `policy_invalid` for a file that does not hold, two with one name, or none at all.
    """
    found = read_folder(folder).whole()
    if not found:
        hint = "Put a policy there; policies/cdnow.yaml in the project is a worked example."
        raise GatewayError("policy_invalid", f"No policy (*.yaml) in {folder.resolve()}.", hint)
    return found


def convert_budgets(privacy: Privacy, grants: Sequence[Grant], lines: PolicyLines) -> None:
    """Convert every budget to ledger units once, beside the event loop; the results are kept.

    Raises PolicyErrors where a budget does not pay one query at the policy's largest epsilon, counted in those units.
    """
    levels = [b for b in (privacy.budget, privacy.per_organisation, privacy.per_buyer) if b is not None]
    cost = budget_of_epsilon(privacy.max_epsilon, privacy.accounting)
    if any(cost > accounting.limits(b.epsilon, b.delta, privacy.accounting)[0] for b in levels):
        path = "privacy.per_query.max_epsilon"
        message = f"no query can pay {privacy.max_epsilon:f}: it costs more rho than the smallest budget holds"
        fix = f"At most {accounting.largest_payable(levels, privacy.accounting):f}, or a larger budget."
        raise PolicyErrors(lines.name, (Problem(path, lines.line(path), message, fix),))
    budgets = [privacy.budget, privacy.per_organisation, privacy.per_buyer, *(grant.budget for grant in grants)]
    for budget in budgets:
        if budget is not None:
            accounting.limits(budget.epsilon, budget.delta, privacy.accounting)
    spent = budget_of_epsilon(privacy.default_epsilon, privacy.accounting)
    accounting.display(spent, 0, privacy.budget.delta, privacy.accounting)
