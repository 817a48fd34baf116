"""A policy's entries as the values that every stage reads: compliance, privacy, grants, price plans. Pure.

What they say has been checked where the dataset is built; the engine's types are its business too.
"""

from decimal import Decimal
from hashlib import sha256
from pathlib import PurePath

from gateway.catalog.document import (
    BudgetEntry,
    DuckDBEntry,
    EngineEntry,
    GrantEntry,
    PolicyDocument,
    PostgresEntry,
    PriceEntry,
    SparkEntry,
)
from gateway.catalog.model import (
    Accounting,
    AlertLimits,
    Budget,
    Compliance,
    CrossBorder,
    Grant,
    PricePlan,
    Privacy,
)
from gateway.ports import Source

SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86400}


def compliance(document: PolicyDocument) -> Compliance:
    """Return the review that a policy states, and whether its owner made it."""
    entry, provider = document.compliance, document.provider
    owners = {name.strip().casefold() for name in (provider.organisation, provider.contact)}
    reviewer = (entry.reviewed_by or "").strip() or None
    by_owner = reviewer is not None and reviewer.casefold() in owners
    return Compliance(reviewer, entry.valid_until, by_owner, _cross_border(document))


def _cross_border(document: PolicyDocument) -> CrossBorder | None:
    entry, unit = document.compliance.cross_border, document.tables.get(document.privacy.unit.table)
    if entry is None:
        return None
    return CrossBorder(entry.home, entry.threshold, entry.units or (unit.rows if unit is not None else 1))


def source(engine: EngineEntry, base: PurePath) -> Source:
    """Return where an engine is, a file under `base`; of a server its variable, and schema or folder."""
    match engine:
        case DuckDBEntry(path=path):
            return Source("duckdb", str(base / path))
        case PostgresEntry(dsn_env=name, schema_=schema):
            return Source("postgres", f"{name}/{schema}")
        case SparkEntry(url_env=name, parquet=folder):
            return Source("spark", f"{name}/{folder}")


def _budget(entry: BudgetEntry | None, document: PolicyDocument) -> Budget | None:
    if entry is None:
        return None
    delta = entry.delta or document.privacy.budget.delta
    if document.privacy.accounting is Accounting.PURE:
        delta = Decimal(0)
    assert delta is not None  # INVARIANT: _check_budgets asked for it
    return Budget(entry.epsilon, delta)


def privacy(document: PolicyDocument) -> Privacy:
    """Return what a policy protects and what its budgets are."""
    entry = document.privacy
    top = _budget(entry.budget, document)
    assert top is not None  # INVARIANT: the model requires it
    return Privacy(
        unit_table=entry.unit.table,
        unit_key=entry.unit.key,
        account=entry.account or f"{document.provider.organisation}/{entry.unit.table}.{entry.unit.key}",
        budget=top,
        per_organisation=_budget(entry.per_organisation, document),
        per_buyer=_budget(entry.per_buyer, document),
        default_epsilon=entry.per_query.default_epsilon,
        max_epsilon=entry.per_query.max_epsilon,
        min_units=entry.min_units,
        max_cells=entry.max_cells,
        accounting=entry.accounting,
        refill=entry.refill.every if entry.refill is not None else None,
    )


def grant_name(entry: GrantEntry) -> str:
    """Return the name that a grant's quotas hang on: its own, or its recipient's. Never its place in the file."""
    recipient = entry.to
    return entry.name or recipient.organisation + (f":{recipient.subject}" if recipient.subject is not None else "")


def grant(entry: GrantEntry, document: PolicyDocument) -> Grant:
    """Return a grant."""
    count, _, unit = (entry.rate or "").partition("/")
    return Grant(
        name=grant_name(entry),
        organisation=entry.to.organisation,
        subject=entry.to.subject,
        mode=entry.mode,
        purposes=frozenset(entry.purposes),
        jurisdictions=frozenset(entry.jurisdictions),
        valid_from=entry.valid[0] if entry.valid else None,
        valid_until=entry.valid[1] if entry.valid else None,
        uses=entry.uses,
        rate_count=int(count) if entry.rate else None,
        rate_seconds=SECONDS[unit] if entry.rate else None,
        price_plan=entry.price_plan,
        budget=_budget(entry.budget, document),
        at_once=entry.at_once,
        spend=(entry.spend.amount, entry.spend.per) if entry.spend is not None else None,
        recipient_jurisdiction=entry.recipient_jurisdiction,
    )


def plan(name: str, entry: PriceEntry) -> PricePlan:
    """Return a price plan; its version is the hash of its canonical form."""
    version = sha256(entry.model_dump_json().encode()).hexdigest()
    return PricePlan(
        name=name,
        version=f"sha256:{version}",
        currency=entry.currency,
        per_query=entry.per_query,
        per_epsilon=entry.per_epsilon,
        per_million_rows=entry.per_million_rows,
        minimum=entry.minimum,
        class_factor=tuple(entry.class_factor.items()),
        income_split=tuple(entry.income_split.items()),
    )


def alert_limits(document: PolicyDocument) -> AlertLimits:
    """Return from when on a policy has its provider warned."""
    entry = document.alerts
    return AlertLimits(
        budget=tuple(sorted(set(entry.budget))),
        few_units=entry.differencing.units,
        thin=entry.differencing.share,
        slices=entry.differencing.times,
        draws=entry.averaging.draws,
        hours=entry.within_hours,
        refusals=entry.refusals.count,
        refusal_minutes=entry.refusals.minutes,
        known_after=entry.known_after,
        keep_days=entry.keep_days,
    )
