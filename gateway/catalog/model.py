"""A published dataset as every stage sees it: plain frozen values, from the policy and the engine's types.

Everything here is public (PRIVACY: everything in a policy is public). No data beyond the distinct values of
public tables, no connection, no secret.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from gateway.catalog.types import Cell, Scalar, SqlType
from gateway.ports import Source


class DataClass(StrEnum):
    """Classes of GB/T 43697-2024, least sensitive first."""

    GENERAL = "general"
    IMPORTANT = "important"
    CORE = "core"


class Accounting(StrEnum):
    """How privacy loss adds up: zero-concentrated DP beside a delta for thresholds, or pure epsilon."""

    ZCDP = "zcdp"
    PURE = "pure"


class Use(StrEnum):
    GROUP = "group"
    FILTER = "filter"
    AGGREGATE = "aggregate"
    JOIN = "join"


@dataclass(frozen=True, slots=True)
class Column:
    """A column that the policy names, or any column of a public table.

    `bounds` are inclusive, in the column's own type; `values` is the declared finite domain as canonical cells;
    `public_values` the distinct values of a public table's column, read at publish (None: more than the limit);
    `per_unit_sum` bounds what one unit's rows add up to in one group.
    """

    name: str
    type: SqlType
    nullable: bool
    data_class: DataClass
    use: frozenset[Use]
    bounds: tuple[Scalar, Scalar] | None = None
    values: tuple[Cell, ...] | None = field(default=None, hash=False)
    public_values: tuple[Cell, ...] | None = field(default=None, hash=False)
    granularity: Decimal | None = None
    per_unit_sum: tuple[Decimal, Decimal] | None = None

    @property
    def hidden(self) -> bool:
        return not self.use


@dataclass(frozen=True, slots=True)
class Hop:
    """One foreign key towards the unit: `column` of the table refers to `target_table.target_column`."""

    column: str
    target_table: str
    target_column: str


@dataclass(frozen=True, slots=True)
class Table:
    """A base table. `owner` is the column that holds the unit key itself; else `hop` leads one table on.

    INVARIANT: public tables have neither; private tables exactly one of the two.
    `columns` holds named columns and key columns (keys have no `use` unless the policy gives one).
    """

    name: str
    public: bool
    rows: int
    columns: tuple[Column, ...]
    unique: tuple[tuple[str, ...], ...] = ()
    owner: str | None = None
    hop: Hop | None = None
    per_unit_rows: int = 1
    per_unit_groups: int = 1

    def column(self, name: str) -> Column | None:
        """Return the column of this name without regard to case, or None."""
        folded = name.casefold()
        return next((column for column in self.columns if column.name.casefold() == folded), None)


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit as the policy states it; an inner level without delta inherits its parent's. Pure: delta 0."""

    epsilon: Decimal
    delta: Decimal


@dataclass(frozen=True, slots=True)
class Privacy:
    """`account` names the data's own account: (base tables, unit), never the dataset's name."""

    unit_table: str
    unit_key: str
    account: str
    budget: Budget
    per_organisation: Budget | None
    per_buyer: Budget | None
    default_epsilon: Decimal
    max_epsilon: Decimal
    min_units: int
    max_cells: int
    accounting: Accounting = Accounting.ZCDP
    refill: str | None = None
    """The period, month or year, with which every budget begins anew."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may use the dataset, how, for what and until when. `name` is stable within the policy version.

    One of the store is named by its id, and `terms` is the digest of what its provider signed.
    """

    name: str
    organisation: str
    subject: str | None
    mode: str
    purposes: frozenset[str]
    jurisdictions: frozenset[str]
    valid_from: date | None
    valid_until: date | None
    uses: int | None
    rate_count: int | None
    rate_seconds: int | None
    price_plan: str | None
    budget: Budget | None = None
    at_once: int | None = None
    spend: tuple[Decimal, str] | None = None
    """The most money and the period it is counted in: day, month or total."""
    recipient_jurisdiction: str | None = None
    terms: str | None = None
    ends_at: datetime | None = None
    """The moment at which it ends, besides its last day."""
    ended: str | None = None
    """Why it holds no longer, in words: it was revoked, or its moment has come."""

    @property
    def id(self) -> str | None:
        """The id of a grant of the store; None of one that a policy names."""
        return self.name if self.terms is not None else None


@dataclass(frozen=True, slots=True)
class PricePlan:
    """A price list; `version` is the hash of its canonical form."""

    name: str
    version: str
    currency: str
    per_query: Decimal
    per_epsilon: Decimal
    per_million_rows: Decimal
    class_factor: tuple[tuple[DataClass, Decimal], ...]
    income_split: tuple[tuple[str, Decimal], ...]
    minimum: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class CrossBorder:
    """How many people's data may go to each other place than `home` in a year: `units` is what this dataset counts."""

    home: str
    threshold: int
    units: int


@dataclass(frozen=True, slots=True)
class Compliance:
    """`by_owner` says that the reviewer is the provider: its organisation or its contact."""

    reviewed_by: str | None
    valid_until: date | None
    by_owner: bool = False
    cross_border: CrossBorder | None = None


@dataclass(frozen=True, slots=True)
class AlertLimits:
    """From when on early warning tells the provider and the supervisor. No answer, price or refusal hangs on it.

    `budget`: shares of an account. Populations differ suspiciously by at most `few_units` by declaration, or `slices`
    times within `hours` by less than the share `thin` of a column's declared values. One quantity is drawn `draws`
    times within `hours`, or `refusals` come in `refusal_minutes`. A buyer's habits are known after `known_after`
    queries.
    """

    budget: tuple[Decimal, ...] = (Decimal("0.5"), Decimal("0.8"), Decimal("0.95"))
    few_units: int = 10
    thin: Decimal = Decimal("0.01")
    slices: int = 4
    draws: int = 6
    hours: int = 24
    refusals: int = 30
    refusal_minutes: int = 10
    known_after: int = 100
    keep_days: int = 30


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset at one policy version and one data version.

    `stamp` is the engine's mark of the data (for a file: inode, mtime, size) at the declared version.
    `suspended` is the reason why nobody is answered (a declared fact that does not hold), for the provider.
    """

    name: str
    title: str
    provider: str
    source: Source
    compliance: Compliance
    privacy: Privacy
    tables: tuple[Table, ...]
    grants: tuple[Grant, ...]
    prices: tuple[PricePlan, ...]
    policy_version: str
    data_version: str
    stamp: str
    suspended: str | None = None
    keep_texts_days: int = 0
    keep_answers_days: int = 366
    alerts: AlertLimits = AlertLimits()

    def table(self, name: str) -> Table | None:
        """Return the table of this name without regard to case, or None."""
        folded = name.casefold()
        return next((table for table in self.tables if table.name.casefold() == folded), None)

    def plan_of(self, grant: Grant) -> PricePlan | None:
        return next((plan for plan in self.prices if plan.name == grant.price_plan), None)
