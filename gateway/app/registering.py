"""Who may do what to a version of a policy: its provider, a reviewer of another organisation, a supervisor.

The engine's address and the account that is charged are the operator's to give: a version that is proposed has those of
the dataset's own file, or of what is served, so that nobody proposes a policy over somebody else's data.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from gateway.app.effective import draft_of
from gateway.app.pacing import Pace
from gateway.app.policies import PolicyFile
from gateway.app.publishing import Publisher
from gateway.app.rehearsing import Rehearsal
from gateway.app.rights import only
from gateway.app.standing import Published, Unserved, unknown_dataset
from gateway.catalog import entries
from gateway.catalog.differences import differences
from gateway.catalog.document import PolicyDocument
from gateway.catalog.load import PolicyErrors, PolicyLines, Problem, policy_version, read
from gateway.errors import GatewayError
from gateway.evidence.receipts import Evidence
from gateway.ledger.events import timestamp
from gateway.ledger.paging import FIRST, Listed, Page
from gateway.ledger.registered import Review, State, Step, Version
from gateway.ledger.registering import Registry
from gateway.orders import buyer_id
from gateway.policy.decide import grants_of, provides
from gateway.request import Caller, Posed

READERS = frozenset({"provider", "reviewer", "supervisor"})
"""Roles that may see versions: of its own datasets a provider, of all the others."""


class RegistrationService:
    """Satisfies gateway.web.service.Registration."""

    def __init__(
        self, registry: Registry, publisher: Publisher, evidence: Evidence, rehearsal: Rehearsal, pace: Pace
    ) -> None:
        self._pace = pace
        self._registry = registry
        self._publisher = publisher
        self._evidence = evidence
        self._rehearsal = rehearsal

    # -- what there is --------------------------------------------------------------------------------------------

    async def versions(self, caller: Caller, name: str, page: Page = FIRST) -> Listed[dict[str, object]]:
        """Return a page of the history of a dataset's policy, the first version first.

        Raises GatewayError `bad_request` for a cursor that is none of ours.
        """
        await self._readable(caller, name)
        served = (await self._registry.standing(name)).served
        return (await self._registry.versions(name, page)).shown(lambda one: _shown(*one, served))

    async def version(self, caller: Caller, name: str, version: str) -> dict[str, object]:
        """Return one version with its text. Raises `not_found`."""
        await self._readable(caller, name)
        one = await self._registry.version(name, version)
        return {**await self._described(one), "policy": (await self._text(one))}

    async def difference(self, caller: Caller, name: str, old: str, new: str) -> dict[str, object]:
        """Return what changes from one version to another, a sentence each."""
        await self._readable(caller, name)
        before, after = [(await self._file(name, version)).document for version in (old, new)]
        said = [{"path": one.path, "words": one.words} for one in differences(before, after)]
        return {"dataset": name, "from": old, "to": new, "differences": said}

    async def certificate(self, caller: Caller, name: str, version: str | None) -> dict[str, object]:
        """Return the registration certificate of a version, without one of what was registered last."""
        await self._refuse_stranger(caller, name)
        return await self._evidence.certificate(name, version)

    # -- the provider ---------------------------------------------------------------------------------------------

    async def propose(self, caller: Caller, name: str, text: str) -> dict[str, object]:
        """Keep a policy as a draft, once it holds as a file would have to. Raises `policy_invalid` with the lines."""
        known = await self._own(caller, name)
        await self._pace.take(caller)  # a text is long to read, and a leaf of the log is kept for good
        document, lines = await asyncio.to_thread(read, text, name)
        file = PolicyFile(document, policy_version(document), known.folder, lines, text)
        _refuse_another(file, await self._beginnings(name, known))
        await self._publisher.check(file)
        return await self._described(await self._registry.draft(draft_of(file), buyer_id(caller)))

    async def rehearse(
        self, caller: Caller, name: str, version: str, most: int, asked: Sequence[Posed] | None
    ) -> dict[str, object]:
        """Return what would become of questions under a version, beside what is served; of the latest that are kept.

        No data are touched and nothing is charged. Raises `version_state` where nothing is served to compare with.
        """
        await self._own(caller, name)
        held = self._publisher.held.get(name)
        if not isinstance(held, Published):
            raise GatewayError("version_state", "Nothing is served of the dataset.", "Publish a version first.")
        new = await self._publisher.would_be(await self._file(name, version))
        # what is not reviewed yet is compared as if it were
        new = replace(new, compliance=held.dataset.compliance)
        questions = asked if asked is not None else await self._rehearsal.past(name, most)
        return {"dataset": name, **await self._rehearsal.rehearse(caller, held.dataset, new, questions)}

    async def submit(self, caller: Caller, name: str, version: str) -> dict[str, object]:
        """Hand a draft to reviewers."""
        await self._own(caller, name)
        return await self._described(await self._registry.submit(name, version, buyer_id(caller)))

    async def publish(self, caller: Caller, name: str, version: str) -> dict[str, object]:
        """Serve a version on every process of the store, as another person than who submitted it."""
        await self._own(caller, name)
        await self._registry.refuse_unpublishable(name, version, buyer_id(caller))
        file = await self._checked(name, version)
        done = await self._registry.publish(name, version, buyer_id(caller), rights(file.document))
        await self._publisher.follow(name)
        return await self._described(done)

    async def roll_back(self, caller: Caller, name: str, version: str) -> dict[str, object]:
        """Ask for an earlier version again; the second person who does brings it back."""
        await self._own(caller, name)
        file = await self._checked(name, version)
        done = await self._registry.roll_back(name, version, buyer_id(caller), rights(file.document))
        await self._publisher.follow(name)
        return await self._described(done)

    async def withdraw(self, caller: Caller, name: str, reason: str) -> dict[str, object]:
        """Serve a dataset no longer, on any process; return the version and how many queries were ended."""
        supervising = "supervisor" in caller.roles
        file = await self._known(name) if supervising else await self._own(caller, name)
        latest = (await self._registry.standing(name)).latest
        if latest is None:
            if self._registry.required:
                raise GatewayError("version_state", "No version of it was published.", "Nothing is served of it.")
            # served from its file until now: from here on the store decides
            await self._registry.draft(draft_of(file), buyer_id(caller))
        version = file.version if latest is None else latest.version
        done, ended = await self._registry.withdraw(name, version, buyer_id(caller), reason, barred=supervising)
        await self._publisher.follow(name)
        return {**await self._described(done), "ended": len(ended)}

    async def _checked(self, name: str, version: str) -> PolicyFile:
        """Return a version that would open now, its tables held to their account."""
        file = await self._file(name, version)
        await self._publisher.check(file, bind=True)
        return file

    # -- the reviewer ---------------------------------------------------------------------------------------------

    async def review(
        self, caller: Caller, name: str, version: str, findings: str, valid_until: date | None
    ) -> dict[str, object]:
        """Approve what a version declares until a day, or with None reject it."""
        only(caller, "reviewer", "Reviews are for reviewers.")
        provider = (await self._known(name)).document.provider.organisation
        if caller.organisation == provider:
            raise _forbidden("A provider does not review its own dataset.")
        by = buyer_id(caller)
        done, ended = await self._registry.review(name, version, by, findings, valid_until)
        await self._publisher.follow(name)
        return {**await self._described(done), "ended": len(ended)}

    # -- who may ----------------------------------------------------------------------------------------------------

    async def _known(self, name: str) -> PolicyFile:
        held = self._publisher.held.get(name)
        file = held.file if held is not None else await self._publisher.in_folder(name)
        if file is None:
            raise unknown_dataset(name)
        return file

    async def _own(self, caller: Caller, name: str) -> PolicyFile:
        if "provider" not in caller.roles:
            raise _forbidden("This is for the dataset's provider.")
        file = await self._known(name)
        if not provides(file.document.provider.organisation, caller):
            raise unknown_dataset(name)
        return file

    async def _readable(self, caller: Caller, name: str) -> PolicyFile:
        """Return the file of a dataset whose versions the caller may see."""
        if not caller.roles & READERS:
            raise _forbidden("Versions are for the provider, reviewers and supervisors.")
        return await self._known(name) if caller.roles & {"reviewer", "supervisor"} else await self._own(caller, name)

    async def _refuse_stranger(self, caller: Caller, name: str) -> None:
        """Raise GatewayError `unknown_dataset` unless the caller sees versions, bills, decides cases or has a grant."""
        held = self._publisher.held.get(name)
        if held is not None and not isinstance(held, Unserved):
            stored = (await self._publisher.store_grants(caller)).get(name, ())
            if grants_of(held.grants, caller) or any(grant.ended is None for grant in stored):
                return
        if not caller.roles & (READERS | {"billing", "arbiter"}):
            raise unknown_dataset(name)
        if caller.roles & READERS:
            await self._readable(caller, name)

    async def _beginnings(self, name: str, known: PolicyFile) -> list[PolicyDocument]:
        """Return the policies whose engine and account a version of a dataset may have."""
        held, file = self._publisher.held.get(name), await self._publisher.in_folder(name)
        served = [] if held is None or isinstance(held, Unserved) else [held.file.document]
        return [known.document, *served, *([] if file is None else [file.document])]

    # -- texts ------------------------------------------------------------------------------------------------------

    async def _text(self, one: Version) -> str:
        text = await self._registry.text(one.text)
        if text is None:
            hint = "Its provider proposes the same text again."
            raise GatewayError("not_found", "The text of this version is not in the store.", hint)
        return text

    async def _file(self, name: str, version: str) -> PolicyFile:
        one = await self._registry.version(name, version)
        text = await self._text(one)
        document, lines = await asyncio.to_thread(read, text, name)
        return PolicyFile(document, one.version, (await self._known(name)).folder, lines, text)

    async def _described(self, one: Version) -> dict[str, object]:
        stands = await self._registry.standing(one.dataset, one.manifest)
        return _shown(one, await self._registry.review_of(one.dataset, one.manifest), stands.served)


def rights(document: PolicyDocument) -> dict[str, Any]:
    """Return what the log says of who holds what in a version: who is paid which share of each price, who reviewed."""
    provider = document.provider.organisation
    plans = [entries.plan(name, entry) for name, entry in sorted(document.prices.items())]
    stated = entries.compliance(document)
    until = None if stated.valid_until is None else stated.valid_until.isoformat()
    return {
        "income": [
            {"plan": plan.name, "plan_version": plan.version, "payee": payee, "share": f"{share:f}"}
            for plan in plans
            for payee, share in sorted(plan.income_split) or [(provider, Decimal(1))]
        ],
        "review": None if stated.reviewed_by is None else {"by": stated.reviewed_by, "valid_until": until},
    }


def _refuse_another(file: PolicyFile, beginnings: list[PolicyDocument]) -> None:
    """Refuse a version over other data, of another provider or for another account. Raises PolicyErrors."""
    document, first, problems = file.document, beginnings[0], []
    if document.dataset != first.dataset:
        problems.append(("dataset", "this is the policy of another dataset", f"Write {first.dataset}."))
    if document.provider.organisation != first.provider.organisation:
        fix = f"Write {first.provider.organisation}."
        problems.append(("provider.organisation", "the dataset has another provider", fix))
    if all(document.engine != one.engine for one in beginnings):
        fix = "Write the engine as the dataset's file has it; its operator changes it there."
        problems.append(("engine", "the address of the data is the operator's to give", fix))
    if all(entries.privacy(document).account != entries.privacy(one).account for one in beginnings):
        fix = "Write `privacy.account` as the dataset's file has it; its operator changes it there."
        problems.append(("privacy.account", "the account that is charged is the operator's to give", fix))
    if problems:
        raise PolicyErrors(file.lines.name, tuple(_problem(file.lines, *one) for one in problems))


def _problem(lines: PolicyLines, path: str, message: str, fix: str) -> Problem:
    return Problem(path, lines.line(path), message, fix)


def _shown(one: Version, review: Review | None, served: Version | None) -> dict[str, object]:
    return {
        "dataset": one.dataset,
        "version": one.version,
        "state": one.state.value,
        "served": served is not None and served.version == one.version and one.state is State.PUBLISHED,
        "manifest": one.manifest,
        "proposed": _step(one.proposed),
        "submitted": _step(one.submitted),
        "reviewed": _step(one.reviewed),
        "published": _step(one.published),
        "withdrawn": _step(one.withdrawn),
        "barred": one.barred,
        "asked_back_by": one.asked_by,
        "review": None if review is None else {
            "by": review.reviewer,
            "approved": review.approved,
            "findings": review.findings,
            "valid_until": None if review.valid_until is None else review.valid_until.isoformat(),
            "at": timestamp(review.at),
        },
    }  # fmt: skip


def _step(step: Step | None) -> dict[str, str] | None:
    return None if step is None else {"by": step.by, "at": timestamp(step.at)}


def _forbidden(detail: str) -> GatewayError:
    return GatewayError("forbidden", detail, "Ask with a token of that role and organisation.")
