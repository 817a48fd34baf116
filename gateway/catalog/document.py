"""A policy file as its provider writes it: pydantic models, the source of policies/schema.json. Default deny."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from gateway.catalog.model import Accounting, DataClass, Use

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f/]+$")]
Account = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f/@]+$")]
"""A name without @, behind which a refilled account's period stands: none can be written as another's period."""


def _decimal_text(value: object) -> str:
    if not isinstance(value, Decimal):  # of a union the next member writes it: a date knows the format f as well
        raise TypeError("no decimal")
    return f"{value:f}"


Exact = Annotated[
    Decimal,
    BeforeValidator(lambda value: Decimal(str(value)) if isinstance(value, int | float) else value),
    PlainSerializer(_decimal_text, return_type=str, when_used="json"),
]
Scalar = bool | int | Exact | date | str


def _unsaid(value: object) -> bool:
    """Tell what a policy's canonical text leaves out: it stays what it was before there was such a key."""
    return not value


def _unstated(value: object) -> bool:
    """Tell the same of a key that may say no."""
    return value is None


class Entry(BaseModel):
    """Every part of a policy: unknown keys are errors, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProviderEntry(Entry):
    organisation: Name = Field(description="Who owns the data and is paid for it.")
    contact: str = Field(default="", description="Whom to ask.")


class DuckDBEntry(Entry):
    kind: Literal["duckdb"] = Field(description="A DuckDB database file, or a folder of Parquet files.")
    path: str = Field(
        description="The database file, or a folder with a folder of Parquet files for each table; "
        "relative to this policy file."
    )


class PostgresEntry(Entry):
    kind: Literal["postgres"] = Field(description="A PostgreSQL database, version 16 or later.")
    dsn_env: str = Field(
        pattern=r"^[A-Z][A-Z0-9_]{0,63}$",
        description="The environment variable of the gateway that holds postgresql://role:password@host/database.",
    )
    schema_: Name = Field(default="public", alias="schema", description="The one schema that the tables stand in.")


class SparkEntry(Entry):
    kind: Literal["spark"] = Field(description="Parquet tables read by a Spark server, version 4, over Spark Connect.")
    url_env: str = Field(
        pattern=r"^[A-Z][A-Z0-9_]{0,63}$",
        description="The environment variable of the gateway that holds sc://host:port/;token=...",
    )
    parquet: str = Field(
        pattern=r"^[a-z][a-z0-9]*:/",
        description="The folder as the server names it (file:/..., s3a://...); each table is a folder of its name.",
    )


EngineEntry = Annotated[DuckDBEntry | PostgresEntry | SparkEntry, Field(discriminator="kind")]


class CrossBorderEntry(Entry):
    home: Name = Field(description="Where the data are: recipients there are not counted.")
    threshold: int = Field(ge=0, description="People whose data may go to one other place in a period.")
    units: int | None = Field(
        default=None, ge=1, description="People of this dataset. Default: rows of the unit's table."
    )
    per: Literal["year"] = Field(default="year", description="The period, by UTC dates.")


class ComplianceEntry(Entry):
    source: str = Field(description="Where the data comes from.")
    legal_basis: str = Field(description="On what legal basis it is used.")
    retention: str | None = Field(
        default=None, exclude_if=_unstated, description="How long the source keeps the data, in words."
    )
    personal: bool | None = Field(default=None, exclude_if=_unstated, description="Whether it is personal information.")
    important: bool | None = Field(
        default=None, exclude_if=_unstated, description="Whether it holds important data (GB/T 43697-2024)."
    )
    reviewed_by: str | None = Field(default=None, description="Who reviewed it: someone other than its owner.")
    valid_until: date | None = Field(default=None, description="The last day on which the dataset may be queried.")
    cross_border: CrossBorderEntry | None = Field(default=None, description="How many people's data may leave home.")


class UnitEntry(Entry):
    table: Name = Field(description="The table with one key for each person or organisation protected.")
    key: Name = Field(description="The column that holds that key.")


class BudgetEntry(Entry):
    epsilon: Exact = Field(gt=0, description="Privacy budget; converted once to rho-zCDP.")
    delta: Exact | None = Field(default=None, gt=0, lt=1, description="Half converts epsilon, half is for thresholds.")


class PerQueryEntry(Entry):
    default_epsilon: Exact = Field(gt=0, description="What a query spends that does not say.")
    max_epsilon: Exact = Field(gt=0, description="The most that one query may spend.")


REFILL_ADMITS = "over time one person may lose any amount of privacy"
"""What a policy that refills its budgets has to say, word for word."""


class RefillEntry(Entry):
    every: Literal["month", "year"] = Field(description="The period, by UTC dates, with which all budgets begin anew.")
    admits: str = Field(description=f"What that costs, word for word: {REFILL_ADMITS}.")


class PrivacyEntry(Entry):
    unit: UnitEntry
    budget: BudgetEntry = Field(description="What everyone together may learn.")
    per_organisation: BudgetEntry | None = Field(default=None, description="A quota within the budget.")
    per_buyer: BudgetEntry | None = Field(default=None, description="A quota within the organisation's.")
    per_query: PerQueryEntry
    min_units: int = Field(default=1, ge=1, le=1_000_000, description="Cells with fewer units than this are hidden.")
    max_cells: int = Field(default=10_000, ge=1, le=1_000_000, description="The most cells one answer may have.")
    accounting: Accounting = Field(default=Accounting.ZCDP, description="zcdp, or pure: epsilon adds up, no delta.")
    account: Account | None = Field(default=None, description="Policies over the same people name one account.")
    refill: RefillEntry | None = Field(default=None, description="Begin every budget anew with each period.")


class PerUnitEntry(Entry):
    rows: int = Field(ge=1, le=1_000_000, description="Rows of one unit that count in one group.")
    groups: int = Field(ge=1, le=1_000_000, description="Groups that one unit counts in.")


class ColumnEntry(Entry):
    data_class: DataClass = Field(default=DataClass.GENERAL, alias="class", description="GB/T 43697-2024.")
    use: tuple[Use, ...] = Field(default=(), description="What queries may do with it. Default: hidden.")
    values: tuple[Scalar, ...] | None = Field(default=None, description="All values: a public key.")
    bounds: tuple[Scalar, Scalar] | None = Field(default=None, description="Lowest and highest value, inclusive.")
    granularity: Exact | None = Field(default=None, gt=0, description="The step that sums are counted in.")
    per_unit_sum: tuple[Exact, Exact] | None = Field(default=None, description="Bounds of one unit's sum in a group.")
    nullable: bool | None = Field(default=None, description="false promises that no value is NULL.")


class TableEntry(Entry):
    public: bool = Field(default=False, description="Open data: no privacy unit.")
    data_class: DataClass | None = Field(
        default=None, alias="class", exclude_if=_unsaid, description="The class that no column of it is below."
    )
    rows: int = Field(default=1, ge=1, description="The public order of magnitude, never the true count.")
    unique: tuple[tuple[Name, ...], ...] = Field(default=(), description="Keys: checked at publish, and promised.")
    unit_path: dict[Name, str] | None = Field(default=None, description="Foreign key to the unit: {column: table.key}.")
    per_unit: PerUnitEntry | None = Field(default=None, description="Contribution bounds.")
    columns: dict[Name, ColumnEntry] = Field(default_factory=dict)

    @property
    def steps(self) -> tuple[tuple[str, str, str], ...]:
        """Its steps towards the unit: a column, and the table and key to which it leads."""
        parted = ((column, target.partition(".")) for column, target in (self.unit_path or {}).items())
        return tuple((column, table, key) for column, (table, _, key) in parted)


class GrantTo(Entry):
    organisation: Name
    subject: Name | None = Field(default=None, description="One person only; default everyone of it.")


class SpendEntry(Entry):
    amount: Exact = Field(ge=0, description="The most money, in the currency of the grant's price plan.")
    per: Literal["day", "month", "total"] = Field(default="total", description="The period, by UTC dates.")


class GrantEntry(Entry):
    name: Name | None = Field(default=None, description="A stable name; default its recipient's. Quotas hang on it.")
    to: GrantTo
    mode: Literal["open", "authorised", "modelling", "federated", "encrypted", "sandbox"] = "authorised"
    purposes: tuple[Name, ...] = ()
    jurisdictions: tuple[Name, ...] = ()
    valid: tuple[date, date] | None = None
    uses: int | None = Field(default=None, ge=1)
    rate: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,8}/(s|min|h|day)$")
    at_once: int = Field(default=16, ge=1, le=1000, description="Queries of one buyer that may run at once.")
    budget: BudgetEntry | None = None
    price_plan: Name | None = None
    spend: SpendEntry | None = Field(default=None, description="The most that may be spent under this grant.")
    recipient_jurisdiction: Name | None = Field(default=None, description="Where the recipient sits; tokens agree.")


class PriceEntry(Entry):
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    per_query: Exact = Field(default=Decimal(0), ge=0)
    per_epsilon: Exact = Field(default=Decimal(0), ge=0)
    per_million_rows: Exact = Field(default=Decimal(0), ge=0)
    minimum: Exact = Field(default=Decimal(0), ge=0, description="The least that a query costs that is not free.")
    class_factor: dict[DataClass, Exact] = Field(default_factory=dict)
    income_split: dict[Name, Exact] = Field(default_factory=dict)


class RetentionEntry(Entry):
    query_texts: int = Field(default=0, ge=0, le=3660, description="Days that the provider can read a query's SQL.")
    answers: int = Field(default=366, ge=1, le=3660, description="Days that an answer can be fetched again.")


class DifferencingEntry(Entry):
    units: int = Field(default=10, ge=0, le=1_000_000, description="So few declared units between two populations.")
    share: Exact = Field(default=Decimal("0.01"), gt=0, le=1, description="Or so small a share of a column's values,")
    times: int = Field(default=4, ge=2, le=1000, description="so many times.")


class AveragingEntry(Entry):
    draws: int = Field(default=6, ge=2, le=1000, description="One quantity drawn anew so many times.")


class RefusalsEntry(Entry):
    count: int = Field(default=30, ge=2, le=10_000, description="So many refusals of one buyer")
    minutes: int = Field(default=10, ge=1, le=1440, description="within so many minutes.")


class AlertsEntry(Entry):
    budget: tuple[Annotated[Exact, Field(gt=0, le=1)], ...] = Field(
        default=(Decimal("0.5"), Decimal("0.8"), Decimal("0.95")), description="Shares of an account that are spent."
    )
    differencing: DifferencingEntry = Field(default_factory=DifferencingEntry)
    averaging: AveragingEntry = Field(default_factory=AveragingEntry)
    within_hours: int = Field(default=24, ge=1, le=8760, description="What is counted together.")
    refusals: RefusalsEntry = Field(default_factory=RefusalsEntry)
    known_after: int = Field(
        default=100,
        ge=10,
        le=100_000,
        description="Queries, of five days or more, that make a buyer's habits.",
    )
    keep_days: int = Field(default=30, ge=1, le=366, description="Days that queries are compared with later ones.")


class PolicyDocument(Entry):
    """One dataset: what it is, who may ask what of it, for how much privacy and money."""

    dataset: Name
    title: str = ""
    provider: ProviderEntry
    engine: EngineEntry
    compliance: ComplianceEntry
    privacy: PrivacyEntry
    tables: dict[Name, TableEntry] = Field(min_length=1)
    grants: tuple[GrantEntry, ...] = ()
    prices: dict[Name, PriceEntry] = Field(default_factory=dict)
    retention: RetentionEntry = Field(default_factory=RetentionEntry, description="How long what is kept is kept.")
    confirm: tuple[str, ...] = Field(
        default=(), exclude_if=_unsaid, description="Guesses that nobody has confirmed: with any, nothing is served."
    )
    alerts: AlertsEntry = Field(
        default_factory=AlertsEntry,
        exclude_if=lambda said: said == AlertsEntry(),
        description="From when on early warning tells you and the supervisor.",
    )
