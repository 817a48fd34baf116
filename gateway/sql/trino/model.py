"""What a statement of Trino's door means: a question of one dataset, or of the catalogue. Never here: its answer."""

from dataclasses import dataclass

CATALOG = "gateway"
"""The catalogue whose schemas are datasets."""

SYSTEM = "system"
"""The catalogue of tables about the others, and of the functions and session properties."""

INFORMATION_SCHEMA = "information_schema"


@dataclass(frozen=True, slots=True)
class Namespace:
    """Where names without qualifiers are looked for, as the session says it; None where it says nothing."""

    catalog: str | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A query in Trino's dialect. `parameters` is the text behind USING, None without it; `user` who asks."""

    sql: str
    namespace: Namespace = Namespace()
    parameters: str | None = None
    user: str = ""


@dataclass(frozen=True, slots=True)
class Meant:
    """What a query means.

    A question of a dataset: `tables` is None, `sql` is Trino's without qualifiers, `dataset` as it was written, None
    where nothing names it. A question of the catalogue: `sql` is DuckDB's over `tables`, each `catalog.schema.table`.
    """

    sql: str
    dataset: str | None = None
    tables: tuple[str, ...] | None = None
