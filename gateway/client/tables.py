"""A result as an Arrow table, and as what is made of one. Arrow's types are chosen by the SQL type, never guessed."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from gateway.client.values import Column, Value

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from gateway.client.result import Result

INT64 = range(-(2**63), 2**63)
DIGITS_128, DIGITS_256 = 38, 76
"""Decimal digits of Arrow's two widths."""


def arrow(result: "Result", *, intervals: bool) -> pa.Table:
    """Return the rows as a table; with `intervals`, two further columns after each noisy one.

    BIGINT is int64, or a decimal without scale where a value is beyond 64 bits; DECIMAL is decimal128 (256 beyond 38
    digits); ends of a DECIMAL's interval are float64. An end whose name a column has already gets `_` behind it.
    """
    names: list[str] = []
    arrays: list[pa.Array] = []
    taken = {column.name for column in result.columns}
    for index, column in enumerate(result.columns):
        names.append(column.name)
        arrays.append(_array(column, [row[index] for row in result.rows]))
        if intervals and column.noisy:
            held = result.intervals[column.name]
            ends = Column(column.name, "DOUBLE") if column.kind == "DECIMAL" else column
            for side, suffix in enumerate(("low", "high")):
                names.append(_free(f"{column.name}_{suffix}", taken))
                arrays.append(_array(ends, [None if one is None else one[side] for one in held]))
    return pa.Table.from_arrays(arrays, names=names)


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no column has, and take it."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _array(column: Column, values: Sequence[Value]) -> pa.Array:
    match column.kind:
        case "BIGINT":
            return _integers(values)
        case "DECIMAL":
            return _decimals(column, values)
        case "DOUBLE":
            return pa.array(values, pa.float64())
        case "BOOLEAN":
            return pa.array(values, pa.bool_())
        case "DATE" | "TIMESTAMP":
            return _times(values, pa.date32() if column.kind == "DATE" else pa.timestamp("us"))
        case "VARCHAR" | "UUID":
            return pa.array([None if value is None else str(value) for value in values], pa.string())
        case _:
            return pa.array(values)


def _integers(values: Sequence[Value]) -> pa.Array:
    if all(value is None or value in INT64 for value in values):
        return pa.array(values, pa.int64())
    widest = max(len(str(abs(value))) for value in values if value is not None)
    return pa.array([None if value is None else Decimal(value) for value in values], _decimal(widest, 0))


def _decimals(column: Column, values: Sequence[Value]) -> pa.Array:
    precision, scale = column.digits or (DIGITS_128, 0)
    for value in values:  # a sum may have more digits before its point than its type says
        if value is not None:
            precision = max(precision, scale + max(value.adjusted() + 1, 0))
    return pa.array(values, _decimal(precision, scale))


def _decimal(precision: int, scale: int) -> pa.DataType:
    if precision > DIGITS_256:
        raise ValueError(f"a number of {precision} digits has no type in Arrow: read it from the rows")
    return pa.decimal128(precision, scale) if precision <= DIGITS_128 else pa.decimal256(precision, scale)


def _times(values: Sequence[Value], type_: pa.DataType) -> pa.Array:
    if any(isinstance(value, str) for value in values):  # beyond the years that Python has: as text, all of them
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    return pa.array(values, type_)


def pandas_frame(
    result: "Result", *, intervals: bool, dtype_backend: Literal["pyarrow", "numpy_nullable"]
) -> "pd.DataFrame":
    """Return a pandas data frame. Raises ImportError where pandas is not installed."""
    try:
        import pandas as pd  # noqa: PLC0415 - only where it is asked for
    except ImportError:
        raise _missing("to_pandas", "pandas") from None
    nullable: dict[Any, Any] = {
        pa.int64(): pd.Int64Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype(),
    }
    mapper = pd.ArrowDtype if dtype_backend == "pyarrow" else nullable.get
    return arrow(result, intervals=intervals).to_pandas(types_mapper=mapper)


def polars_frame(result: "Result", *, intervals: bool) -> "pl.DataFrame":
    """Return a Polars data frame. Raises ImportError where Polars is not installed."""
    try:
        import polars as pl  # noqa: PLC0415 - only where it is asked for
    except ImportError:
        raise _missing("to_polars", "polars") from None
    frame = pl.from_arrow(arrow(result, intervals=intervals))
    assert isinstance(frame, pl.DataFrame)  # INVARIANT: of a table, never of a single column
    return frame


def _missing(method: str, package: str) -> ImportError:
    return ImportError(f"{method} needs the package {package}: pip install {package}", name=package)
