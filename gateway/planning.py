"""Steps 3 to 6 of the path, pure: SQL text to a program. Runs in a killable process and returns plain data."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from sqlglot import exp

from gateway.catalog.model import DataClass, Dataset, Grant
from gateway.compile.finishing import Leaf, compile_derived, compile_finish, compile_read
from gateway.compile.measurement import compile_measurement
from gateway.errors import GatewayError
from gateway.policy.decide import permit
from gateway.policy.model import Access, Ask, Refusal
from gateway.privacy.access import accesses, tables_read
from gateway.privacy.bounding import Bounded, bound
from gateway.privacy.calibrate import calibrate
from gateway.privacy.measurement import (
    Derived,
    Measurement,
    Noise,
    Primitive,
    Program,
    PublicRead,
    Step,
)
from gateway.privacy.ownership import analyse
from gateway.privacy.relations import Analysis, Measure
from gateway.privacy.split import across
from gateway.privacy.units import budget_of_epsilon
from gateway.request import Caller, Request
from gateway.sql.explain import explain
from gateway.sql.moments import at_moment
from gateway.sql.parse import fingerprint, parse
from gateway.sql.plan import Measured, Read, Staged
from gateway.sql.select import resolve
from gateway.sql.walk import upward


@dataclass(frozen=True, slots=True)
class PlanJob:
    """What planning needs: the dataset at its versions, who asks what under which grant, and one constant time."""

    dataset: Dataset
    caller: Caller
    request: Request
    now: datetime
    grant: Grant | None = None


@dataclass(frozen=True, slots=True)
class ColumnNote:
    """What was done to answer a noisy column: shown in answers and quotes, all of it from the policy and the SQL.

    `groups` is how many cells of one unit count, None where none are dropped.
    """

    column: str
    rows: int
    groups: int | None
    half_width: float | None


@dataclass(frozen=True, slots=True)
class Planned:
    """A query that would be answered: its program, costs and what to tell the buyer.

    `data_class` is the highest class that is read, `tables` names the tables, `declared_rows` is what prices count.
    `fingerprint` is a hash of the SQL without literals; `question` one of everything that decides the answer.
    `momentary` tells that the SQL asked what time it is, so that the same text has another plan a moment later.
    """

    program: Program
    accesses: tuple[Access, ...]
    notes: tuple[ColumnNote, ...]
    notices: tuple[str, ...]
    rho: int
    delta: int
    epsilon: Decimal
    data_class: DataClass
    tables: tuple[str, ...]
    declared_rows: int
    explain: str
    fingerprint: str
    question: str
    momentary: bool


def plan(job: PlanJob) -> Planned:
    """Return the plan of a request.

    Raises GatewayError for every refusal: size and syntax, unknown names, use and class of columns, and each rule
    of ownership and bounding that the query does not keep.
    """
    # 3. parse
    tree = parse(job.request.sql, job.request.dialect)
    mark = fingerprint(job.request.sql, job.request.dialect)
    try:
        return _planned(job, tree, mark)
    except GatewayError as error:
        error.fingerprint = mark
        raise


def _planned(job: PlanJob, tree: exp.Query, mark: str) -> Planned:
    dataset, request = job.dataset, job.request
    momentary = at_moment(tree, job.now)
    # 4. resolve
    resolved = resolve(tree, dataset)
    # 6a. what is measured, and who owns it (before 5, so that a shape that shows rows is named as such)
    analysis = analyse(resolved, dataset)
    bounded = {step.name: bound(step, dataset) for step in analysis.steps if isinstance(step, Measure)}
    # 5. permit
    epsilon = request.epsilon if request.epsilon is not None else dataset.privacy.default_epsilon
    used = accesses(analysis, dataset)
    ask = Ask(dataset, job.caller, request.purpose, epsilon, job.now.date(), used, job.grant)
    decision = permit(ask)
    if isinstance(decision, Refusal):
        raise GatewayError(decision.code, decision.detail, decision.hint, decision.position)
    # 6b. budget and noise
    budget = budget_of_epsilon(epsilon, dataset.privacy.accounting)
    program = _program(analysis, bounded, dataset, budget)
    read = tables_read(analysis)
    return Planned(
        program=program,
        accesses=used,
        notes=_notes(analysis, program),
        notices=_notices(bounded, program),
        rho=sum(measurement.rho for measurement in program.measurements),
        delta=sum(measurement.delta for measurement in program.measurements),
        epsilon=epsilon,
        data_class=_highest_class(dataset, used),
        tables=tuple(sorted(table.name for table in read)),
        declared_rows=sum(table.rows for table in read),
        explain=explain(resolved),
        fingerprint=mark,
        question=_question(program, job),
        momentary=momentary,
    )


# -- the program ------------------------------------------------------------------------------------------------------


def _program(analysis: Analysis, bounded: Mapping[str, Bounded], dataset: Dataset, budget: int) -> Program:
    """Return the steps compiled in their order, each measurement with its share of the budget."""
    shares = across(list(bounded.values()), budget)
    given = dict(zip(bounded, zip(shares.amounts, shares.why, strict=True), strict=True))
    made = _Steps(dataset, given)
    for step in analysis.steps:
        match step:
            case Measure():
                made.measure(bounded[step.name])
            case Read():
                made.read(step)
            case Staged():
                made.stage(step)
    finish = compile_finish(analysis.root, made.leaves)
    return Program(tuple(made.steps.values()), finish)


@dataclass(slots=True)
class _Steps:
    """Compiled steps by name, and what each released table looks like to those that read it."""

    dataset: Dataset
    shares: Mapping[str, tuple[int, str]]
    """What each measurement may spend, and why in words."""

    steps: dict[str, Step] = field(default_factory=dict)
    leaves: dict[str, Leaf] = field(default_factory=dict)
    _made_of: dict[str, str] = field(default_factory=dict)
    """What decides the rows of each staged table: its SQL, and the draws and statements that it reads."""

    def measure(self, bounded: Bounded) -> None:
        made_of = [self._made_of[name] for name in bounded.inputs]
        compiled = compile_measurement(bounded)
        share, why = self.shares[bounded.name]
        measurement = calibrate(bounded, compiled, self.dataset, share, made_of)
        if why:
            measurement = replace(measurement, reasons=(why, *measurement.reasons))
        self.steps[bounded.name] = measurement
        self.leaves[bounded.name] = Leaf.of(measurement, bounded.outputs)

    def read(self, step: Read) -> None:
        self.steps[step.name] = compile_read(step)

    def stage(self, step: Staged) -> None:
        derived = compile_derived(step, self.leaves)
        self.steps[step.name] = derived
        below = [node.name for node in upward(step.plan) if isinstance(node, Measured | Read)]
        self._made_of[step.name] = "\n".join([derived.sql, *map(self._identity, below)])

    def _identity(self, name: str) -> str:
        match self.steps[name]:
            case Measurement() as measurement:
                return _drawn(measurement)
            case PublicRead(sql=sql) | Derived(sql=sql):
                return sql


def _drawn(measurement: Measurement) -> str:
    """Return what names a noisy table: its draws, and what is left out of it afterwards."""
    shown = (measurement.suppress_by, str(measurement.suppress_below))
    return "\n".join([*(p.digest for p in measurement.primitives), *map(str, shown)])


# -- what the buyer is told -------------------------------------------------------------------------------------------


def _highest_class(dataset: Dataset, used: tuple[Access, ...]) -> DataClass:
    order = list(DataClass)
    found = [
        column.data_class
        for access in used
        if (table := dataset.table(access.table)) is not None and (column := table.column(access.column)) is not None
    ]
    return max(found, key=order.index, default=DataClass.GENERAL)


def _notes(analysis: Analysis, program: Program) -> tuple[ColumnNote, ...]:
    measures = {step.name: step for step in analysis.steps if isinstance(step, Measure)}
    measurements = {measurement.name: measurement for measurement in program.measurements}
    found = []
    for column in program.finish.columns:
        if not column.noisy:
            continue
        direct = column.direct
        names = [direct.measurement] if direct is not None else list(measures)
        groups = [measurements[name].groups for name in names]
        width = None
        if direct is not None:
            primitive = next(p for p in measurements[direct.measurement].primitives if p.name == direct.column)
            width = half_width(primitive) * abs(float(direct.factor))
        found.append(
            ColumnNote(
                column=column.name,
                rows=max(measures[name].owned.rows for name in names),
                groups=None if None in groups else max(group for group in groups if group is not None),
                half_width=width,
            )
        )
    return tuple(found)


def half_width(primitive: Primitive) -> float:
    """Return half of the 95 % interval to expect of a primitive, in its own units, from declared figures alone."""
    # `expected_scale` is a standard deviation; a Laplace scale is 1 / sqrt(2) of it, and its interval ln(20) scales
    return primitive.expected_scale * (1.96 if primitive.noise is Noise.GAUSSIAN else math.log(20) / math.sqrt(2))


def _notices(bounded: Mapping[str, Bounded], program: Program) -> tuple[str, ...]:
    if not program.measurements:
        return ("only public tables are read: nothing is noised, and nothing is charged to the privacy budget",)
    notices = ["rows without a unit are not counted", "intervals cover the noise alone, not the bounding"]
    if any(key.inside is not None for one in bounded.values() for key in one.keys):
        notices.append("rows whose key lies outside its declared domain are not counted")
    if any(primitive.search is not None for m in program.measurements for primitive in m.primitives):
        notices.append("what one person adds beyond a bound that is found privately is scaled down to it")
    for measurement in program.measurements:
        if measurement.suppress_by is not None:
            notices.append(f"cells with fewer than about {measurement.suppress_below} units are left out")
        if measurement.selection is not None:
            least = measurement.selection.threshold + measurement.selection.min_units - 1
            notices.append(f"keys with fewer than about {least:,} units are left out")
    if any(isinstance(step, Derived) for step in program.steps):
        notices.append("a released result is used below a later measurement: intervals take it as it was released")
    return tuple(dict.fromkeys(notices))


def _question(program: Program, job: PlanJob) -> str:
    finish, dataset = program.finish, job.dataset
    steps = [_drawn(step) if isinstance(step, Measurement) else step.sql for step in program.steps]
    versions = [dataset.name, dataset.policy_version, dataset.data_version]
    parts = [*versions, *steps, finish.sql, *(c.name for c in finish.columns), str(job.request.row_limit)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
