"""The plan of a quote: what a question would cost, and beside it what other errors would, and whether it is of use.

Pure, like planning; it plans the question anew at other budgets, and coarser questions where the one asked is poor.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import islice

from gateway.catalog.types import TypeKind
from gateway.errors import GatewayError
from gateway.planning import Planned, budgeted, finest, plan, planned, understand
from gateway.privacy.expected import width
from gateway.privacy.forecast import Cells, Forecast, Level, Proposal, cells_of
from gateway.privacy.relations import Measure
from gateway.programs import Budgeted, PlanJob, Understood
from gateway.request import Accuracy, Request
from gateway.sql.coarser import Coarser, KeyKind, coarser, keys_of

MAX_TRIED = 10
"""Coarser questions that are planned before the best so far is taken."""

MAX_TYPED = 40
"""The same where the keys' types are not known: most are refused when they are resolved, which is soon."""


def plan_quote(job: PlanJob) -> Planned:
    """Return the plan of a request with its forecast.

    Raises what `plan` raises; where there are too many cells, with a coarser question that would be answered.
    """
    try:
        understood = understand(job)
    except GatewayError as error:
        if error.code == "too_many_cells":
            error.hint += _fewer_cells(job)
        raise
    made = budgeted(understood, job.request)
    if not understood.bounded:
        return planned(understood, made)
    cells = _cells(understood, made)
    poor = any(one.useful is False for one in cells)
    proposal = _proposal(understood, made, cells) if poor else None
    return planned(understood, made, Forecast(_levels(understood, made), cells, proposal))


def planning(job: PlanJob) -> Planned:
    """Return the plan of a job: of a quote with its forecast."""
    return plan_quote(job) if job.quote else plan(job)


def _cells(understood: Understood, made: Budgeted) -> tuple[Cells, ...]:
    return tuple(
        cells_of(measurement, understood.sizes[measurement.name], made.columns)
        for measurement in made.program.measurements
        if measurement.keys
    )


# -- levels -----------------------------------------------------------------------------------------------------------


def _levels(understood: Understood, made: Budgeted) -> tuple[Level, ...]:
    """Return three levels: twice the error, the one asked for, and half of it; within what the policy allows at once.

    Where the one asked for is the most that is allowed, all lie below it.
    """
    request, most = understood.job.request, understood.job.dataset.privacy.max_epsilon
    if request.accuracy is not None:
        asks: Iterable[tuple[bool, Request]] = _accuracies(understood, request.accuracy)
    else:
        epsilon = made.epsilon
        factors = (Decimal("0.25"), Decimal("0.5"), Decimal(1)) if epsilon == most else _FACTORS
        sizes = [_written(min(epsilon * factor, most)) for factor in factors]
        asks = [(size == epsilon, replace(request, epsilon=size)) for size in sizes]
    found = []
    for asked, other in asks:
        try:
            at = made if asked else budgeted(understood, other)
        except GatewayError:  # too small to draw from, or nothing smaller is paid for
            continue
        found.append(_level(at, other, asked=asked))
    return tuple(sorted(found, key=lambda level: level.epsilon))


_FACTORS = (Decimal("0.5"), Decimal(1), Decimal(2))


def _written(epsilon: Decimal) -> Decimal:
    """Return an epsilon as a request may give it: with at most 12 decimals."""
    return round(epsilon, 12).normalize()


def _accuracies(understood: Understood, accuracy: Accuracy) -> Iterable[tuple[bool, Request]]:
    request = understood.job.request
    half, same, double = (accuracy.target * factor for factor in _FACTORS)
    try:
        budgeted(understood, replace(request, accuracy=accuracy.at(half)))
    except GatewayError:  # more than the policy allows at once: what is allowed, if that is any better
        half = finest(understood, accuracy)
    sizes = (half, same, double) if half < same else (same, double, 2 * double)
    for size in sizes:
        yield size == same, replace(request, accuracy=accuracy.at(size))


def _level(made: Budgeted, request: Request, *, asked: bool) -> Level:
    confidence = float(request.accuracy.confidence) if request.accuracy is not None else 0.95
    return Level(
        asked=asked,
        ask=request.accuracy if request.accuracy is not None else made.epsilon,
        epsilon=made.epsilon,
        measurements=made.program.measurements,
        half_widths=tuple(width(column, made.primitives, confidence) for column in made.columns),
    )


# -- a coarser key ----------------------------------------------------------------------------------------------------


def _proposal(understood: Understood, made: Budgeted, cells: tuple[Cells, ...]) -> Proposal | None:
    """Return the nearest coarser question that is of use, else the best of those tried; None where none is better."""
    measures = [step for step in understood.analysis.steps if isinstance(step, Measure)]
    if len(measures) != 1:  # which of several keys is to blame cannot be told
        return None
    keys = measures[0].aggregate.keys
    kinds = tuple(KeyKind(key.term.type.temporal, key.term.type.kind is TypeKind.INTEGER) for key in keys)
    request = understood.job.request
    # at the same cost: an accuracy that is out of reach with this key would be so with others
    spending = replace(request, accuracy=None, epsilon=min(made.epsilon, understood.job.dataset.privacy.max_epsilon))
    best, merit = None, min(one.merit for one in cells)
    for question in islice(coarser(request.sql, request.dialect, kinds), MAX_TRIED):
        found = _tried(understood, spending, question)
        if found is None:
            continue
        if all(one.useful is not False for one in found.cells):
            return found
        least = min(one.merit for one in found.cells)
        if least > merit:
            best, merit = found, least
    return best


def _fewer_cells(job: PlanJob) -> str:
    """Return, for a hint, the nearest coarser question that is answered; nothing where none of those tried is."""
    request = job.request
    every = (KeyKind(temporal=True, integer=True),) * keys_of(request.sql, request.dialect)
    for question in islice(coarser(request.sql, request.dialect, every), MAX_TYPED):
        try:
            understand(replace(job, request=replace(request, sql=question.sql)))
        except GatewayError:
            continue
        return f" Answered would be ({question.change}): {question.sql}"
    return ""


def _tried(understood: Understood, request: Request, question: Coarser) -> Proposal | None:
    """Return what to expect of a coarser question; None where it would not be answered."""
    job = replace(understood.job, request=replace(request, sql=question.sql))
    try:
        other = understand(job)
        made = budgeted(other, job.request)
    except GatewayError:
        return None
    widths = tuple((column.column, width(column, made.primitives, 0.95)) for column in made.columns)
    return Proposal(question.sql, question.change, _cells(other, made), widths)
