"""The doors of the core: what it needs of the world, where there are really two implementations.

Nothing here does anything; the composition root (app.py) passes the real ones in.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the time in UTC."""
        ...


class Randomness(Protocol):
    def token_bytes(self, count: int) -> bytes:
        """Return `count` bytes that nobody can predict."""
        ...


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands still: for tests and for planning under one constant `now()`."""

    at: datetime

    def now(self) -> datetime:
        return self.at.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class InputTable:
    """Released rows that a statement reads as a table `name`: an Arrow IPC stream."""

    name: str
    ipc: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL of ours for one engine, with its bound parameters in order and the released tables that it reads.

    `parameters` holds the secret of the keyed hash as text; it never appears in `sql`. `query_id` names the query in
    the provider's log, beside whatever the engine says of it. `columns` is what comes back, each name
    with its type as the gateway writes it, for engines whose rows do not say it themselves. `few`: the plan tells that
    few rows come back, and that their keys are public.
    """

    sql: str
    parameters: tuple[str, ...] = ()
    inputs: tuple[InputTable, ...] = ()
    query_id: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    few: bool = False


@dataclass(frozen=True, slots=True)
class EngineCost:
    """What a statement truly cost. The provider's alone: it would tell about the data."""

    wall_ms: float
    cpu_ms: float
    rows: int
    peak_memory_bytes: int
    scanned: tuple[tuple[str, int], ...] = ()
    """Rows that each node of the engine's plan read, where it tells."""
    read_bytes: int = 0
    """Bytes that came from disk, not out of a cache; of an engine that does not tell, 0."""
    estimated: bool = False
    """Whether `scanned` is what the engine expected to read."""


@dataclass(frozen=True, slots=True)
class EngineProgress:
    """How far an engine is with a statement, as far as it tells. The provider's alone: it would tell about the data."""

    elapsed_ms: float
    cpu_ms: float | None = None
    """Processor time of the statement so far."""
    memory_bytes: int | None = None
    """Memory that the engine's process holds now."""
    read_bytes: int | None = None
    """Bytes read so far: from disk, or of the files of a lake."""
    tasks: tuple[int, int] | None = None
    """Parts of the work that are done, and those known so far."""
    processes: int | None = None
    """Processes of the server that work on it."""
    waits_for: str | None = None
    """What the server's process waits for now, in the server's words."""


@dataclass(frozen=True, slots=True)
class ExactRows:
    """Exact bounded aggregates: one Arrow IPC stream. Only `release` may open it.

    INVARIANT: nothing after release holds one.
    """

    ipc: bytes
    cost: EngineCost

    def table(self) -> "pa.Table":
        """Return the rows as an Arrow table."""
        import pyarrow as pa  # noqa: PLC0415 - a tenth of a second, and most who name a port open no rows

        return pa.RecordBatchStreamReader(self.ipc).read_all()


@dataclass(frozen=True, slots=True)
class PublicRows:
    """Rows of public tables alone, as an Arrow IPC stream: they may be shown as they are."""

    ipc: bytes
    cost: EngineCost


@dataclass(frozen=True, slots=True)
class Source:
    """Where a dataset's engine is: `kind` duckdb and the absolute `path` of its file.

    Or `kind` postgres and as `path` the environment variable that holds its address, and the schema: `NAME/public`.
    Or `kind` spark and as `path` such a variable, and the folder of the tables: `NAME/s3a://bucket/shop`.
    """

    kind: str
    path: str

    @property
    def variable(self) -> str:
        """The environment variable that holds the address of its server."""
        return self.path.partition("/")[0]

    @property
    def place(self) -> str:
        """Where its tables are on its server: a schema, a folder."""
        return self.path.partition("/")[2]

    @property
    def schema(self) -> str | None:
        """The schema that its tables are in; None where an engine has one place for them all."""
        return self.place if self.kind == "postgres" else None


class Lease(Protocol):
    """An engine worker with the data open, held before the charge so that a dead engine costs nothing."""

    async def run(self, statement: Statement, deadline_s: float) -> ExactRows:
        """Run one statement. Raises GatewayError `query_failed` whatever the engine says."""
        ...

    async def read(self, statement: Statement, deadline_s: float) -> PublicRows:
        """Run one statement over public tables alone. Raises GatewayError `query_failed` as well."""
        ...

    async def progress(self) -> EngineProgress | None:
        """Return how far the statement is that runs now; None: none does, or the engine does not tell."""
        ...

    async def close(self) -> None: ...


class Engine(Protocol):
    """A provider's engine. Each method may raise GatewayError `engine_unavailable`."""

    async def lease(self, source: Source, stamp: str, party: str | None = None) -> Lease:
        """Open the data as it was when `stamp` was taken, in `party`'s turn; else raise `refresh_needed`."""
        ...
