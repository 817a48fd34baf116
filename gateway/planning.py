"""Steps 3 to 6 of the path, pure: SQL text to a program. Runs in a killable process and returns plain data."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from sqlglot import exp

from gateway.catalog.model import DataClass, Dataset
from gateway.compile.measurement import compile_measurement
from gateway.errors import GatewayError
from gateway.policy.decide import permit
from gateway.policy.model import Access, Ask, Refusal
from gateway.privacy import trees
from gateway.privacy.access import accesses, tables_read
from gateway.privacy.bounding import Bounded, bound
from gateway.privacy.calibrate import Compiled
from gateway.privacy.expected import Unpredicted, width
from gateway.privacy.extent import limit_pairs
from gateway.privacy.forecast import Forecast
from gateway.privacy.measurement import Derived, Measurement, Program
from gateway.privacy.ownership import analyse
from gateway.privacy.populations import populations
from gateway.privacy.relations import Analysis, Measure
from gateway.privacy.sizes import declared
from gateway.privacy.targets import met, reachable, shares, targets
from gateway.privacy.units import budget_of_epsilon, epsilon_of_budget
from gateway.programs import Budgeted, PlanJob, Understood, drawn, program_of
from gateway.request import Accuracy, Request
from gateway.sql.explain import explain
from gateway.sql.limits import ASKED, COMPOSED, Limits
from gateway.sql.moments import at_moment
from gateway.sql.parse import parsed
from gateway.sql.plan import Staged
from gateway.sql.select import resolve

ATTEMPTS = 4
"""How often the least cost is worked out anew from the plan before, each time with a thousandth more.

Rounding alone is left after the first.
"""


@dataclass(frozen=True, slots=True)
class ColumnNote:
    """What was done to answer a noisy column: shown in answers and quotes, all of it from the policy and the SQL.

    `groups` is how many cells of one unit count, None where none are dropped. `half_width` is the error to expect at
    the confidence asked for; None, and then `unpredicted` says why it is not known before the answer. `size` is the
    declared size of a cell, which a relative accuracy is relative to.
    """

    column: str
    rows: int
    groups: int | None
    half_width: float | None
    unpredicted: str = ""
    size: float | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A query that would be answered: its program, costs and what to tell the buyer.

    `data_class` is the highest class that is read, `tables` names the tables, `declared_rows` is what prices count.
    `fingerprint` is a hash of the SQL without literals; `question` one of everything that decides the answer.
    `momentary` tells that the SQL asked what time it is, so that the same text has another plan a moment later.
    `accuracy` is the error that was asked for in place of an epsilon; `epsilon` then is what it costs. `forecast` is
    made for quotes alone. `populations` says whom each number would be about (privacy/populations.py), and is nobody's
    to read but the provider's and the supervisor's early warning; of quotes it says nothing.
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
    accuracy: Accuracy | None = None
    forecast: Forecast | None = None
    populations: str = "[]"


def plan(job: PlanJob) -> Planned:
    """Return the plan of a request.

    Raises GatewayError for every refusal: size and syntax, unknown names, use and class of columns, each rule of
    ownership and bounding that the query does not keep, and an accuracy that cannot be told or costs too much.
    """
    understood = understand(job)
    return planned(understood, budgeted(understood, job.request))


@contextmanager
def _marked(mark: str) -> Iterator[None]:
    """Give every refusal the fingerprint of the SQL that it is of."""
    try:
        yield
    except GatewayError as error:
        error.fingerprint = mark
        raise


def understand(job: PlanJob) -> Understood:
    """Return what is asked and how it is bounded: steps 3 to 6a. Raises GatewayError for every refusal of SQL."""
    # 3. parse
    tree, mark = parsed(job.request.sql, job.request.dialect, _limits(job.request))
    with _marked(mark):
        return _understood(job, tree, mark)


def _limits(request: Request) -> Limits:
    return COMPOSED if request.composed else ASKED


def _understood(job: PlanJob, tree: exp.Query, mark: str) -> Understood:
    dataset, request = job.dataset, job.request
    momentary = at_moment(tree, job.now)
    # 4. resolve
    resolved = resolve(tree, dataset, _limits(request))
    # 6a. what is measured, and who owns it (before 5, so that a shape that shows rows is named as such)
    analysis = analyse(resolved, dataset)
    measures = [step for step in analysis.steps if isinstance(step, Measure)]
    bounded = {step.name: bound(step, dataset) for step in measures}
    staged = [step.plan for step in analysis.steps if isinstance(step, Staged)]
    limit_pairs([*staged, analysis.root.plan], {name: one.cells for name, one in bounded.items()})
    # 5. permit
    epsilon = request.epsilon if request.epsilon is not None else dataset.privacy.default_epsilon
    used = accesses(analysis, dataset)
    private = tuple(sorted(table.name for table in tables_read(analysis) if not table.public))
    ask = Ask(dataset, job.caller, request.purpose, epsilon, job.now.date(), used, job.grant, request.mode, private)
    decision = permit(ask)
    if isinstance(decision, Refusal):
        raise GatewayError(decision.code, decision.detail, decision.hint, decision.position)
    return Understood(
        job=job,
        fingerprint=mark,
        resolved=resolved,
        momentary=momentary,
        analysis=analysis,
        bounded=bounded,
        compiled={step.name: _compiled(step, bounded[step.name], dataset) for step in measures},
        sizes={step.name: declared(step, bounded[step.name]) for step in measures},
        used=used,
    )


def _compiled(step: Measure, bounded: Bounded, dataset: Dataset) -> Compiled:
    """Compile a measurement for the dataset's engine; what that does not compute is refused at the aggregate."""
    try:
        return compile_measurement(bounded, dataset.source.kind, dataset.source.schema)
    except GatewayError as error:
        error.position = error.position or step.aggregate.place
        raise


def budgeted(understood: Understood, request: Request) -> Budgeted:
    """Return the program at what a request spends: its epsilon, or the least that reaches its accuracy (step 6b).

    Raises GatewayError `bad_request`, `accuracy_not_predicted`, `accuracy_unreachable`.
    """
    privacy = understood.job.dataset.privacy
    with _marked(understood.fingerprint):
        if request.accuracy is not None and understood.bounded:
            return _accurate(understood, request.accuracy)
        epsilon = request.epsilon if request.epsilon is not None else privacy.default_epsilon
        return _at(understood, epsilon)


def planned(understood: Understood, made: Budgeted, forecast: Forecast | None = None) -> Planned:
    """Return everything that is told and kept of a program."""
    job, analysis, program = understood.job, understood.analysis, made.program
    read = tables_read(analysis)
    return Planned(
        program=program,
        accesses=understood.used,
        notes=_notes(analysis, made, job.request),
        notices=_notices(understood.bounded, program, job.request.accuracy),
        rho=sum(measurement.rho for measurement in program.measurements),
        delta=sum(measurement.delta for measurement in program.measurements),
        epsilon=made.epsilon,
        data_class=_highest_class(job.dataset, understood.used),
        tables=tuple(sorted(table.name for table in read)),
        declared_rows=sum(table.rows for table in read),
        explain=explain(understood.resolved),
        fingerprint=understood.fingerprint,
        question=_question(program, job),
        momentary=understood.momentary,
        accuracy=job.request.accuracy,
        forecast=forecast,
        populations="[]" if job.quote else populations(analysis, understood.bounded, job.dataset),
    )


# -- budgets ----------------------------------------------------------------------------------------------------------


def _at(understood: Understood, epsilon: Decimal) -> Budgeted:
    budget = budget_of_epsilon(epsilon, understood.job.dataset.privacy.accounting)
    return program_of(understood, epsilon, budget, {})


def _accurate(understood: Understood, accuracy: Accuracy) -> Budgeted:
    """Return the program at the least cost at which every noisy column is expected to reach its target."""
    privacy, confidence = understood.job.dataset.privacy, float(accuracy.confidence)
    made = _at(understood, privacy.max_epsilon)
    wanted = targets(made.columns, accuracy)
    for attempt in range(ATTEMPTS):
        found = shares(wanted, made.primitives, confidence)
        needed = {name: share + attempt * (share // 1_000 + 1) for name, share in found.items()}
        total = sum(needed.values())
        if total > budget_of_epsilon(privacy.max_epsilon, privacy.accounting):
            most = f"epsilon {privacy.max_epsilon:f}"
            detail = f"This accuracy costs more than {most}, the most that the policy allows at once."
            name = "half_width" if accuracy.half_width is not None else "relative"
            hint = f"Ask for {name} {finest(understood, accuracy):f}, which {most} reaches, or group by a coarser key."
            raise GatewayError("accuracy_unreachable", detail, hint)
        spent = Decimal(f"{epsilon_of_budget(total, privacy.accounting):.9f}")
        made = program_of(understood, spent, total, needed)
        if met(wanted, made.primitives, confidence):
            return made
    raise AssertionError("noise does not fall as budget grows")  # INVARIANT: it falls with the square root of rho


def finest(understood: Understood, accuracy: Accuracy) -> Decimal:
    """Return the smallest target of the kind asked for that the largest epsilon of the policy reaches."""
    privacy = understood.job.dataset.privacy
    made = _at(understood, privacy.max_epsilon)
    budget = budget_of_epsilon(privacy.max_epsilon, privacy.accounting)
    return reachable(targets(made.columns, accuracy), accuracy, made.primitives, budget)


# -- what the buyer is told -------------------------------------------------------------------------------------------


def _highest_class(dataset: Dataset, used: tuple[Access, ...]) -> DataClass:
    order = list(DataClass)
    found = [
        column.data_class
        for access in used
        if (table := dataset.table(access.table)) is not None and (column := table.column(access.column)) is not None
    ]
    return max(found, key=order.index, default=DataClass.GENERAL)


def _notes(analysis: Analysis, made: Budgeted, request: Request) -> tuple[ColumnNote, ...]:
    measures = {step.name: step for step in analysis.steps if isinstance(step, Measure)}
    measurements = {measurement.name: measurement for measurement in made.program.measurements}
    confidence = float(request.accuracy.confidence) if request.accuracy is not None else 0.95
    found = []
    noisy = (column for column in made.program.finish.columns if column.noisy)
    for column, expected in zip(noisy, made.columns, strict=True):
        names = [column.direct.measurement] if column.direct is not None else list(measures)
        groups = [measurements[name].groups for name in names]
        found.append(
            ColumnNote(
                column=column.name,
                rows=max(measures[name].owned.rows for name in names),
                groups=None if None in groups else max(group for group in groups if group is not None),
                half_width=width(expected, made.primitives, confidence),
                unpredicted=expected.of.reason if isinstance(expected.of, Unpredicted) else "",
                size=None if isinstance(expected.of, Unpredicted) else expected.of.size,
            )
        )
    return tuple(found)


def _notices(bounded: Mapping[str, Bounded], program: Program, accuracy: Accuracy | None) -> tuple[str, ...]:
    if not program.measurements:
        return ("only public tables are read: nothing is noised, and nothing is charged to the privacy budget",)
    notices = ["rows without a unit are not counted", "intervals cover the noise alone, not the bounding"]
    if any(key.inside is not None for one in bounded.values() for key in one.keys):
        notices.append("rows whose key lies outside its declared domain are not counted")
    if any(primitive.search is not None for m in program.measurements for primitive in m.primitives):
        notices.append("what one person adds beyond a bound that is found privately is scaled down to it")
        if accuracy is not None:
            notices.append("the cost is that of the bound to expect: the bound that is found decides the error reached")
    trees_read = [p.tree for m in program.measurements for p in m.primitives if p.tree is not None]
    steps = dict.fromkeys(filter(None, map(trees.resolution, trees_read)))
    notices += [
        f"quantiles are read in steps of {float(s):.3g}: how values lie within is in no interval" for s in steps
    ]
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
    steps = [drawn(step) if isinstance(step, Measurement) else step.sql for step in program.steps]
    versions = [dataset.name, dataset.policy_version, dataset.data_version]
    parts = [*versions, *steps, finish.sql, *(c.name for c in finish.columns), str(job.request.row_limit)]
    if job.request.accuracy is not None:  # an answer to it says what was asked for, and what it reached
        parts.append(job.request.accuracy.text)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
