"""What the front door needs behind it; the composition root passes it in."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from gateway.catalog.listing import Listing, LookedUp
from gateway.errors import Quota
from gateway.identity.tokens import Identified
from gateway.metering.papers import Papers
from gateway.request import Caller, Request
from gateway.sql.trino.model import Meant, Statement
from gateway.stages import Stage


class Statements(Protocol):
    """What Trino's door needs besides questions. Every method but `new_id` may raise GatewayError.

    `key` makes addresses of pages that nobody can make up; it is the same in all replicas of a store.
    """

    @property
    def key(self) -> bytes: ...
    def new_id(self) -> str: ...
    def admit(self, caller: Caller) -> None:
        """Count a statement. Raises `too_many_requests`."""
        ...

    async def read(self, statement: Statement, caller: Caller) -> Meant:
        """Return what a query means, whether a dataset or the catalogue is asked."""
        ...

    async def look_up(self, sql: str, listings: Mapping[str, Listing], caller: Caller) -> LookedUp: ...


class Service(Protocol):
    """Every method may raise GatewayError."""

    @property
    def statements(self) -> Statements: ...
    async def answer(self, request: Request, caller: Caller) -> bytes: ...
    async def quote(self, request: Request, caller: Caller) -> dict[str, object]: ...
    def quota(self, caller: Caller) -> Quota: ...
    async def identify(self, token: str) -> Caller: ...
    async def examine(self, token: str) -> Identified:
        """Return whose a token is, also where it is let in nowhere else."""
        ...

    async def datasets(self, caller: Caller) -> list[dict[str, object]]: ...
    async def dataset(self, caller: Caller, name: str) -> dict[str, object]: ...
    async def budget(self, caller: Caller) -> list[dict[str, object]]: ...
    async def events(self, caller: Caller, after: str | None, limit: int) -> list[tuple[str, str]]: ...
    async def latest(self, caller: Caller, limit: int) -> list[str]: ...
    async def failures(self, caller: Caller) -> list[dict[str, object]]: ...
    async def invoices(self, caller: Caller, period: str) -> Papers: ...
    async def receipt(self, caller: Caller, query_id: str, since: int | None) -> dict[str, object]: ...
    async def query(self, caller: Caller, query_id: str) -> dict[str, object]: ...
    async def refuse_frozen(self, query_id: str) -> None: ...
    async def checkpoint(self, *, witnessed: bool = False) -> str: ...
    async def tile(self, caller: Caller, path: str) -> bytes: ...
    async def cosign(self, caller: Caller, tree_size: int, line: str) -> None: ...
    async def refresh(self, caller: Caller, name: str) -> dict[str, object]: ...


class Question(Protocol):
    """One question that this process works on."""

    query_id: str
    stage: Stage | None
    charged: bool

    @property
    def over(self) -> bool: ...
    async def answer(self) -> bytes:
        """Return the answer's bytes once they are durable. Raises what the path raises."""
        ...

    async def wait(self, seconds: float) -> bool:
        """Wait so long at most; tell whether the answer or the error is there."""
        ...

    async def known(self) -> None:
        """Wait until every replica knows it: it is charged, or over."""
        ...

    async def cancel(self) -> None:
        """End it for its buyer, here and in the store."""
        ...

    def stages(self) -> AsyncIterator[Stage | None]:
        """Yield the stage now and at each change, until it is over."""
        ...


class Questions(Protocol):
    """The questions of this process, and how to end one wherever it runs."""

    draining: bool

    def submit(self, request: Request, caller: Caller) -> Question:
        """Begin a question. Raises `shutting_down`, `too_many_requests`."""
        ...

    def room(self, caller: Caller) -> AbstractContextManager[None]:
        """Hold room for work that is no question. Raises as `submit`."""
        ...

    def listening(self, caller: Caller) -> AbstractContextManager[None]:
        """Hold room for one who waits for a question or follows it. Raises `too_many_requests`."""
        ...

    def refuse_draining(self) -> None: ...
    def tracked(self, query_id: str, caller: Caller) -> Question | None: ...
    async def cancel(self, query_id: str, caller: Caller) -> None: ...
    async def drain(self, seconds: float) -> None: ...


class Seen(Protocol):
    """Where the status of a request is written down."""

    status: int


class Operations(Protocol):
    """What operators ask of a process, and what it is told of every request."""

    async def ready(self) -> dict[str, object]:
        """Return how the parts stand that every query needs. Raises `not_ready` where one is missing."""
        ...

    def figures(self) -> bytes:
        """Return the process's figures in Prometheus' text format."""
        ...

    def request(self, method: str, route: str) -> AbstractContextManager[Seen]:
        """Time a request at a route's pattern."""
        ...


class Supervision(Protocol):
    """What supervisors and providers stop. Every method may raise GatewayError."""

    async def freeze(self, caller: Caller, scope: str, name: str, reason: str) -> dict[str, object]: ...
    async def unfreeze(self, caller: Caller, scope: str, name: str, reason: str) -> dict[str, object]: ...
    async def freezes(self, caller: Caller) -> list[dict[str, object]]: ...


class Membership(Protocol):
    """Who is a member. Every method may raise GatewayError."""

    async def apply(
        self,
        found: Identified,
        *,
        person: bool,
        legal_name: str,
        contact: str,
        evidence: Iterable[tuple[str, str, str | None]],
    ) -> dict[str, object]: ...
    async def listed(self, found: Identified, state: str | None) -> list[dict[str, object]]: ...
    async def seen(self, caller: Caller, state: str | None) -> list[dict[str, object]]: ...
    async def member(self, found: Identified, member_id: str) -> dict[str, object]: ...
    async def verify(self, caller: Caller, member_id: str) -> dict[str, object]: ...
    async def suspend(self, caller: Caller, member_id: str, reason: str) -> dict[str, object]: ...


class Accounts(Protocol):
    """What callers see and change of accounts. Every method may raise GatewayError."""

    async def queries(self, caller: Caller, before: str | None, limit: int) -> list[dict[str, object]]: ...
    async def text(self, caller: Caller, query_id: str) -> str: ...
    async def spending(self, caller: Caller) -> list[dict[str, object]]: ...
    async def cap(self, caller: Caller, currency: str, per: str, amount: Decimal | None) -> None: ...
    async def revoke(
        self, caller: Caller, *, organisation: str | None, subject: str | None, jti: str | None
    ) -> None: ...
    async def topups(self, caller: Caller) -> list[dict[str, object]]: ...
    async def propose(
        self, caller: Caller, dataset: str, budget: tuple[Decimal, Decimal | None], account: str | None, reason: str
    ) -> dict[str, object]: ...
    async def decide(self, caller: Caller, topup_id: str, *, approve: bool) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class Behind:
    """Everything behind the front doors."""

    service: Service
    questions: Questions
    accounts: Accounts
    supervision: Supervision
    members: Membership
    operations: Operations
