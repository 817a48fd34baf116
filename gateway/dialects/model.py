"""What a dialect is given and what it makes: a canonical statement with its tables, and one engine's text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.catalog.types import SqlType

Columns = Mapping[str, SqlType]


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables that a statement may name: base tables and staged (released) ones, each with its columns' types.

    `schema` is where the base tables are, for an engine that is told with each of them: what else is there is not found
    by its name alone.
    """

    base: Mapping[str, Columns] = field(default_factory=lambda: MappingProxyType({}))
    staged: Mapping[str, Columns] = field(default_factory=lambda: MappingProxyType({}))
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A statement in one engine's words, and how many times it takes the secret of the keyed hash, one after another.

    Where an engine has no tables of its own for released rows, each column of each of them follows as one parameter.
    """

    sql: str
    parameters: int
