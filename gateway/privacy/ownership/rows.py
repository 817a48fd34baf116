"""Operators that read one row at a time (Filter, Project), and those that pick rows (Sort, Limit)."""

from dataclasses import replace

from gateway.errors import GatewayError
from gateway.privacy.ownership import padded
from gateway.privacy.ownership.facts import SINGLE, carried, in_sight, names_of, narrowed, through, tie_breaks
from gateway.privacy.ownership.projects import owned_project
from gateway.privacy.ownership.steps import Steps
from gateway.privacy.relations import Owned, Padded, Public, Relation, Released
from gateway.sql.plan import Filter, Limit, Project, Sort


def filtered(plan: Filter, below: Relation) -> Relation:
    """Return the rows that a condition lets through."""
    match below:
        case Owned():
            fields = carried(plan.fields, below)
            return in_sight(
                replace(
                    below,
                    plan=replace(plan, input=below.plan, fields=fields),
                    unique=narrowed(below.unique, plan.condition),
                )
            )
        case Padded():
            return padded.filtered(plan, below)
        case _:
            unique = narrowed(below.unique, plan.condition)
            return replace(below, plan=replace(plan, input=below.plan), unique=unique)


def projected(plan: Project, below: Relation, steps: Steps) -> Relation:
    """Return computed and renamed columns, an owned relation's owner among them."""
    match below:
        case Owned():
            return owned_project(plan, below, steps)
        case Padded():
            return padded.projected(plan, below, steps)
        case Public():
            unique = through(below.unique, names_of(plan.columns))
            return replace(below, plan=replace(plan, input=below.plan), unique=unique)
        case _:
            unique = through(below.unique, names_of(plan.columns))
            noisy = frozenset(c.field.id for c in plan.columns if c.term.ids & below.noisy)
            return Released(replace(plan, input=below.plan), noisy, unique)


def sorted_rows(plan: Sort, below: Relation) -> Relation:
    """Return rows in an order; below a measurement an order without LIMIT means nothing, and is left out."""
    if isinstance(below, Owned | Padded):
        return below
    return replace(below, plan=replace(plan, input=below.plan))


def limited(plan: Limit, below: Relation) -> Relation:
    """Return the first rows. Raises `limit_below_measurement` over private ones."""
    if isinstance(below, Owned | Padded):
        hint = "Use ORDER BY and LIMIT over the aggregated result."
        detail = "ORDER BY or LIMIT below the aggregate picks among other people's rows."
        raise GatewayError("limit_below_measurement", detail, hint, plan.place)
    unique = below.unique | (SINGLE if plan.count is not None and plan.count <= 1 else frozenset())
    source = below.plan
    if isinstance(below, Public):  # the same rows in every run: what ties is told apart by all columns
        inner, keys = (source.input, source.keys) if isinstance(source, Sort) else (source, ())
        source = Sort(inner, (*keys, *tie_breaks(inner)), inner.fields, plan.place)
    return replace(below, plan=replace(plan, input=source), unique=unique)
