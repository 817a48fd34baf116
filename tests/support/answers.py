"""Runs a program without a server: every step of it in order, on one open DuckDB connection."""

from contextlib import contextmanager

import pyarrow as pa

from gateway.engines.post import PostProcessor
from gateway.engines.shown import FinishedRows
from gateway.planning import Planned
from gateway.privacy.measurement import Derived, Measurement, NoisyTable, PublicRead
from gateway.privacy.release import release

SECRET = "0f" * 32


def ipc_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@contextmanager
def holding(connection, inputs: dict[str, bytes]):
    """Keep released tables beside the database for one statement, as the engine's worker does."""
    try:
        for name, ipc in inputs.items():
            connection.register(name, pa.ipc.open_stream(ipc).read_all())
        yield
    finally:
        for name in inputs:
            connection.unregister(name)


def exact_rows(connection, measurement: Measurement, inputs: dict[str, bytes]) -> list[pa.Table]:
    tables = []
    for probe in measurement.probes:
        with holding(connection, {name: inputs[name] for name in probe.inputs}):
            found = connection.sql(probe.sql, params=[SECRET] * probe.parameters or None)
            tables.append(found.to_arrow_table())
    return tables


def _run(connection, planned: Planned, post: PostProcessor):
    """Run every step; return (noisy tables, public rows, released tables that later steps read)."""
    tables: list[NoisyTable] = []
    measurements: list[Measurement] = []
    reads: dict[str, bytes] = {}
    inputs: dict[str, bytes] = {}
    for step in planned.program.steps:
        match step:
            case Measurement():
                tables.append(release(step, exact_rows(connection, step, inputs), {}))
                measurements.append(step)
            case PublicRead():
                reads[step.name] = ipc_of(connection.sql(step.sql).to_arrow_table())
            case Derived():
                inputs[step.name] = post.derive(tables, reads, measurements, step)
    return tables, reads, inputs


def staged(connection, planned: Planned) -> dict[str, bytes]:
    """Return the released tables that measurements of a query read."""
    if not any(isinstance(step, Derived) for step in planned.program.steps):
        return {}
    return _run(connection, planned, PostProcessor())[2]


def answered(connection, planned: Planned, *, post: PostProcessor | None = None, seed: int = 1) -> FinishedRows:
    """Return the rows and intervals of a planned query over an open database."""
    processor = post or PostProcessor()
    tables, reads, _ = _run(connection, planned, processor)
    program = planned.program
    return processor.finish(tables, reads, list(program.measurements), program.finish, seed, None)
