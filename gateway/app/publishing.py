"""What is published: policy files made datasets, at the data version that their provider declared.

A data version is declared, never detected: `gateway dataset refresh` (or the first start) looks at the file, checks
the declared facts and writes a version with the file's stamp into the store. Every process of the store sees it.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.catalog.build import build
from gateway.catalog.document import PolicyDocument
from gateway.catalog.inspection import Inspection, order
from gateway.catalog.load import PolicyErrors, PolicyLines, Problem, policy_version, read
from gateway.catalog.model import Dataset
from gateway.catalog.together import check_together
from gateway.engines.duckdb_engine import DuckDBEngine
from gateway.errors import GatewayError
from gateway.ledger.ledger import DataVersion, Ledger
from gateway.policy.decide import grants_of
from gateway.ports import Lease, Source
from gateway.privacy import accounting
from gateway.privacy.units import budget_of_epsilon
from gateway.request import Caller

log = logging.getLogger("gateway.provider")


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One policy as read: its version, the folder that its paths start from, and where its parts stand."""

    document: PolicyDocument
    version: str
    folder: Path
    lines: PolicyLines

    @property
    def name(self) -> str:
        return self.document.dataset

    def source(self) -> Source:
        """Return the engine's source with an absolute path."""
        return source_of(self.document, self.folder)


def source_of(document: PolicyDocument, folder: Path) -> Source:
    """Return the engine's source of a policy that stands in `folder`, with an absolute path."""
    engine = document.engine
    return Source(engine.kind, str((folder / str(engine.path)).resolve()))


def read_policy(path: Path) -> tuple[PolicyDocument, PolicyLines]:
    """Return the policy of one file and where its parts stand.

    Raises GatewayError `policy_invalid`, also where it is not UTF-8 text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise GatewayError("policy_invalid", f"{path.name} is not UTF-8 text.", "Save the file as UTF-8.") from None
    except OSError as error:
        detail = f"{path.name} cannot be read: {error.strerror}."
        raise GatewayError("policy_invalid", detail, "Give the gateway a file that it may read.") from None
    return read(text, path.name)


def read_policies(folder: Path) -> dict[str, PolicyFile]:
    """Return every policy of a folder by its dataset's name.

    Raises GatewayError `policy_invalid` for a file that does not hold, two with one name, or none at all.
    """
    folder = folder.resolve()  # engine workers stand in another folder: every path that they are given is absolute
    files = sorted(p for pattern in ("*.yaml", "*.yml") for p in folder.glob(pattern))
    found: dict[str, PolicyFile] = {}
    for path in files:
        document, lines = read_policy(path)
        if document.dataset in found:
            detail = f"{path.name}: the dataset '{document.dataset}' has another policy file."
            raise GatewayError("policy_invalid", detail, "Give each dataset one file and one name.")
        found[document.dataset] = PolicyFile(document, policy_version(document), path.parent, lines)
    if not found:
        hint = "Put a policy there; policies/cdnow.yaml in the project is a worked example."
        raise GatewayError("policy_invalid", f"No policy (*.yaml) in {folder}.", hint)
    return found


def convert_budgets(dataset: Dataset, lines: PolicyLines) -> None:
    """Convert every budget to ledger units once, beside the event loop; the results are kept.

    Raises PolicyErrors where a budget does not pay one query at the policy's largest epsilon, counted in those units.
    """
    privacy = dataset.privacy
    levels = [b for b in (privacy.budget, privacy.per_organisation, privacy.per_buyer) if b is not None]
    cost = budget_of_epsilon(privacy.max_epsilon, privacy.accounting)
    if any(cost > accounting.limits(b.epsilon, b.delta, privacy.accounting)[0] for b in levels):
        path = "privacy.per_query.max_epsilon"
        message = f"no query can pay {privacy.max_epsilon:f}: it costs more rho than the smallest budget holds"
        fix = f"At most {accounting.largest_payable(levels, privacy.accounting):f}, or a larger budget."
        raise PolicyErrors(lines.name, (Problem(path, lines.line(path), message, fix),))
    budgets = [privacy.budget, privacy.per_organisation, privacy.per_buyer, *(grant.budget for grant in dataset.grants)]
    for budget in budgets:
        if budget is not None:
            accounting.limits(budget.epsilon, budget.delta, privacy.accounting)
    spent = budget_of_epsilon(privacy.default_epsilon, privacy.accounting)
    accounting.display(spent, 0, privacy.budget.delta, privacy.accounting)


@dataclass(frozen=True, slots=True)
class Published:
    """A dataset as it is served, the policy file it came from, and the declaration that it was built at."""

    file: PolicyFile
    dataset: Dataset
    declaration: int


class Publisher:
    """Holds the datasets that are served, and renews them when a policy or a data version is declared."""

    def __init__(self, folder: Path, engine: DuckDBEngine, ledger: Ledger) -> None:
        self._folder = folder
        self._engine = engine
        self._ledger = ledger
        self._published: dict[str, Published] = {}
        self._renewing = asyncio.Lock()

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {name: published.dataset for name, published in self._published.items()}

    async def load(self) -> None:
        """Read all policies anew and publish them together, or none: a mistake leaves what is served as it was."""
        files = read_policies(self._folder)
        built = {name: await self._build(file) for name, file in files.items()}
        check_together(tuple(published.dataset for published in built.values()))
        self._published = built

    async def _build(self, file: PolicyFile) -> Published:
        published = await self._read(file)
        await asyncio.to_thread(convert_budgets, published.dataset, file.lines)
        return published

    async def _read(self, file: PolicyFile) -> Published:
        current = await self._ledger.current_version(file.name)
        inspection = await self._inspect(file)
        if current is None:
            current = await self._ledger.declare_version(file.name, inspection.stamp, "first start")
        return self._dataset(file, inspection, current)

    async def _inspect(self, file: PolicyFile) -> Inspection:
        try:
            return await self._engine.inspect(file.source(), order(file.document))
        except GatewayError as error:  # a buyer's request may have led here: the path is for the log alone
            log.error("dataset %s at %s: %s", file.name, file.source().path, error)  # noqa: TRY400 - words, no stack
            raise

    @staticmethod
    def _dataset(file: PolicyFile, inspection: Inspection, current: DataVersion) -> Published:
        declared = Inspection(current.stamp, inspection.tables, inspection.distinct, inspection.broken_facts)
        version = current.version
        dataset = build(file.document, declared, data_version=version, base=file.folder, lines=file.lines)
        return Published(file, dataset, current.number)

    async def refresh(self, name: str) -> str:
        """Publish a dataset's policy and data as they are now, and return the data version.

        Every process of the store follows. The data version changes with the data alone. Raises `unknown_dataset`,
        `policy_invalid` or what the engine raises; then nothing changes.
        """
        file = read_policies(self._folder).get(name)
        if file is None:
            raise unknown_dataset(name)
        inspection = await self._inspect(file)
        current = await self._ledger.current_version(name)
        same = current.version if current is not None and current.stamp == inspection.stamp else None
        draft = self._dataset(file, inspection, DataVersion(0, same or "unpublished", inspection.stamp))
        others = [p.dataset for other, p in self._published.items() if other != name]
        check_together((*others, draft.dataset))
        await asyncio.to_thread(convert_budgets, draft.dataset, file.lines)
        declared = await self._ledger.declare_version(name, inspection.stamp, f"refresh {file.version}", same)
        self._published[name] = self._dataset(file, inspection, declared)
        return declared.version

    async def dataset(self, name: str | None, caller: Caller) -> Dataset:
        """Return the dataset a request names, or the only one that its organisation has a grant on."""
        if name is None:
            granted = [d for d in self.datasets.values() if grants_of(d, caller)]
            if len(granted) != 1:
                hint = "Name one in `dataset`; GET /v1/datasets lists yours."
                raise GatewayError("unknown_dataset", "The request names no dataset.", hint)
            name = granted[0].name
        published = self._published.get(name)
        if published is None or not grants_of(published.dataset, caller):
            raise unknown_dataset(name)
        current = await self._ledger.current_version(name)
        if current is not None and current.number != published.declaration:
            await self._renew(name, current.number)
            published = self._published.get(name)
            if published is None or not grants_of(published.dataset, caller):  # the grant may be gone by now
                raise unknown_dataset(name)
        return published.dataset

    async def _renew(self, name: str, declaration: int) -> None:
        """Follow a declaration of another process: read the policy and the data anew.

        A policy that was broken since it was declared keeps the dataset as it was, and is told to the operator.
        """
        async with self._renewing:
            published = self._published[name]
            if published.declaration >= declaration:
                return
            try:
                file = read_policies(self._folder).get(name, published.file)
                renewed = await self._build(file)
                check_together((*(p.dataset for other, p in self._published.items() if other != name), renewed.dataset))
            except GatewayError as error:
                if error.code != "policy_invalid":
                    raise
                log.error("the policy of %s was not renewed: %s", name, error)  # noqa: TRY400 - words, no stack
                renewed = await self._build(published.file)
            self._published[name] = renewed

    async def lease(self, dataset: Dataset) -> Lease:
        """Hold an engine with the declared data open. Raises `refresh_needed` or `engine_unavailable`."""
        return await self._engine.lease(dataset.source, dataset.stamp)


def unknown_dataset(name: str) -> GatewayError:
    hint = "GET /v1/datasets lists those that you have a grant on."
    return GatewayError("unknown_dataset", f"There is no dataset '{name}' for you.", hint)
