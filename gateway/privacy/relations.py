"""What a relation is to privacy: public, owned row by row, or released. The values that ownership hands on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.sql.plan import Aggregate, Plan, Read, Staged

ChainKey = tuple[str, str]
"""A foreign key by the (table, column) that it refers to."""


@dataclass(frozen=True, slots=True)
class Public:
    """Built from public tables and literals alone, or released before.

    `unique` holds sets of column ids that no two rows share: the empty set where there is at most one row. `exact`
    is False where two runs of an engine may differ (a float SUM, LIMIT without a whole order): such rows may leave,
    but nothing private may be joined to them.
    """

    plan: Plan
    unique: frozenset[frozenset[str]] = frozenset()
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Owned:
    """Each row is a bit-exact function of one unit's rows and public data.

    `owner` is the id of the owner's column, never NULL, which every node of the plan has among its fields (a Scan over
    a chain: in `owner` alone). `aliases` are the ids in sight that equal it, `chains` those that hold a chain key.
    `unique` and `determined` (ids whose value the owner fixes) rest on declared facts: they choose bounds, never
    soundness. `rows` and `groups` are the policy's contribution bounds, `declared_rows` the size.
    """

    plan: Plan
    owner: str
    aliases: frozenset[str]
    chains: Mapping[ChainKey, frozenset[str]] = field(hash=False)
    unique: frozenset[frozenset[str]]
    determined: frozenset[str]
    rows: int
    groups: int
    declared_rows: int


@dataclass(frozen=True, slots=True)
class Padded:
    """A public relation LEFT JOIN an owned one: `public` keeps all its rows, `owned` is the inner join of both.

    Only an Aggregate by public columns may stand above: the public side lists the cells, the owned is measured.
    `columns` are the ids of the public side's columns, `empty` those that are NULL where nothing matched.
    """

    public: Public
    owned: Owned
    columns: frozenset[str]
    empty: frozenset[str]


@dataclass(frozen=True, slots=True)
class Released:
    """Noisy output of measurements, and public rows beside it: post-processing from here on.

    The plan's leaves are Measured and Read. `noisy` holds the ids whose values carry noise, `unique` as above.
    """

    plan: Plan
    noisy: frozenset[str]
    unique: frozenset[frozenset[str]] = frozenset()


Relation = Public | Owned | Padded | Released


@dataclass(frozen=True, slots=True)
class Factor:
    """A public relation that lists the values of some keys together: its `columns[i]` are those of key `keys[i]`."""

    plan: Plan
    keys: tuple[int, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """An aggregate over owned rows whose keys do not determine the owner: what is bounded, noised and charged.

    `aggregate.input` is `owned.plan`. `factors` list the cells where public relations do; the engine joins them in,
    so that each is noised in the same draw. `inputs` are the Staged leaves that its rows read.
    """

    name: str
    aggregate: Aggregate
    owned: Owned
    factors: tuple[Factor, ...]
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Analysis:
    """A whole query: what is finished, and the steps before it in an order in which each finds what it reads."""

    root: Released
    steps: tuple[Measure | Read | Staged, ...]
