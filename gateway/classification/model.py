"""What is known of tables when a policy is proposed for them, and what is guessed. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from gateway.catalog.inspection import EngineTable
from gateway.catalog.model import DataClass, Use
from gateway.catalog.types import Cell, Scalar, SqlType

Place = tuple[str, str]
"""(table, column) as the engine spells them."""


@dataclass(frozen=True, slots=True)
class ColumnLook:
    """What the values of a column say. `common` holds (value, how many people or rows have it) where they are few.

    It may hold anything of the data: no message shows it, and of a proposal only what its comments say is from values.
    """

    nulls: int
    distinct: int
    low: Scalar | None = None
    high: Scalar | None = None
    common: tuple[tuple[Cell, int], ...] | None = field(default=None, repr=False)
    examples: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class TableLook:
    rows: int
    columns: Mapping[str, ColumnLook]


@dataclass(frozen=True, slots=True)
class Looks:
    """What was read of the data, for its provider alone: empty where only names and types were.

    `strays` are links of which some rows lead to no row; `crowd` is how many rows of a table nineteen of twenty people
    have at most.
    """

    tables: Mapping[str, TableLook] = field(default_factory=dict)
    strays: frozenset[tuple[Place, Place]] = frozenset()
    crowd: Mapping[str, int] = field(default_factory=dict)

    def column(self, table: str, column: str) -> ColumnLook | None:
        """Return what the values of a column say, if they were read."""
        found = self.tables.get(table)
        return found.columns.get(column) if found is not None else None


@dataclass(frozen=True, slots=True)
class Facts:
    """What somebody wrote down of tables elsewhere: keys, NULLs, values, references, descriptions, personal data.

    `notes` says in words what was read there and is not taken over.
    """

    unique: frozenset[tuple[str, tuple[str, ...]]] = frozenset()
    not_null: frozenset[Place] = frozenset()
    values: Mapping[Place, tuple[Cell, ...]] = field(default_factory=dict)
    references: Mapping[Place, Place] = field(default_factory=dict)
    described: Mapping[Place, str] = field(default_factory=dict)
    personal: frozenset[Place] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A column that leads to a key of another table, and how that is known: declared, or from names."""

    table: str
    column: str
    target: str
    key: str
    declared: bool


@dataclass(frozen=True, slots=True)
class Key:
    """A column that tells the rows of a table apart, and how that is known: declared, from values, from names."""

    column: str
    how: str


@dataclass(frozen=True, slots=True)
class Shape:
    """How tables hang together: the unit, each table's key, the step of each private table towards the unit."""

    unit: Place
    why: str
    keys: Mapping[str, Key]
    steps: Mapping[str, Link]
    links: tuple[Link, ...]

    def leads(self, table: str) -> bool:
        """Tell whether a table is the unit's or leads to it."""
        return table == self.unit[0] or table in self.steps

    def is_key(self, place: Place) -> bool:
        """Tell whether a column is the unit's key, or one of the paths to it."""
        led = {(step.table, step.column) for step in self.steps.values()}
        return place == self.unit or place in led | {(step.target, step.key) for step in self.steps.values()}


@dataclass(frozen=True, slots=True)
class Seen:
    """A column as rules see it. `words` are those of its name and of what is written of it elsewhere."""

    table: str
    name: str
    type: SqlType
    words: frozenset[str]
    text: str
    nullable: bool
    rows: int | None = None
    look: ColumnLook | None = None
    personal: bool = False
    link: Link | None = None
    links_to_public: bool = False
    identifies: bool = False
    """It alone tells the rows of its table apart."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What a column is proposed to be, and why. `unsure` are the keys of its entry that somebody has to confirm."""

    why: str
    data_class: DataClass = DataClass.GENERAL
    use: tuple[Use, ...] = ()
    bounds: tuple[Scalar, Scalar] | None = None
    values: tuple[Cell, ...] | None = None
    granularity: Decimal | None = None
    not_null: bool = False
    unsure: tuple[str, ...] = ()
    identifying: bool = False
    """What it holds is of one person alone: a table with such a column is not proposed as open."""


@dataclass(frozen=True, slots=True)
class TableGuess:
    """What a table is proposed to be. `left_out` says why it is not among the tables."""

    table: EngineTable
    rows: int
    columns: Mapping[str, Guess]
    unique: tuple[tuple[str, ...], ...] = ()
    step: Link | None = None
    per_unit: tuple[int, int] | None = None
    public: bool = False
    left_out: str = ""
    unsure: tuple[tuple[str, str], ...] = ()
    """(key of the table's entry, why it has to be confirmed)."""
