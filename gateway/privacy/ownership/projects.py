"""Project over owned rows: the owner's column passes on, whatever the query selects."""

from dataclasses import replace

from sqlglot import exp

from gateway.privacy.ownership.facts import in_sight, names_of, owner_computed, renamed, through
from gateway.privacy.ownership.steps import Steps
from gateway.privacy.relations import Owned
from gateway.sql.plan import Project
from gateway.sql.terms import Term


def owned_project(plan: Project, below: Owned, steps: Steps) -> Owned:
    """Return a Project over owned rows; the owner's column passes on under its own id, or a new one if all are new."""
    names = names_of(plan.columns)
    columns = plan.columns
    kept = renamed(below.aliases, names)
    if kept:
        owner = below.owner if below.owner in kept else min(kept)
    else:
        renames = any(c.term.id is not None and c.term.id != c.field.id for c in columns)
        owner = steps.fresh() if renames else below.owner
        columns = (*columns, owner_computed(below, owner))
    aliases = kept | {owner}
    # the FULL join's COALESCE of both owners is its owner
    aliases |= {c.field.id for c in plan.columns if _same_owner(c.term, below)}
    return in_sight(
        replace(
            below,
            plan=replace(plan, input=below.plan, columns=columns),
            owner=owner,
            aliases=aliases,
            chains={key: renamed(chain, names) for key, chain in below.chains.items()},
            unique=through(below.unique, names_of(columns)),
            determined=frozenset(c.field.id for c in columns if c.term.ids <= below.determined) | {owner},
        )
    )


def _same_owner(term: Term, below: Owned) -> bool:
    """Tell whether a term is the very expression that a FULL join's owner is computed by."""
    source = below.plan
    if not isinstance(term.node.unnest(), exp.Coalesce) or not isinstance(source, Project):
        return False
    made = next((c.term.node for c in source.columns if c.field.id == below.owner), None)
    columns = _coalesced(made) if made is not None else []
    return bool(columns) and columns == _coalesced(term.node)


def _coalesced(node: exp.Expr) -> list[str]:
    """Return the columns of a COALESCE of columns in order; [] of anything else, which is like nothing."""
    found = node.unnest()
    if not isinstance(found, exp.Coalesce):
        return []
    parts = [part.unnest() for part in (found.this, *found.expressions)]
    return [part.name for part in parts] if all(isinstance(part, exp.Column) for part in parts) else []
