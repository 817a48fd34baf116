"""The gateway's own relational nodes: what a query means, with every name, type and range known.

Columns are ids (`c1`, `c2`...) that are unique in a whole plan, so that a node never needs a qualifier. No node
says anything of privacy; privacy/ownership reads them. Positions point into the buyer's SQL.
"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.catalog.model import Table
from gateway.errors import Position
from gateway.sql.terms import Term


@dataclass(frozen=True, slots=True)
class Field:
    """One output column of a relation: the buyer's name, and a bare-column term whose id computes it."""

    name: str
    term: Term

    @property
    def id(self) -> str:
        column_id = self.term.id
        assert column_id is not None  # INVARIANT: a field is a bare column
        return column_id


class JoinKind(StrEnum):
    INNER = "INNER"
    LEFT = "LEFT"
    RIGHT = "RIGHT"
    FULL = "FULL"


class AggregateKind(StrEnum):
    COUNT_ROWS = "COUNT(*)"
    COUNT = "COUNT"
    COUNT_DISTINCT = "COUNT(DISTINCT)"
    SUM = "SUM"
    AVG = "AVG"


@dataclass(frozen=True, slots=True)
class Link:
    """One step of the chain from a private table towards the unit: `column` of the step before is equal to `target`."""

    column: str
    table: Table
    target: str


@dataclass(frozen=True, slots=True)
class Scan:
    """A base table: each field's origin names its column.

    `owner` (set by privacy/ownership alone) is the column id that holds the unit key, found over `chain` where the
    table does not hold it; rows without one are dropped. None: the table is read as it is.
    """

    table: Table
    fields: tuple[Field, ...]
    place: Position | None
    owner: Field | None = None
    chain: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    input: "Plan"
    condition: tuple[Term, ...]
    """Top-level AND terms."""
    fields: tuple[Field, ...]
    """The input's fields, with what the condition lets be known of them."""
    place: Position | None


@dataclass(frozen=True, slots=True)
class Computed:
    """A new column: `field.id` holds `term`. A bare column passes on under its own id."""

    field: Field
    term: Term


@dataclass(frozen=True, slots=True)
class Project:
    input: "Plan"
    columns: tuple[Computed, ...]
    place: Position | None

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(column.field for column in self.columns)


@dataclass(frozen=True, slots=True)
class Join:
    kind: JoinKind
    left: "Plan"
    right: "Plan"
    condition: tuple[Term, ...]
    equalities: tuple[tuple[str, str], ...]
    """Pairs of bare columns (left id, right id) that the condition sets equal, of the same type."""
    fields: tuple[Field, ...]
    place: Position | None


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """One aggregate function: its argument and FILTER over the input's columns; `field` is its released column."""

    kind: AggregateKind
    argument: Term | None
    filter: Term | None
    field: Field
    place: Position | None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """GROUP BY: `keys` pairs the released field with the key expression over the input."""

    input: "Plan"
    keys: tuple[Computed, ...]
    calls: tuple[AggregateCall, ...]
    place: Position | None

    @property
    def fields(self) -> tuple[Field, ...]:
        return (*(key.field for key in self.keys), *(call.field for call in self.calls))


@dataclass(frozen=True, slots=True)
class SortKey:
    term: Term
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Sort:
    input: "Plan"
    keys: tuple[SortKey, ...]
    fields: tuple[Field, ...]
    place: Position | None


@dataclass(frozen=True, slots=True)
class Limit:
    input: "Plan"
    count: int | None
    offset: int
    fields: tuple[Field, ...]
    place: Position | None


Plan = Scan | Filter | Project | Join | Aggregate | Sort | Limit
