"""What a row of the table of functions holds: how a syntax node is resolved, and what its documentation says of it.

The rows stand in gateway/sql/table, one file a noun, their handlers beside it; gateway/sql/expressions.py joins them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from gateway.sql.terms import Term

Resolve = Callable[[exp.Expr], Term]


@dataclass(frozen=True, slots=True)
class Example:
    """An expression of literals and its value, both as SQL writes them (texts quoted, dates bare)."""

    sql: str
    value: str
    dialect: str = "duckdb"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the handler, the parts of the node that it reads, and the words of the documentation.

    `written` is how SQL calls it; `result` its type and what is known of the range; `null` what makes NULL besides a
    NULL argument; `watch` where dialects differ, and what another engine must be told to compute the same. `postgres`
    says what of it is refused for data on PostgreSQL, which would compute another value; nothing: it is the same.
    `spark` says it for data on Spark, where that is another thing than on PostgreSQL.
    """

    handler: Callable[[Any, Resolve], Term]
    parts: tuple[str, ...]
    written: str
    result: str
    null: str
    watch: str
    examples: tuple[Example, ...]
    postgres: str = ""
    spark: str = ""

    @property
    def on_spark(self) -> str:
        """What of it is refused for data on Spark."""
        return self.spark or self.postgres


Rows = Mapping[type[exp.Expr], Row]
