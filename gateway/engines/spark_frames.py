"""One round trip for a statement: Spark's own client asks what a statement is, then its columns, then its rows.

What it is and which columns it has is known here. Each question would have Spark analyse it anew, and list its files.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def asked(spark: Any, sql: str, parameters: Sequence[str] = ()) -> Any:
    """Return the frame of a query, of which Spark is told nothing before its rows are fetched."""
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.functions.builtin import lit
    from pyspark.sql.connect.plan import SQL

    return DataFrame(SQL(sql, [lit(value) for value in parameters]), spark)


def fetched(frame: Any) -> pa.Table:
    """Return a frame's rows, in the types that Spark gives them."""
    table, _ = frame._to_table()  # noqa: SLF001 - `toArrow` is this, behind a question for the columns
    return table


def rows(spark: Any, sql: str) -> pa.Table:
    """Return the rows of a query."""
    return fetched(asked(spark, sql))
