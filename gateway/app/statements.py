"""What Trino's door needs besides questions: what a statement means, and look-ups in tables about tables.

Neither touches a dataset's data, its engine or the ledger. Both are paced by buyer, and organisations take turns.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping

from gateway.app.pacing import StatementPace
from gateway.app.planners import WorkerPlanner
from gateway.app.releasing import WorkerReleaser
from gateway.catalog.listing import Listing, LookedUp
from gateway.request import Caller
from gateway.sql.trino.model import Meant, Statement


class StatementService:
    """Satisfies gateway.web.service.Statements. `secret` is one that all replicas of the store share."""

    def __init__(
        self,
        planner: WorkerPlanner,
        releaser: WorkerReleaser,
        pace: StatementPace,
        new_id: Callable[[], str],
        secret: str,
    ) -> None:
        self._planner = planner
        self._releaser = releaser
        self._pace = pace
        self.new_id = new_id
        self.key = hmac.new(bytes.fromhex(secret), b"addresses of pages", hashlib.sha256).digest()

    def admit(self, caller: Caller) -> None:
        """Count a statement. Raises `too_many_requests` where the buyer's minute is spent."""
        self._pace.take(caller)

    async def read(self, statement: Statement, caller: Caller) -> Meant:
        """Return what a query means."""
        return await self._planner.read(statement, caller.organisation)

    async def look_up(self, sql: str, listings: Mapping[str, Listing], caller: Caller) -> LookedUp:
        """Return the rows of a question over tables about tables."""
        return await self._releaser.look_up(sql, listings, caller.organisation)
