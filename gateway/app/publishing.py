"""What is published: policy files made datasets, at the data version that their provider declared.

A data version is declared, never detected: `gateway dataset refresh` (or the first start) looks at the file, checks
the declared facts and writes a version with the file's stamp into the store. Every process of the store sees it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.catalog.build import build, check_together
from gateway.catalog.document import PolicyDocument
from gateway.catalog.inspection import Inspection, order
from gateway.catalog.load import parse, policy_version
from gateway.catalog.model import Dataset
from gateway.engines.duckdb_engine import DuckDBEngine
from gateway.errors import GatewayError
from gateway.ledger.ledger import Ledger
from gateway.ports import Lease, Source
from gateway.privacy import accounting
from gateway.privacy.units import budget_of_epsilon
from gateway.request import Caller


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One policy as read: its document, its version, and the folder that its relative paths start from."""

    document: PolicyDocument
    version: str
    folder: Path

    @property
    def name(self) -> str:
        return self.document.dataset

    def source(self) -> Source:
        """Return the engine's source with an absolute path."""
        engine = self.document.engine
        return Source(engine.kind, str((self.folder / str(engine.path)).resolve()))


def read_policies(folder: Path) -> dict[str, PolicyFile]:
    """Return every policy of a folder by its dataset's name.

    Raises GatewayError `policy_invalid` for a file that does not hold, two with one name, or none at all.
    """
    folder = folder.resolve()  # engine workers stand in another folder: every path that they are given is absolute
    files = sorted(p for pattern in ("*.yaml", "*.yml") for p in folder.glob(pattern))
    found: dict[str, PolicyFile] = {}
    for path in files:
        document = parse(path.read_text(encoding="utf-8"), path.name)
        if document.dataset in found:
            detail = f"{path.name}: the dataset '{document.dataset}' has another policy file."
            raise GatewayError("policy_invalid", detail, "Give each dataset one file and one name.")
        found[document.dataset] = PolicyFile(document, policy_version(document), path.parent)
    if not found:
        hint = "Put a policy there; policies/cdnow.yaml in the project is a worked example."
        raise GatewayError("policy_invalid", f"No policy (*.yaml) in {folder}.", hint)
    return found


def convert_budgets(dataset: Dataset) -> None:
    """Convert every budget to ledger units once, beside the event loop; the results are kept."""
    privacy = dataset.privacy
    budgets = [privacy.budget, privacy.per_organisation, privacy.per_buyer, *(grant.budget for grant in dataset.grants)]
    for budget in budgets:
        if budget is not None:
            accounting.limits(budget.epsilon, budget.delta, privacy.accounting)
    spent = budget_of_epsilon(privacy.default_epsilon, privacy.accounting)
    accounting.display(spent, 0, privacy.budget.delta, privacy.accounting)


class Publisher:
    """Holds the datasets that are served, and renews them when a policy or a data version changes."""

    def __init__(self, folder: Path, engine: DuckDBEngine, ledger: Ledger) -> None:
        self._folder = folder
        self._engine = engine
        self._ledger = ledger
        self._files: dict[str, PolicyFile] = {}
        self._datasets: dict[str, Dataset] = {}

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return self._datasets

    async def load(self) -> None:
        """Read all policies anew and publish them together, or none: a mistake leaves what is served as it was."""
        files = read_policies(self._folder)
        built = {name: await self._build(file) for name, file in files.items()}
        check_together(tuple(built.values()))
        self._files, self._datasets = files, built

    async def _build(self, file: PolicyFile) -> Dataset:
        dataset = await self._read(file)
        await asyncio.to_thread(convert_budgets, dataset)
        return dataset

    async def _read(self, file: PolicyFile) -> Dataset:
        current = await self._ledger.current_version(file.name)
        inspection = await self._inspect(file)
        if current is None:
            version = await self._ledger.declare_version(file.name, inspection.stamp, "first start")
        else:
            version, stamp = current
            if stamp != inspection.stamp:
                return self._dataset(file, inspection, version, stamp)
        return self._dataset(file, inspection, version, inspection.stamp)

    async def _inspect(self, file: PolicyFile) -> Inspection:
        return await self._engine.inspect(file.source(), order(file.document))

    @staticmethod
    def _dataset(file: PolicyFile, inspection: Inspection, version: str, stamp: str) -> Dataset:
        declared = Inspection(stamp, inspection.tables, inspection.distinct, inspection.broken_facts)
        return build(file.document, declared, data_version=version, base=file.folder)

    async def refresh(self, name: str) -> str:
        """Declare the data as it is now to be a new version. Raises `unknown_dataset` or what the engine raises."""
        file = self._files.get(name)
        if file is None:
            raise unknown_dataset(name)
        inspection = await self._inspect(file)
        current = await self._ledger.current_version(name)
        if current is not None and current[1] == inspection.stamp:
            return current[0]
        version = await self._ledger.declare_version(name, inspection.stamp, "refresh")
        self._datasets[name] = self._dataset(file, inspection, version, inspection.stamp)
        return version

    async def dataset(self, name: str | None, caller: Caller) -> Dataset:
        """Return the dataset a request names, or the only one that its organisation has a grant on."""
        if name is None:
            granted = [d for d in self._datasets.values() if is_granted(d, caller)]
            if len(granted) != 1:
                hint = "Name one in `dataset`; GET /v1/datasets lists yours."
                raise GatewayError("unknown_dataset", "The request names no dataset.", hint)
            name = granted[0].name
        dataset = self._datasets.get(name)
        if dataset is None or not is_granted(dataset, caller):
            raise unknown_dataset(name)
        current = await self._ledger.current_version(name)
        if current is not None and current[0] != dataset.data_version:  # another process declared a new version
            dataset = self._datasets[name] = await self._build(self._files[name])
        return dataset

    async def lease(self, dataset: Dataset) -> Lease:
        """Hold an engine with the declared data open. Raises `refresh_needed` or `engine_unavailable`."""
        return await self._engine.lease(dataset.source, dataset.stamp)


def is_granted(dataset: Dataset, caller: Caller) -> bool:
    return any(
        grant.organisation == caller.organisation and grant.subject in (None, caller.subject)
        for grant in dataset.grants
    )


def unknown_dataset(name: str) -> GatewayError:
    hint = "GET /v1/datasets lists those that you have a grant on."
    return GatewayError("unknown_dataset", f"There is no dataset '{name}' for you.", hint)
