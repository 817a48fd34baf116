"""A question between its price and its answer: what is asked and stored already, and the run of what is charged.

Steps 9 and 10 are here, and with them the last line of the path that holds an exact row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.answer import Known
from gateway.catalog.model import Dataset, Grant
from gateway.ledger.model import Charge, Release
from gateway.orders import Cost, public_draw
from gateway.parts import Parts
from gateway.planning import Planned
from gateway.ports import EngineCost, ExactRows, InputTable, Lease, Statement
from gateway.privacy.measurement import Derived, Measurement, Probe, PublicRead, Step
from gateway.programs import PlanJob
from gateway.request import Caller
from gateway.stages import Stage


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
        earlier = await self.parts.releaser.recall(measurement, stored)
        if earlier is not None:
            self.known.add(measurement, earlier)
            return
        # 9. execute: one statement for each probe
        with self.parts.telemetry.stage(Stage.EXECUTE):
            exact = [await self._executed(probe, measurement.columns(probe)) for probe in measurement.probes]
        # 10. release: the last line that holds an exact row
        with self.parts.telemetry.stage(Stage.RELEASE):
            noisy, drawn = await self.parts.releaser.release(measurement, exact, stored, self.party)
        costs = [rows.cost for rows in exact]
        del exact
        self.known.add(measurement, noisy)
        made = {primitive.digest: primitive for primitive in measurement.primitives}
        self.drawn |= {d: Release(content, made[d].series, made[d].worth) for d, content in drawn.items()}
        for spent in costs:
            self._measured(spent)

    def _measured(self, spent: EngineCost) -> None:
        self._statements += 1
        self.parts.telemetry.measured(self.charge, self._statements, spent)

    async def _executed(self, probe: Probe, columns: tuple[tuple[str, str], ...]) -> ExactRows:
        secret = (self.parts.secret,) * probe.parameters
        inputs = tuple(self._inputs[name] for name in probe.inputs)
        asked = Statement(probe.sql, secret, inputs, self.charge.query_id, columns)
        return await self.lease.run(asked, self.parts.engine_deadline_s)
