"""Steps 3 to 6 of the path, pure: SQL text to measurements. Runs in a killable process and returns plain data."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gateway.catalog.model import DataClass, Dataset, Grant, Use
from gateway.compile.finishing import Measured, compile_finish
from gateway.compile.measurement import compile_measurement
from gateway.errors import GatewayError
from gateway.policy.decide import permit
from gateway.policy.model import Access, Ask, Refusal
from gateway.privacy.access import accesses
from gateway.privacy.bounding import Bounded, bound
from gateway.privacy.calibrate import calibrate
from gateway.privacy.measurement import Finish, Measurement
from gateway.privacy.ownership import Owned, ownership
from gateway.privacy.units import rho_of_epsilon
from gateway.request import Caller, Request
from gateway.sql.explain import explain
from gateway.sql.parse import fingerprint, parse
from gateway.sql.plan import Aggregate, Filter, Limit, Plan, Project, Sort
from gateway.sql.select import resolve


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
    """What was done to answer a noisy column: shown in answers and quotes, all of it from the policy and the SQL."""

    column: str
    rows: int
    groups: int
    half_width: float | None


@dataclass(frozen=True, slots=True)
class Planned:
    """A query that would be answered: its measurements, post-processing, costs and what to tell the buyer.

    `data_class` is the highest class that is read, `declared_rows` the size that prices count.
    `fingerprint` is a hash of the SQL without literals; `question` one of everything that decides the answer.
    """

    measurements: tuple[Measurement, ...]
    finish: Finish
    accesses: tuple[Access, ...]
    notes: tuple[ColumnNote, ...]
    notices: tuple[str, ...]
    rho: int
    delta: int
    epsilon: Decimal
    data_class: DataClass
    declared_rows: int
    explain: str
    fingerprint: str
    question: str


def plan(job: PlanJob) -> Planned:
    """Return the plan of a request.

    Raises GatewayError for every refusal: size and syntax, unknown names, use and class of columns, and each rule
    of ownership and bounding that the query does not keep.
    """
    dataset, request = job.dataset, job.request
    # 3. parse
    tree = parse(request.sql, request.dialect)
    # 4. resolve
    resolved = resolve(tree, dataset)
    # 6a. what is measured, and who owns it (before 5, so that a shape that shows rows is named as such)
    aggregate = _measured(resolved)
    owned = _owned(aggregate, dataset)
    bounded = bound(aggregate, owned, dataset)
    # 5. permit
    epsilon = request.epsilon if request.epsilon is not None else dataset.privacy.default_epsilon
    used = accesses(aggregate, dataset)
    ask = Ask(dataset, job.caller, request.purpose, epsilon, job.now.date(), used, job.grant)
    decision = permit(ask)
    if isinstance(decision, Refusal):
        raise GatewayError(decision.code, decision.detail, decision.hint, decision.position)
    # 6b. budget and noise
    compiled = compile_measurement(bounded)
    measurement = calibrate("m0", bounded, compiled, dataset, rho_of_epsilon(epsilon))
    finish = compile_finish(
        resolved, Measured(aggregate, "m0", tuple(key.name for key in measurement.keys), bounded.outputs)
    )
    return Planned(
        measurements=(measurement,),
        finish=finish,
        accesses=used,
        notes=_notes(bounded, measurement, finish),
        notices=_notices(bounded, measurement),
        rho=measurement.rho,
        delta=measurement.delta,
        epsilon=epsilon,
        data_class=_highest_class(dataset, used),
        declared_rows=owned.declared_rows,
        explain=explain(resolved),
        fingerprint=fingerprint(request.sql, request.dialect),
        question=_question(measurement, finish, request),
    )


def _measured(plan_: Plan) -> Aggregate:
    """Return the one measurement of a plan. Raises `raw_rows` where rows would leave as they are."""
    node = plan_
    while isinstance(node, Project | Filter | Sort | Limit):
        node = node.input
    if isinstance(node, Aggregate):
        return node
    hint = "Aggregate: for example SELECT COUNT(*) ... or SELECT key, SUM(x) ... GROUP BY key."
    raise GatewayError("raw_rows", "The query would show rows as they are.", hint, plan_.place)


def _owned(aggregate: Aggregate, dataset: Dataset) -> Owned:
    relation = ownership(aggregate.input, dataset)
    if isinstance(relation, Owned):
        return relation
    hint = "Read a private table too; public tables serve as keys beside it."
    raise GatewayError("unsupported_sql", "Only public tables are read; nothing is measured.", hint, aggregate.place)


def _highest_class(dataset: Dataset, used: tuple[Access, ...]) -> DataClass:
    order = list(DataClass)
    found = [
        column.data_class
        for access in used
        if access.use is not Use.JOIN
        and (table := dataset.table(access.table)) is not None
        and (column := table.column(access.column)) is not None
    ]
    return max(found, key=order.index, default=DataClass.GENERAL)


def _notes(bounded: Bounded, measurement: Measurement, finish: Finish) -> tuple[ColumnNote, ...]:
    scales = {primitive.name: primitive.scale for primitive in measurement.primitives}
    rows = max(part.rows for part in bounded.partials)
    return tuple(
        ColumnNote(
            column=column.name,
            rows=rows,
            groups=bounded.groups,
            half_width=1.96 * scales[column.primitive] * float(column.factor) if column.primitive else None,
        )
        for column in finish.columns
        if column.noisy
    )


def _notices(bounded: Bounded, measurement: Measurement) -> tuple[str, ...]:
    notices = ["rows without a unit are not counted", "intervals cover the noise alone, not the bounding"]
    if any(key.inside is not None for key in bounded.keys):
        notices.append("rows whose key lies outside its declared domain are not counted")
    if measurement.suppress_by is not None:
        notices.append(f"cells with fewer than about {measurement.suppress_below} units are left out")
    if measurement.selection is not None:
        least = measurement.selection.threshold + measurement.selection.min_units - 1
        notices.append(f"keys with fewer than about {least:,} units are left out")
    return tuple(notices)


def _question(measurement: Measurement, finish: Finish, request: Request) -> str:
    parts = [
        *(p.digest for p in measurement.primitives),
        finish.sql,
        *(c.name for c in finish.columns),
        str(request.row_limit),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
