"""How a policy in effect becomes a dataset that is served: its data are looked at, checked, bound and opened."""

import asyncio
import logging
from dataclasses import replace

from gateway.app.policies import PolicyFile, convert_budgets
from gateway.app.standing import FIRST_PAUSE_S, Held, Published, Unopened, Unserved
from gateway.catalog.build import build
from gateway.catalog.inspection import Inspection, order
from gateway.catalog.load import PolicyErrors
from gateway.catalog.model import Dataset
from gateway.engines.by_kind import Inspecting
from gateway.errors import GatewayError
from gateway.ledger.binding import Bindings
from gateway.ledger.versions import DataVersion, Versions
from gateway.ports import Lease

log = logging.getLogger("gateway.provider")


class Opening:
    """Opens datasets. Data that nobody has declared are declared when they are opened for the first time."""

    def __init__(self, engine: Inspecting, versions: Versions, bindings: Bindings) -> None:
        self._engine = engine
        self._versions = versions
        self._bindings = bindings
        self._opened_of: set[str] = set()

    @property
    def opened_of(self) -> frozenset[str]:
        """The providers whose data were opened since the process began, whatever became of their datasets."""
        return frozenset(self._opened_of)

    async def stood(self, file: PolicyFile, unserved: str | None, pause_s: float = FIRST_PAUSE_S) -> Held:
        """Return a dataset as its policy in effect has it: opened, shut for `pause_s`, or not served for a reason.

        Raises `policy_invalid`.
        """
        if unserved is not None:
            return Unserved(file, unserved, *await self._declared(file))
        try:
            return await self._build(file)
        except GatewayError as error:
            if error.code == "policy_invalid":
                raise
            return await self.shut(file, error, pause_s)

    async def shut(self, file: PolicyFile, error: GatewayError, pause_s: float = FIRST_PAUSE_S) -> Unopened:
        """Return a dataset that cannot be opened now, to be tried again in `pause_s`; its provider's log says why."""
        log.error("dataset %s at %s is not open: %s %s", file.name, file.source().path, error, error.hint)
        again_at = asyncio.get_running_loop().time() + pause_s
        return Unopened(file, error, *await self._declared(file), pause_s, again_at)

    async def draft(self, file: PolicyFile) -> Dataset:
        """Return the dataset that a policy makes of the data now; nothing is declared.

        Raises `policy_invalid` or what the engine raises.
        """
        return self._draft(file, await self._looked_at(file))

    async def checked(self, file: PolicyFile) -> Inspection:
        """Return what the engine sees of a policy's data now, which fit it, and whose budgets pay for its queries.

        Raises `policy_invalid` or what the engine raises.
        """
        inspection = await self._looked_at(file)
        await _convert(file, self._draft(file, inspection))
        return inspection

    async def _looked_at(self, file: PolicyFile) -> Inspection:
        try:
            return await self._engine.inspect(file.source(), order(file.document))
        except GatewayError as error:  # the path is for the log alone
            log.error("dataset %s at %s: %s", file.name, file.source().path, error)  # noqa: TRY400 - words, no stack
            raise

    def _draft(self, file: PolicyFile, inspection: Inspection) -> Dataset:
        return self.dataset(file, inspection, DataVersion(0, "unpublished", inspection.stamp)).dataset

    @staticmethod
    def dataset(file: PolicyFile, inspection: Inspection, current: DataVersion) -> Published:
        """Return the dataset that a policy makes of the data that were declared. Raises `policy_invalid`."""
        declared = Inspection(current.stamp, inspection.tables, inspection.distinct, inspection.broken_facts)
        version = current.version
        dataset = build(file.document, declared, data_version=version, base=file.folder, lines=file.lines)
        compliance = dataset.compliance if file.told.compliance is None else file.told.compliance
        dataset = replace(dataset, policy_version=file.version, compliance=compliance)
        return Published(file, dataset, current.number)

    async def bind(self, file: PolicyFile, inspection: Inspection) -> None:
        """Hold the file's private tables to the account that they were always charged to, by any address of theirs."""
        member = file.member()
        self._opened_of.add(member.provider)
        source = f"{member.source.kind}:{inspection.place or member.source.path}"
        await self._bindings.bind(source, member.private_tables, member.privacy.account)

    async def lease(self, dataset: Dataset, party: str) -> Lease:
        """Hold an engine with the declared data open. Raises `refresh_needed` or `engine_unavailable`."""
        return await self._engine.lease(dataset.source, dataset.stamp, party)

    async def _declared(self, file: PolicyFile) -> tuple[int, str | None]:
        """Return the number and the version of the data that were declared last; 0 and None before any."""
        current = await self._versions.current(file.name)
        return (current.number, current.version) if current is not None else (0, None)

    async def _build(self, file: PolicyFile) -> Published:
        inspection = await self._engine.inspect(file.source(), order(file.document))
        published = await self._read(file, inspection)
        await _convert(file, published.dataset)
        await self.bind(file, inspection)
        return published

    async def _read(self, file: PolicyFile, inspection: Inspection) -> Published:
        current = await self._versions.current(file.name)
        if current is None:
            self._draft(file, inspection)  # what cannot be published declares no version
            current = await self._versions.declare(file.name, inspection.stamp, "first start")
        try:
            return self.dataset(file, inspection, current)
        except PolicyErrors as error:
            if current.stamp == inspection.stamp:
                raise
            # the policy fits what was declared: it is the new data that nobody has declared that do not fit it
            hint = "Mend the data or the policy, then: gateway dataset refresh."
            raise GatewayError("refresh_needed", f"The data changed and do not fit: {error.detail}", hint) from None


async def _convert(file: PolicyFile, dataset: Dataset) -> None:
    """Convert every budget of a dataset once. Raises `policy_invalid` where one does not pay for what it is to pay."""
    await asyncio.to_thread(convert_budgets, dataset.privacy, dataset.grants, file.lines)
