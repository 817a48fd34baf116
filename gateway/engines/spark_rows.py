"""Rows of Spark as the plan names their types, released rows as views of a session, and what a statement scanned."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from gateway.engines.spark_files import quoted
from gateway.ports import InputTable

Columns = Sequence[tuple[str, str]]
"""Names, with their types as the gateway writes them."""

_ARROW = {
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def planned(found: pa.Table, columns: Columns) -> pa.Table:
    """Return rows in exactly these columns. Raises ArrowInvalid for a value that its type does not hold."""
    arrays = []
    for name, type_ in columns:
        decimal = _DECIMAL.fullmatch(type_)
        wanted = pa.decimal128(int(decimal[1]), int(decimal[2])) if decimal else _ARROW.get(type_)
        arrays.append(pa.nulls(found.num_rows) if wanted is None else found.column(name).cast(wanted))
    return pa.table(arrays, names=[name for name, _ in columns])


@contextmanager
def holding(spark: Any, inputs: Sequence[InputTable]) -> Iterator[None]:
    """Keep released tables as views beside the others for one statement."""
    from pyspark.sql.pandas.types import from_arrow_schema

    held: list[str] = []
    try:
        for given in inputs:
            table = pa.ipc.open_stream(given.ipc).read_all()
            schema = from_arrow_schema(table.schema, prefer_timestamp_ntz=True)
            spark.createDataFrame(table, schema).createOrReplaceTempView(quoted(given.name))
            held.append(given.name)
        yield
    finally:
        for name in held:
            spark.catalog.dropTempView(name)


def scanned(frame: Any) -> tuple[tuple[str, int], ...]:
    """Return each node of the plan that read files, by its name and number, with how many rows it read.

    Nothing where the server tells nothing of the plan.
    """
    metrics = getattr(frame.executionInfo, "metrics", None)
    _, nodes = metrics.extract_graph() if metrics is not None else (0, {})
    found = []
    for node in nodes.values():
        rows = [int(metric.value) for metric in node.metrics if metric.name == "numOutputRows"]
        if node.name.startswith("Scan ") and rows:
            found.append((f"{node.name.strip()} {node.id}", sum(rows)))
    return tuple(sorted(found))
