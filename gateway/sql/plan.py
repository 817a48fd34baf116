"""The gateway's own relational nodes: what a query means, with every name, type and range known.

Columns are ids (`c1`, `c2`...) that are unique in a whole plan, so that a node never needs a qualifier. No node
says anything of privacy; privacy/ownership reads them. Positions point into the buyer's SQL.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.model import Table
from gateway.errors import Position
from gateway.sql.terms import Term


@dataclass(frozen=True, slots=True)
class Field:
    """One output column of a relation: the buyer's name, and a bare-column term whose id computes it."""

    name: str
    term: Term
    id: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        column_id = self.term.id
        assert column_id is not None  # INVARIANT: a field is a bare column
        object.__setattr__(self, "id", column_id)


class JoinKind(StrEnum):
    """SEMI and ANTI keep left rows that have a match, or none; MARK keeps all and says which in a column of its own."""

    INNER = "INNER"
    LEFT = "LEFT"
    RIGHT = "RIGHT"
    FULL = "FULL"
    SEMI = "SEMI"
    ANTI = "ANTI"
    MARK = "MARK"


class AggregateKind(StrEnum):
    """Aggregate functions. MEDIAN is QUANTILE_CONT at 1/2; APPROX_COUNT_DISTINCT is COUNT_DISTINCT."""

    COUNT_ROWS = "COUNT(*)"
    COUNT = "COUNT"
    COUNT_DISTINCT = "COUNT(DISTINCT)"
    SUM = "SUM"
    AVG = "AVG"
    MIN = "MIN"
    MAX = "MAX"
    VAR_POP = "VAR_POP"
    VAR_SAMP = "VAR_SAMP"
    STDDEV_POP = "STDDEV_POP"
    STDDEV_SAMP = "STDDEV_SAMP"
    COVAR_POP = "COVAR_POP"
    COVAR_SAMP = "COVAR_SAMP"
    CORR = "CORR"
    REGR_SLOPE = "REGR_SLOPE"
    REGR_INTERCEPT = "REGR_INTERCEPT"
    REGR_R2 = "REGR_R2"
    REGR_COUNT = "REGR_COUNT"
    REGR_AVGX = "REGR_AVGX"
    REGR_AVGY = "REGR_AVGY"
    REGR_SXX = "REGR_SXX"
    REGR_SYY = "REGR_SYY"
    REGR_SXY = "REGR_SXY"
    QUANTILE_CONT = "QUANTILE_CONT"
    QUANTILE_DISC = "QUANTILE_DISC"
    BOOL_AND = "BOOL_AND"
    BOOL_OR = "BOOL_OR"
    MODE = "MODE"
    APPROX_TOP_K = "APPROX_TOP_K"


class WindowKind(StrEnum):
    """Window functions besides the aggregates COUNT(*), COUNT, SUM, AVG, MIN and MAX."""

    ROW_NUMBER = "ROW_NUMBER"
    RANK = "RANK"
    DENSE_RANK = "DENSE_RANK"
    PERCENT_RANK = "PERCENT_RANK"
    CUME_DIST = "CUME_DIST"
    NTILE = "NTILE"
    LAG = "LAG"
    LEAD = "LEAD"
    FIRST_VALUE = "FIRST_VALUE"
    LAST_VALUE = "LAST_VALUE"
    NTH_VALUE = "NTH_VALUE"


class SetKind(StrEnum):
    """UNION is UNION ALL below an Aggregate whose keys are all columns; INTERSECT and EXCEPT drop duplicates."""

    UNION_ALL = "UNION ALL"
    INTERSECT = "INTERSECT"
    EXCEPT = "EXCEPT"


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
    table does not hold it; rows without one are dropped. None: the table is read as it is, because it is public, or
    `anchored`: the row that it is joined to says whose it is.
    """

    table: Table
    fields: tuple[Field, ...]
    place: Position | None
    owner: Field | None = None
    chain: tuple[Link, ...] = ()
    anchored: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    input: "Plan"
    condition: tuple[Term, ...]
    """Top-level AND terms."""
    fields: tuple[Field, ...]
    """The input's fields, with what the condition lets be known of them."""
    place: Position | None


@dataclass(frozen=True, slots=True)
class Values:
    """Rows written in the query: literal terms, one tuple a row, in the order of `fields`."""

    rows: tuple[tuple[Term, ...], ...]
    fields: tuple[Field, ...]
    place: Position | None


@dataclass(frozen=True, slots=True)
class Computed:
    """A new column: `field.id` holds `term`. A bare column passes on under its own id, or is given a new one."""

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
    """The left's and the right's; of SEMI and ANTI the left's; of MARK the left's and `mark`."""
    place: Position | None
    mark: Field | None = None
    """A boolean, never NULL: whether any row on the right meets the condition. MARK alone has it."""
    single: bool = False
    """A scalar subquery: no row on the left may have more than one match, else SQL would raise an error."""


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """One aggregate function over the input's columns; `field` is its output column.

    `arguments` are none for COUNT(*), two for COVAR, CORR and REGR (y, x), else one. Over released counts, ownership
    gives MODE and APPROX_TOP_K two: the value, and how often it was counted. `parameter` is the fraction of a quantile
    or the k of APPROX_TOP_K.
    """

    kind: AggregateKind
    arguments: tuple[Term, ...]
    filter: Term | None
    field: Field
    place: Position | None
    parameter: Fraction | None = None

    @property
    def argument(self) -> Term | None:
        """The first argument, if there is one."""
        return self.arguments[0] if self.arguments else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The key tuples that are asked for, of a subquery that was correlated: the `columns` of `plan`, in key order.

    Leaving other tuples out changes no answer: what is joined to the aggregate holds no others.
    """

    plan: "Plan"
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """GROUP BY: `keys` pairs the output field with the key expression over the input. DISTINCT has keys alone."""

    input: "Plan"
    keys: tuple[Computed, ...]
    calls: tuple[AggregateCall, ...]
    place: Position | None
    wanted: Wanted | None = None

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


@dataclass(frozen=True, slots=True)
class WindowCall:
    """One window function; `frame` is a checked sqlglot WindowSpec over literals, or None for SQL's default."""

    kind: WindowKind | AggregateKind
    arguments: tuple[Term, ...]
    filter: Term | None
    partition: tuple[Term, ...]
    order: tuple[SortKey, ...]
    frame: exp.WindowSpec | None
    field: Field
    place: Position | None


@dataclass(frozen=True, slots=True)
class Window:
    """Adds columns computed over partitions; QUALIFY is a Filter above."""

    input: "Plan"
    calls: tuple[WindowCall, ...]
    place: Position | None

    @property
    def fields(self) -> tuple[Field, ...]:
        return (*self.input.fields, *(call.field for call in self.calls))


@dataclass(frozen=True, slots=True)
class SetOperation:
    """Rows of two inputs with as many columns of the same types: column i of each becomes `fields[i]`.

    `grouped`: they are grouping sets of one query.
    """

    kind: SetKind
    left: "Plan"
    right: "Plan"
    fields: tuple[Field, ...]
    place: Position | None
    grouped: bool = False


# -- leaves that privacy/ownership puts in the place of what it has decided on ----------------------------------------


@dataclass(frozen=True, slots=True)
class Measured:
    """The noisy table of the measurement `name`, its aggregates computed: a leaf of what is finished."""

    name: str
    fields: tuple[Field, ...]
    place: Position | None


@dataclass(frozen=True, slots=True)
class Read:
    """Rows of public tables alone, read by the engine as they are, under `name`: a leaf of what is finished."""

    name: str
    plan: "Plan"
    fields: tuple[Field, ...]
    place: Position | None


@dataclass(frozen=True, slots=True)
class Staged:
    """Released rows (the finished `plan`) that a later measurement reads under `name`: a leaf of owned rows."""

    name: str
    plan: "Plan"
    fields: tuple[Field, ...]
    place: Position | None


Plan = (
    Scan
    | Values
    | Filter
    | Project
    | Join
    | Aggregate
    | Window
    | SetOperation
    | Sort
    | Limit
    | Measured
    | Read
    | Staged
)
