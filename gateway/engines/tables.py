"""Released tables as Arrow, for the gateway's own DuckDB: cells as released, or once for every redraw of the noise."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gateway.catalog.types import Cell, SqlType, TypeKind
from gateway.privacy.intervals import Redraws
from gateway.privacy.measurement import Measurement, NoisyTable


def cells_of(noisy: NoisyTable, measurement: Measurement) -> pa.Table:
    """Return `__cell`, the keys, and the noisy columns: integers, or quantiles (NULL where there is none)."""
    columns: dict[str, pa.Array] = {"__cell": pa.array(range(len(noisy.keys)), pa.int64())}
    columns |= _keys(noisy, measurement)
    for column in noisy.columns:
        columns[column.name] = pa.array(column.values, pa.int64() if column.curves is None else pa.float64())
    return pa.table(columns)


def drawn_cells(noisy: NoisyTable, measurement: Measurement, redraws: Redraws, draws: int) -> pa.Table:
    """Return the same table draws + 1 times, `__draw` 0 as released and then with fresh noise."""
    cells = len(noisy.keys)
    index = np.tile(np.arange(cells, dtype=np.int64), draws + 1)
    columns: dict[str, pa.Array] = {
        "__draw": pa.array(np.repeat(np.arange(draws + 1, dtype=np.int64), cells)),
        "__cell": pa.array(index),
    }
    columns |= {name: keys.take(pa.array(index)) for name, keys in _keys(noisy, measurement).items()}
    digests = {primitive.name: primitive.digest for primitive in measurement.primitives}
    for column in noisy.columns:
        drawn: npt.NDArray[np.int64] | npt.NDArray[np.float64]
        if column.curves is None:
            drawn = redraws.integers(column, digests[column.name], draws)
            columns[column.name] = pa.array(drawn.reshape(-1))
        else:
            drawn = redraws.quantiles(column, draws)
            columns[column.name] = pa.array(drawn.reshape(-1), from_pandas=True)
    return pa.table(columns)


def draws_table(draws: int) -> pa.Table:
    return pa.table({"__draw": pa.array(np.arange(draws + 1, dtype=np.int64))})


def numbered_rows(rows: pa.Table) -> pa.Table:
    """Return public rows with their number as `__row`."""
    return rows.append_column("__row", pa.array(np.arange(rows.num_rows, dtype=np.int64)))


def _keys(noisy: NoisyTable, measurement: Measurement) -> dict[str, pa.Array]:
    """Return each key in its own type."""
    return {key.name: _key([cells[i] for cells in noisy.keys], key.type) for i, key in enumerate(measurement.keys)}


def _key(column: list[Cell], type_: SqlType) -> pa.Array:
    """Return a key's cells in its type, read from their canonical text; whole numbers and texts are what they are."""
    kinds = set(map(type, column))
    if type_.kind is TypeKind.INTEGER and kinds <= {int, type(None)}:
        return pa.array(column, pa.int64())
    texts = column if kinds <= {str, type(None)} else [_text(cell) for cell in column]
    return pa.array(texts, pa.string()).cast(_arrow(type_))


def _arrow(type_: SqlType) -> pa.DataType:
    match type_.kind:
        case TypeKind.DECIMAL:
            return pa.decimal128(type_.precision, type_.scale)
        case TypeKind.INTEGER:
            return pa.int64()
        case TypeKind.BOOLEAN:
            return pa.bool_()
        case TypeKind.DATE:
            return pa.date32()
        case TypeKind.TIMESTAMP:
            return pa.timestamp("us")
        case _:
            assert type_.kind is TypeKind.TEXT  # INVARIANT: nothing else is a key (privacy/keys)
            return pa.string()


def _text(cell: Cell) -> str | None:
    return None if cell is None else ("true" if cell is True else "false" if cell is False else str(cell))
