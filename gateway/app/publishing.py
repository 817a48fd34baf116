"""What is published: policy files made datasets, at the data version that their provider declared.

A data version is declared, never detected: `gateway dataset refresh` (or the first start) looks at the file, checks
the declared facts and writes a version with the file's stamp into the store. Every process of the store sees it.
Data that cannot be opened shut one dataset, not the gateway; mistakes in a policy file leave everything as it was.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from gateway.app.effective import FOLDER, draft_of, ended, in_effect
from gateway.app.granted import StoreGrants
from gateway.app.opening import Opening
from gateway.app.policies import PolicyFile, PolicyFolder, holds_alone, read_folder, read_policies
from gateway.app.standing import (
    LONGEST_PAUSE_S,
    LOOK_S,
    Held,
    Published,
    Unopened,
    Unserved,
    unavailable,
    unknown_dataset,
)
from gateway.catalog.alone import check_alone
from gateway.catalog.model import Dataset, Grant
from gateway.catalog.together import check_together
from gateway.errors import GatewayError
from gateway.ledger.registering import Mark, Registry
from gateway.ledger.versions import Versions
from gateway.policy.decide import grants_of
from gateway.ports import Lease
from gateway.request import Caller

log = logging.getLogger("gateway.provider")


class Publisher:
    """Holds the datasets that are served, and renews them when a policy or a data version is declared."""

    def __init__(
        self, folder: Path, opening: Opening, versions: Versions, registry: Registry, granted: StoreGrants
    ) -> None:
        self._stored = granted
        self._folder = folder
        self._opening = opening
        self._versions = versions
        self._registry = registry
        self._held: dict[str, Held] = {}
        self._without_file: dict[str, Mark] = {}
        """Declarations that were looked at and whose dataset has no policy file here, by name."""
        self._renewing: dict[str, asyncio.Lock] = {}
        self._loading = asyncio.Lock()
        self._told_ended: set[tuple[str, date | None]] = set()
        """Reviews that ended, and what ran under them with them: by dataset and last day."""

    @property
    def held(self) -> Mapping[str, Held]:
        """Every dataset by its name, also those that cannot be opened now, or are not served."""
        return self._held

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """The datasets that are open."""
        return {name: held.dataset for name, held in self._held.items() if isinstance(held, Published)}

    @property
    def opened_of(self) -> frozenset[str]:
        """The providers whose data were opened since the process began, whatever became of their datasets."""
        return self._opening.opened_of

    def providers(self, account: str) -> frozenset[str]:
        """Return the organisations whose datasets, open or not, are charged to a data account."""
        members = [held.file.member() for held in self._held.values() if not isinstance(held, Unserved)]
        return frozenset(member.provider for member in members if member.privacy.account == account)

    # -- all of them ----------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read all policies anew and publish them together; a dataset without its file is withdrawn.

        Data that cannot be opened leave their dataset shut, or as it was under the same policy. Raises GatewayError
        `policy_invalid` for a mistake in any file; then what is served stays as it was. One reload after another, so
        that what was read last is what is served.
        """
        async with self._loading:
            await self._load()

    async def _load(self) -> None:
        files = await asyncio.to_thread(read_policies, self._folder)  # answers go on while a long one is read
        if self._registry.required:
            for file in files.values():
                await self._registry.draft(draft_of(file), FOLDER)
        effective = {name: await in_effect(self._registry, file) for name, file in files.items()}
        served = [file for file, unserved in effective.values() if unserved is None]
        await asyncio.to_thread(_check_all, served)
        # only now: opening binds private tables to their account for good
        found = {name: await self._opening.stood(file, unserved) for name, (file, unserved) in effective.items()}
        for name, new in found.items():
            old = self._held.get(name)
            kept = isinstance(new, Unopened) and isinstance(old, Published) and new.file.same(old.file)
            if kept and isinstance(old, Published):
                found[name] = replace(old, file=new.file)
        self._held = found
        for held in found.values():
            await self._tell(held)

    async def _tell(self, held: Held) -> None:
        """Have the log say under which policy, and at which data, a dataset is open."""
        if isinstance(held, Published):
            await self._versions.publish(held.file.name, held.file.version, held.dataset.data_version)

    # -- one of them ----------------------------------------------------------------------------------------------

    async def refresh(self, name: str) -> str:
        """Publish a dataset's policy and data as they are now, and return the data version.

        A file that is new in the folder is published, and a dataset that was shut is opened; every process of the
        store follows. The data version changes with the data alone where the engine tells whether they did, else each
        time. Other datasets' files may be as they are. Raises `unknown_dataset`, `policy_invalid` or what the engine
        raises; then nothing changes. A reload that is under way comes first: it has read an earlier folder.
        """
        async with self._loading:
            return await self._refresh(name)

    async def _refresh(self, name: str) -> str:
        folder = await self._looked_into()
        file = folder.of(name, self._known_as(name))
        if file is None:
            raise unknown_dataset(name)
        if self._registry.required:
            await self._registry.draft(draft_of(file), FOLDER)
        file, unserved = await in_effect(self._registry, file)
        if unserved is not None:
            self._held[name] = await self._opening.stood(file, unserved)
            hint = "Have a version of it published: gateway policy publish."
            raise GatewayError("version_state", "No version of the dataset's policy is served.", hint)
        self._check_beside(folder, file)
        inspection = await self._opening.checked(file)
        current = await self._versions.current(name)
        unchanged = current is not None and current.stamp == inspection.stamp and not inspection.live
        same = current.version if current is not None and unchanged else None
        await self._opening.bind(file, inspection)
        declared = await self._versions.declare(name, inspection.stamp, f"refresh {file.version}", same)
        self._held[name] = self._opening.dataset(file, inspection, declared)
        await self._tell(self._held[name])
        return declared.version

    async def check(self, file: PolicyFile, *, bind: bool = False) -> None:
        """Check a version as a file is checked: alone, beside what is served, and over the engine's own types.

        `bind`: also hold its private tables to their account and declare the data where nobody has, as opening it
        would. Raises `policy_invalid` or what the engine raises.
        """
        self._check_beside(await self._looked_into(), file)
        inspection = await self._opening.checked(file)
        if bind:
            await self._opening.bind(file, inspection)
            if await self._versions.current(file.name) is None:
                await self._versions.declare(file.name, inspection.stamp, "first publication")

    async def would_be(self, file: PolicyFile) -> Dataset:
        """Return the dataset that a version would be now, to plan over; nothing is declared or served by it.

        Raises `policy_invalid` or what the engine raises.
        """
        return await self._opening.draft(file)

    async def _looked_into(self) -> PolicyFolder:
        """Read the folder; its broken files are told to their providers' log, and hold up nobody else."""
        folder = await asyncio.to_thread(read_folder, self._folder)
        for one in folder.broken:
            log.error("the policy file %s is left out: %s %s", one.name, one.error, one.error.hint)
        return folder

    def _known_as(self, name: str) -> str | None:
        held = self._held.get(name)
        return held.file.lines.name if held is not None else None

    def _check_beside(self, folder: PolicyFolder, file: PolicyFile) -> None:
        """Check a policy alone, and beside each that is served; one that is not served yet also beside the others'.

        Whoever is served already is not held up by a file that somebody else has put into the folder since.
        Raises `policy_invalid`.
        """
        check_alone(file.document, file.lines)
        served = {name: held.file for name, held in self._held.items() if not isinstance(held, Unserved)}
        others = served if file.name in served or self._registry.required else {**folder.files, **served}
        for name, other in others.items():
            if name != file.name and (name in served or holds_alone(other)):
                check_together([other.member(), file.member()])

    async def in_folder(self, name: str) -> PolicyFile | None:
        """Return the policy file of a dataset as it stands in the folder, for who wants to publish it."""
        return (await asyncio.to_thread(read_folder, self._folder)).files.get(name)

    async def dataset(self, name: str | None, caller: Caller) -> Dataset:
        """Return the dataset a request names, or the only one that its organisation has a grant on.

        A grant that was taken back is one too: what is asked under it is refused by its own name. Raises
        `unknown_dataset`, the same for one that is not granted and one that is not there, and to those with a grant
        `engine_unavailable` where it cannot be opened.
        """
        if name is None:
            granted = await self._named(caller)
            if not granted:  # unless another process has published one since
                await self._follow_all()
                granted = await self._named(caller)
            if not granted:
                hint = "Ask a provider for a grant, or look at the organisation that your token names."
                raise GatewayError("unknown_dataset", "No dataset is granted to your organisation.", hint)
            if len(granted) > 1:
                hint = "Name one in `dataset`; GET /v1/datasets lists yours."
                raise GatewayError("unknown_dataset", "The request names no dataset.", hint)
            name = granted[0]
        await self.follow(name)
        held = self._held.get(name)
        if held is None or not (grants_of(held.grants, caller) or name in await self.store_grants(caller)):
            raise unknown_dataset(name)
        if isinstance(held, Unserved):  # a grant of the store outlives what was served of it
            raise unknown_dataset(name)
        if isinstance(held, Unopened):
            raise unavailable()
        return held.dataset

    async def _named(self, caller: Caller) -> list[str]:
        stored = await self.store_grants(caller)
        return [
            name
            for name, held in self._held.items()
            if not isinstance(held, Unserved) and (grants_of(held.grants, caller) or name in stored)
        ]

    async def follow(self, name: str) -> None:
        """See what any process of the store has declared or published of a dataset."""
        await self._follow(name, await self._registry.mark(name))

    async def granted(self, dataset: Dataset, caller: Caller) -> tuple[Grant, ...]:
        """Return what the store grants a caller on a dataset; what was taken back is `ended`."""
        return (await self.store_grants(caller)).get(dataset.name, ())

    async def store_grants(self, caller: Caller) -> Mapping[str, tuple[Grant, ...]]:
        """Return what the store grants a caller, by dataset."""
        return await self._stored.of(caller, self._held)

    async def lease(self, dataset: Dataset, party: str) -> Lease:
        """Hold an engine with the declared data open. Raises `refresh_needed` or `engine_unavailable`."""
        return await self._opening.lease(dataset, party)

    # -- what changes beside us -----------------------------------------------------------------------------------

    async def keep_up(self) -> None:
        """Try shut datasets again, less and less often, and follow what other processes declare, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._look()
            except Exception:  # the next look may do better; nothing that is served depends on it
                log.exception("datasets could not be looked at")

    async def _look(self) -> None:
        await self._follow_all()
        for name, held in tuple(self._held.items()):
            await self._end_unreviewed(name, held)
        now = asyncio.get_running_loop().time()
        for name, held in tuple(self._held.items()):
            if isinstance(held, Unopened) and held.again_at <= now:
                await self._try_again(name, held)

    async def _follow_all(self) -> None:
        for name, mark in (await self._registry.marks()).items():
            await self._follow(name, mark)

    async def _end_unreviewed(self, name: str, held: Held) -> None:
        """End what runs under a review that has ended; whoever asks from now on is refused anyhow."""
        if isinstance(held, Published) and ended(held.dataset.compliance, self._registry.today()):
            key = (name, held.dataset.compliance.valid_until)
            if key not in self._told_ended:
                await self._registry.end_unreviewed(name)
                self._told_ended.add(key)

    async def _try_again(self, name: str, shut: Unopened) -> None:
        pause_s = min(2 * shut.pause_s, LONGEST_PAUSE_S)
        new: Held
        try:
            new = await self._opening.stood(shut.file, None, pause_s)
        except GatewayError as error:  # the data are there, and the policy does not fit them
            new = await self._opening.shut(shut.file, error, pause_s)
        if self._held.get(name) is shut:  # else it was withdrawn, reloaded or refreshed meanwhile
            self._held[name] = new
            await self._tell(new)
            if isinstance(new, Published):
                log.warning("dataset %s is open", name)

    async def _follow(self, name: str, mark: Mark) -> None:
        """Follow what another process declared or published: read the policy and the data anew.

        A policy that was broken since it was declared keeps the dataset as it was, and is told to the operator.
        """
        if self._has_seen(name, mark):
            return
        async with self._renewing.setdefault(name, asyncio.Lock()):  # one look at a time; others do not wait for it
            if self._has_seen(name, mark):
                return
            held = self._held.get(name)
            new = await self._followed(name, held, mark)
            if new is None:
                self._without_file[name] = mark
            elif self._held.get(name) is held:  # else it was withdrawn, reloaded or refreshed meanwhile
                self._held[name] = new
                await self._tell(new)

    async def _followed(self, name: str, held: Held | None, mark: Mark) -> Held | None:
        """Return a dataset as it stands after a declaration; None where it is not held and no file here names it."""
        try:
            folder = await self._looked_into()
            file = folder.of(name, self._known_as(name)) or (held.file if held is not None else None)
            if file is None:
                return None
            file, unserved = await in_effect(self._registry, file)
            declared = not isinstance(held, Published) or mark[0] > held.declaration
            if isinstance(held, Published) and unserved is None and not declared and file.same(held.file):
                return replace(held, file=file)  # a step of a version that is not served
            if unserved is None:
                self._check_beside(folder, file)
            return await self._opening.stood(file, unserved)
        except GatewayError as error:
            log.error("the policy of %s was not renewed: %s", name, error)  # noqa: TRY400 - words, no stack
            return await self._as_it_was(held) if held is not None else None

    def _has_seen(self, name: str, mark: Mark) -> bool:
        held = self._held.get(name)
        declaration, change = (
            (held.declaration, held.change) if held is not None else self._without_file.get(name, (0, 0))
        )
        return mark[0] <= declaration and mark[1] <= change

    async def _as_it_was(self, held: Held) -> Held:
        """Return a dataset under the policy that is in effect for it, at the data that are declared now.

        INVARIANT: what the store says against it holds, whatever its file has become.
        """
        file = held.file
        try:
            file, unserved = await in_effect(self._registry, file)
            return await self._opening.stood(file, unserved)
        except GatewayError as error:
            return await self._opening.shut(file, error)


def _check_all(files: Sequence[PolicyFile]) -> None:
    """Check policies that are served alone and together. Raises `policy_invalid`."""
    for file in files:
        check_alone(file.document, file.lines)
    check_together([file.member() for file in files])
