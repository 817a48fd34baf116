"""Rows as they are handed from process to process."""

import pyarrow as pa


def stream(table: pa.Table, compression: str | None = None) -> bytes:
    """Return a table as an Arrow IPC stream; `compression` is a codec that every reader of Arrow knows, as lz4."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
