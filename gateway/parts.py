"""What the path of a query needs of the world: the doors through which the pipeline asks, and nothing behind them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from gateway.answer import Known
from gateway.catalog.model import Dataset, Grant
from gateway.engines.encoded import Encoded
from gateway.errors import GatewayError, Quota
from gateway.ledger.model import Charge, Failed, Held, InFlight, Order, Release, Spent, Stored
from gateway.models.asked import Model
from gateway.planning import Planned
from gateway.ports import Clock, EngineCost, ExactRows, Lease
from gateway.privacy.measurement import Derived, Finish, Measurement
from gateway.programs import PlanJob
from gateway.repeats import Repeats
from gateway.request import Caller
from gateway.stages import Stage


class Published(Protocol):
    async def dataset(self, name: str | None, caller: Caller) -> Dataset:
        """Return a dataset at its current versions. Raises `unknown_dataset`."""
        ...

    async def granted(self, dataset: Dataset, caller: Caller) -> tuple[Grant, ...]:
        """Return what the store grants a caller on a dataset, besides its policy."""
        ...

    async def lease(self, dataset: Dataset, party: str) -> Lease:
        """Hold an engine with the dataset's declared data open, in the turn of the organisation `party`."""
        ...


class Synthetic(Protocol):
    """The sandbox's data: nothing here has seen a row of the true ones."""

    async def twin(self, dataset: Dataset) -> Dataset:
        """Return the same policy over synthetic rows."""
        ...

    async def lease(self, dataset: Dataset, party: str) -> Lease:
        """Hold an engine with a twin's rows open, in the turn of the organisation `party`."""
        ...


class Planner(Protocol):
    async def plan(self, job: PlanJob) -> Planned: ...

    async def compose(self, dataset: Dataset, model: Model, party: str) -> str:
        """Return the SQL that a model is fitted from."""
        ...


class Releaser(Protocol):
    """`party` is the organisation in whose turn a worker is taken."""

    async def release(
        self, measurement: Measurement, exact: Sequence[ExactRows], stored: Mapping[str, bytes], party: str
    ) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Return the releases that a measurement is made of, and those of them that were drawn now."""
        ...

    async def derive(self, known: Known, derived: Derived, party: str) -> bytes: ...
    async def finish(
        self, known: Known, finish: Finish, seed: int, row_limit: int | None, confidence: float | None, party: str
    ) -> Encoded: ...


class Book(Protocol):
    """The ledger as the pipeline sees it."""

    async def lookup(self, buyer: str, idempotency_key: str, body_digest: str) -> Stored | Failed | InFlight | None: ...
    async def releases(self, buyer: str, digests: list[str]) -> dict[str, bytes]: ...
    async def held(self, buyer: str, series: list[str]) -> dict[str, Held]: ...
    async def pin(self, buyer: str, served: Mapping[str, bytes]) -> bool: ...
    async def refuse_frozen(
        self, buyer: str, organisation: str, dataset: str | None = None, query_id: str | None = None
    ) -> None: ...
    async def failures(self, buyer: str, dataset: str) -> int: ...
    async def charge(self, order: Order) -> Charge | InFlight | Stored | Failed: ...
    async def replay(self, order: Order, answer: bytes) -> Stored | Failed | InFlight | None: ...
    async def record(
        self, charge: Charge, answer: bytes, drawn: Mapping[str, Release], spent: Sequence[Spent] = ()
    ) -> bytes: ...
    async def fail(self, charge: Charge, provider_note: str) -> bool: ...
    def holding(self, charge: Charge) -> AbstractAsyncContextManager[None]: ...


class Telemetry(Protocol):
    """The provider's eyes: true engine cost, failures and times. Never a buyer's."""

    def query(self, query_id: str) -> AbstractContextManager[None]: ...
    def stage(self, stage: Stage) -> AbstractContextManager[None]: ...
    def engine(self, dataset: Dataset, lease: Lease) -> AbstractContextManager[None]:
        """Let the dataset's provider see how far the engine is, while the block runs."""
        ...

    def charged(self, query_id: str) -> None:
        """Tell who waits that the question stands in the ledger: it can be asked about from now on."""
        ...

    def measured(self, charge: Charge, statement: int, cost: EngineCost) -> None:
        """Hold what a statement truly cost until it is written with the answer, or by `settled`."""
        ...

    def spent(self, query_id: str) -> Sequence[Spent]:
        """Return the costs of a query that are not written yet."""
        ...

    def written(self, query_id: str) -> None:
        """Let the costs of a query go: they are written with its answer."""
        ...

    async def settled(self, charge: Charge) -> None:
        """Write the costs of a query that has no answer."""
        ...

    def failed(self, query_id: str, why: str) -> None: ...
    async def refused(self, dataset: Dataset, caller: Caller, grant: Grant | None, error: GatewayError) -> None: ...


class Free(Protocol):
    """How fast one buyer gets what costs nothing: each is a leaf of the log, for ever."""

    def admit(self, caller: Caller) -> None:
        """Raise `too_many_requests` where the buyer's minute is spent."""
        ...

    def quota(self, caller: Caller) -> Quota: ...
    async def count(self, caller: Caller) -> None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything the path needs of the world. `secret` keys the hash of the pick; `new_id` names queries."""

    published: Published
    synthetic: Synthetic
    planner: Planner
    releaser: Releaser
    book: Book
    telemetry: Telemetry
    free: Free
    repeats: Repeats
    clock: Clock
    pause: Callable[[float], Awaitable[None]]
    secret: str
    engine_deadline_s: float
    new_id: Callable[[], str]
