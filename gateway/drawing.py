"""A question between its price and its answer: what is asked and stored already, and the run of what is charged.

Steps 9 to 12 are here, and with them the last line of the path that holds an exact row.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.answer import Known, written
from gateway.catalog.model import Dataset, Grant
from gateway.engines.encoded import Encoded
from gateway.errors import GatewayError, Interrupted, Overloaded, StoreUnavailable
from gateway.ledger.model import Charge, Release
from gateway.orders import Cost, public_draw
from gateway.parts import Parts
from gateway.planning import Planned
from gateway.ports import EngineCost, ExactRows, InputTable, Lease, Statement
from gateway.privacy.measurement import Derived, Measurement, Probe, PublicRead, Step
from gateway.privacy.release import recalled
from gateway.programs import PlanJob
from gateway.request import Caller
from gateway.stages import Stage

REDONE_LATER = "Ask again with the same idempotency key in a few seconds: it is redone under the same charge."
REDONE = "Ask again with the same idempotency key when it is back: what was charged is redone under its charge."


@dataclass(frozen=True, slots=True)
class Quoted:
    """A query that may be asked: its plan, and what of it is stored already.

    `stored` are the releases that its draws are or build on, `served` those among them that answer a draw that was
    never made: they are kept under its name before the answer leaves.
    """

    job: PlanJob
    planned: Planned
    due: Cost
    stored: Mapping[str, bytes]
    served: Mapping[str, bytes]

    @property
    def dataset(self) -> Dataset:
        return self.job.dataset

    @property
    def caller(self) -> Caller:
        return self.job.caller

    @property
    def grant(self) -> Grant:
        return grant_of(self.job)

    @property
    def reads(self) -> list[PublicRead]:
        return [step for step in self.planned.program.steps if isinstance(step, PublicRead)]


def grant_of(job: PlanJob) -> Grant:
    """Return the grant that a question was admitted under."""
    assert job.grant is not None  # INVARIANT: what is asked was admitted under one
    return job.grant


@dataclass(slots=True)
class Run:
    """A charged query on its way: what its steps have released so far, and what was drawn for it."""

    parts: Parts
    quoted: Quoted
    lease: Lease
    charge: Charge
    known: Known = field(default_factory=Known)
    drawn: dict[str, Release] = field(default_factory=dict)
    _inputs: dict[str, InputTable] = field(default_factory=dict)
    _statements: int = 0

    def __post_init__(self) -> None:
        if not self.quoted.planned.program.measurements:
            self.drawn[public_draw(self.quoted.planned)] = Release(b"{}")

    @property
    def query_id(self) -> str:
        return self.charge.query_id

    @property
    def party(self) -> str:
        return self.quoted.caller.organisation

    async def take(self, step: Step) -> None:
        """Run one step."""
        match step:
            case Measurement():
                await self._measure(step)
            case PublicRead():
                asked = Statement(step.sql, query_id=self.charge.query_id, columns=step.returned)
                with self.parts.telemetry.stage(Stage.EXECUTE):
                    rows = await self.lease.read(asked, self.parts.engine_deadline_s)
                self.known.reads[step.name] = rows.ipc
                self._measured(rows.cost)
            case Derived():
                ipc = await self.parts.releaser.derive(self.known, step, self.party)
                self._inputs[step.name] = InputTable(step.name, ipc)

    async def _measure(self, measurement: Measurement) -> None:
        # a draw that an earlier step or query has made is the same draw here
        stored = {**self.quoted.stored, **{digest: release.content for digest, release in self.drawn.items()}}
        earlier = recalled(measurement, stored)
        if earlier is not None:
            self.known.add(measurement, earlier)
            return
        # 9. execute: one statement for each probe
        with self.parts.telemetry.stage(Stage.EXECUTE):
            exact = [await self._executed(measurement, probe) for probe in measurement.probes]
        # 10. release: the last line that holds an exact row
        with self.parts.telemetry.stage(Stage.RELEASE):
            releases, drawn = await self.parts.releaser.release(measurement, exact, stored, self.party)
        costs = [rows.cost for rows in exact]
        del exact
        self.known.add(measurement, releases)
        made = {primitive.digest: primitive for primitive in measurement.primitives}
        self.drawn |= {d: Release(content, made[d].series, made[d].worth) for d, content in drawn.items()}
        for spent in costs:
            self._measured(spent)

    def _measured(self, spent: EngineCost) -> None:
        self._statements += 1
        self.parts.telemetry.measured(self.charge, self._statements, spent)

    async def _executed(self, measurement: Measurement, probe: Probe) -> ExactRows:
        secret = (self.parts.secret,) * probe.parameters
        inputs = tuple(self._inputs[name] for name in probe.inputs)
        columns, few = measurement.columns(probe), measurement.few(probe)
        asked = Statement(probe.sql, secret, inputs, self.charge.query_id, columns, few)
        return await self.lease.run(asked, self.parts.engine_deadline_s)


async def draw(parts: Parts, quoted: Quoted, lease: Lease, charge: Charge) -> bytes:
    """Run a charged query. Whatever fails from here on is one uniform error; the charge stays.

    What the gateway itself interrupts (`Interrupted`, or this task cancelled when its drain ends) has not failed: the
    lease runs out, and the same idempotency key has it redone under the same charge. So has what found no worker free
    to finish it (`Overloaded`), or could not be written down (`StoreUnavailable`): that is the gateway's doing, and no
    buyer is suspended for it. What was ended in the store meanwhile says by what, however the work on it went; what
    another worker has taken over is that worker's to finish.
    """
    try:
        async with parts.book.holding(charge):
            run = Run(parts, quoted, lease, charge)
            # 9 and 10. execute and release, step by step
            with parts.telemetry.engine(quoted.dataset, lease):
                for step in quoted.planned.program.steps:
                    await run.take(step)
            await lease.close()  # the engine is free while the answer is finished
            # 11. finish
            shown = await finish(parts, quoted.job, quoted.planned, run.known)
            made = written(quoted.planned, quoted.dataset, shown, quoted.due, charge)
            out = made.of(charge.query_id, charge.charged_at)
            # 12. record, durably, before a byte leaves
            with parts.telemetry.stage(Stage.RECORD):
                return await _recorded(parts, run, out)
    except Interrupted:
        raise Interrupted(REDONE) from None
    except Overloaded:
        raise Overloaded("The query was charged, and no worker got free in time to finish it.", REDONE_LATER) from None
    except StoreUnavailable:
        raise  # whether the answer is stored is not known: the same key tells, or has it redone
    except Exception as error:  # noqa: BLE001 - after the charge, every failure is one error, and counts
        raise await _gone_wrong(parts, charge, cause(error)) from None
    finally:
        await parts.telemetry.settled(charge)


async def _recorded(parts: Parts, run: Run, out: bytes) -> bytes:
    """Record an answer, and with it what its statements cost."""
    query_id, undone = run.charge.query_id, False
    try:
        return await parts.book.record(run.charge, out, run.drawn, parts.telemetry.spent(query_id))
    except Exception as error:
        undone = not isinstance(error, StoreUnavailable)
        raise
    finally:
        if not undone:  # or it is not known whether they are written: then as little as of the answer
            parts.telemetry.written(query_id)


async def _gone_wrong(parts: Parts, charge: Charge, why: str) -> GatewayError:
    """Mark a charged query as failed; return what its buyer is told, also where this worker has it no more."""
    try:
        mine = await parts.book.fail(charge, why)
    except GatewayError as ended:
        if isinstance(ended, StoreUnavailable):
            raise
        return ended
    if not mine:
        return Overloaded("The query was charged, and its worker took too long to say that it is at it.", REDONE_LATER)
    parts.telemetry.failed(charge.query_id, why)
    return query_failed()


def seed_of(planned: Planned) -> int:
    """Return what error bars are redrawn by: the same for the same question."""
    return int.from_bytes(hashlib.sha256(planned.question.encode()).digest()[:8], "big")


async def finish(parts: Parts, job: PlanJob, planned: Planned, known: Known) -> Encoded:
    """Return what an answer shows of the releases and public rows that are known."""
    confidence = float(planned.accuracy.confidence) if planned.accuracy is not None else None
    seed, limit, party = seed_of(planned), job.request.row_limit, job.caller.organisation
    with parts.telemetry.stage(Stage.FINISH):
        return await parts.releaser.finish(known, planned.program.finish, seed, limit, confidence, party)


def cause(error: BaseException) -> str:
    """Return an error and its cause in words, for the provider alone."""
    said = f"{type(error).__name__}: {error}"
    return said if error.__cause__ is None else f"{said} {cause(error.__cause__)}"


def query_failed() -> GatewayError:
    """Return the one error of a charged query that could not be finished."""
    hint = (
        "It stays charged: its idempotency key returns this failure again, and another key is another charge. "
        "The provider has been told; after two failures it has to look before you may ask on."
    )
    return GatewayError("query_failed", "The query was charged and could not be finished.", hint)
