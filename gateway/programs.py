"""Step 6b, pure: from a query that is understood to its program at some budget, every step compiled in its order."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from gateway.catalog.model import Dataset, Grant
from gateway.compile.expectations import expectations
from gateway.compile.finishing import Leaf, compile_derived, compile_finish, compile_read
from gateway.policy.model import Access
from gateway.privacy.bounding import Bounded
from gateway.privacy.calibrate import Compiled, calibrate
from gateway.privacy.expected import Expected, Primitives, primitives_of
from gateway.privacy.measurement import Derived, Measurement, Program, PublicRead, Step
from gateway.privacy.relations import Analysis, Measure
from gateway.privacy.sizes import Declared
from gateway.privacy.split import across, split
from gateway.privacy.targets import Shares
from gateway.request import Caller, Request
from gateway.sql.plan import Measured, Plan, Read, Staged
from gateway.sql.walk import upward


@dataclass(frozen=True, slots=True)
class PlanJob:
    """What planning needs: the dataset at its versions, who asks what under which grant, and one constant time.

    `quote` asks for the forecast of a quote as well.
    """

    dataset: Dataset
    caller: Caller
    request: Request
    now: datetime
    grant: Grant | None = None
    quote: bool = False

    @property
    def asker(self) -> Caller:
        """Who asks, as far as a plan may hang on it: colleagues under one grant have the same plan."""
        return replace(self.caller, subject="", token_id=None)

    @property
    def planned_by(self) -> Hashable:
        """Everything that decides a plan: what is asked, of which data under which policy, for whom and when.

        A dataset's versions name its content; its stamp and a suspension may change under them. Grants begin and end
        on days; a plan of one moment is not kept at all.
        """
        dataset, request = self.dataset, self.request
        return (
            (
                request.sql,
                request.dialect,
                request.epsilon,
                request.accuracy,
                request.row_limit,
                request.purpose,
                request.mode,
                request.composed,
                self.quote,
            ),
            (dataset.name, dataset.policy_version, dataset.data_version, dataset.stamp, dataset.suspended),
            self.asker,
            self.grant,
            self.now.date(),
        )

    @property
    def decisive(self) -> Hashable:
        """Everything that decides an answer: its plan, and which buyer's releases it is made of."""
        return (self.caller.subject, self.planned_by)


@dataclass(frozen=True, slots=True)
class Understood:
    """A query that may be asked, before anything is known of its budget: the values of steps 3 to 6a."""

    job: PlanJob
    fingerprint: str
    resolved: Plan
    momentary: bool
    analysis: Analysis
    bounded: Mapping[str, Bounded]
    compiled: Mapping[str, Compiled]
    sizes: Mapping[str, Declared]
    used: tuple[Access, ...]


@dataclass(frozen=True, slots=True)
class Budgeted:
    """A program at some budget, and what the error of each noisy column is made of."""

    program: Program
    columns: tuple[Expected, ...]
    epsilon: Decimal

    @property
    def primitives(self) -> Primitives:
        return primitives_of(self.program.measurements)


def program_of(understood: Understood, epsilon: Decimal, budget: int, shares: Shares) -> Budgeted:
    """Return the steps compiled in their order, and what is expected of the answer's columns.

    Each primitive has its `shares`; where there are none, the budget is split by declared sizes.
    """
    bounded = understood.bounded
    parts = across(list(bounded.values()), budget)
    given = dict(zip(bounded, zip(parts.amounts, parts.why, strict=True), strict=True))
    made = _Steps(understood, given, shares).taken()
    if not shares and (raised := _raised(understood, made, given)):
        made = _Steps(understood, given, raised).taken()
    root = understood.analysis.root
    finish = compile_finish(root, made.leaves)
    columns = expectations(root, made.leaves, finish, bounded, understood.sizes)
    return Budgeted(Program(tuple(made.steps.values()), finish), columns, epsilon)


def _raised(understood: Understood, made: "_Steps", given: Mapping[str, tuple[int, str]]) -> Shares:
    """Return every primitive's share where several measurements need one quantity: each time the largest of theirs.

    They are one draw then, and cost no more than that. Empty where nothing is needed twice at different shares.
    """
    asked = {
        (name, f"p{index}"): share
        for name, bounded in understood.bounded.items()
        for index, share in enumerate(split(bounded, given[name][0]))
    }
    series = {
        (step.name, primitive.name): primitive.series
        for step in made.steps.values()
        if isinstance(step, Measurement)
        for primitive in step.primitives
        if primitive.series
    }
    most: dict[str, int] = {}
    for key, one in series.items():
        most[one] = max(most.get(one, 0), asked[key])
    raised = {key: most[series[key]] if key in series else share for key, share in asked.items()}
    return raised if raised != asked else {}


@dataclass(slots=True)
class _Steps:
    """Compiled steps by name, and what each released table looks like to those that read it."""

    understood: Understood
    given: Mapping[str, tuple[int, str]]
    """What each measurement may spend, and why in words."""

    shares: Shares
    """What each primitive may spend, where that is not split by declared sizes."""

    steps: dict[str, Step] = field(default_factory=dict)
    leaves: dict[str, Leaf] = field(default_factory=dict)
    _made_of: dict[str, str] = field(default_factory=dict)
    """What decides the rows of each staged table: its SQL, and the draws and statements that it reads."""

    def taken(self) -> "_Steps":
        """Compile every step of the query in its order."""
        for step in self.understood.analysis.steps:
            match step:
                case Measure():
                    self.measure(self.understood.bounded[step.name])
                case Read():
                    self.read(step)
                case Staged():
                    self.stage(step)
        return self

    def measure(self, bounded: Bounded) -> None:
        made_of = [self._made_of[name] for name in bounded.inputs]
        compiled, dataset = self.understood.compiled[bounded.name], self.understood.job.dataset
        share, why = self.given[bounded.name]
        own = [self.shares[bounded.name, f"p{i}"] for i in range(len(bounded.parts))] if self.shares else None
        measurement = calibrate(bounded, compiled, dataset, share if own is None else sum(own), made_of, own)
        if why and own is None:
            measurement = replace(measurement, reasons=(why, *measurement.reasons))
        self.steps[bounded.name] = measurement
        self.leaves[bounded.name] = Leaf.of(measurement, bounded.outputs)

    def read(self, step: Read) -> None:
        source = self.understood.job.dataset.source
        self.steps[step.name] = compile_read(step, source.kind, source.schema)

    def stage(self, step: Staged) -> None:
        derived = compile_derived(step, self.leaves)
        self.steps[step.name] = derived
        below = [node.name for node in upward(step.plan) if isinstance(node, Measured | Read)]
        self._made_of[step.name] = "\n".join([derived.sql, *map(self._identity, below)])

    def _identity(self, name: str) -> str:
        match self.steps[name]:
            case Measurement() as measurement:
                return drawn(measurement)
            case PublicRead(sql=sql) | Derived(sql=sql):
                return sql


def drawn(measurement: Measurement) -> str:
    """Return what names a noisy table: its draws, and what is left out of it afterwards."""
    shown = (measurement.suppress_by, str(measurement.suppress_below))
    return "\n".join([*(p.digest for p in measurement.primitives), *map(str, shown)])
