"""What the pipeline is passed, in this process: a database that may fail, a releaser, what the provider is told."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

from gateway.app.releasing import WorkerReleaser
from gateway.engines.finishing import make
from gateway.ledger.model import Spent
from gateway.orders import accounts, buyer_id
from gateway.planning import plan
from gateway.ports import EngineCost, ExactRows, FixedClock, PublicRows
from support.answers import ipc_of
from support.shop import CALLER, NOW, SHOP, empty_database, fill
from support.stores import ledger_of

BUYER = buyer_id(CALLER)
SECRET = "5e" * 32


class InThisProcess:
    """The releasing worker's own handler, without the process around it."""

    def __init__(self):
        self.handler = make({})

    async def call(self, method, argument, _deadline_s, _wait_s, _party):
        header, payload = self.handler.handle(method, argument)
        return SimpleNamespace(header=json.loads(json.dumps(header)), payload=payload)


class Releaser(WorkerReleaser):
    """The releaser, with the names of all draws that it made."""

    def __init__(self):
        super().__init__(InThisProcess(), 60)
        self.drawn = []

    async def release(self, measurement, exact, stored, party):
        noisy, drawn = await super().release(measurement, exact, stored, party)
        self.drawn += drawn
        return noisy, drawn


class Database:
    """A database as published and leased; `fails` is raised in place of its next rows."""

    def __init__(self, ledger):
        self.connection = empty_database()
        fill(self.connection, 3, 60)
        self.ledger = ledger
        self.fails = None
        self.parameters = []
        self.spent_at_the_first_row = None
        self.open, self.leased = 0, False

    async def dataset(self, _name, _caller):
        return SHOP

    async def granted(self, _dataset, _caller):
        return ()

    async def lease(self, _dataset, _party):
        self.open += 1
        self.leased = True
        return self

    async def run(self, statement, _deadline_s):
        (data, *_) = await self.ledger.balances(accounts(SHOP, CALLER, SHOP.grants[0], NOW))
        self.spent_at_the_first_row = self.spent_at_the_first_row or data.rho_spent
        if self.fails is not None:
            raise self.fails
        self.parameters += statement.parameters
        table = self.connection.sql(statement.sql, params=list(statement.parameters) or None).to_arrow_table()
        return ExactRows(ipc_of(table), EngineCost(1.0, 1.0, table.num_rows, 1))

    async def read(self, statement, _deadline_s):
        return PublicRows(ipc_of(self.connection.sql(statement.sql).to_arrow_table()), EngineCost(1.0, 1.0, 1, 1))

    async def close(self):
        self.open -= self.leased
        self.leased = False


class Provider:
    """What the provider is told."""

    def __init__(self):
        self.failures, self.refusals, self.stages = [], [], []
        self.costs, self.settled_queries, self.charged_queries = [], [], []
        self.held, self.apart = {}, []

    def query(self, _query_id):
        return nullcontext()

    def stage(self, stage):
        self.stages.append(stage)
        return nullcontext()

    def admit(self, _caller):
        return

    async def count(self, _caller):
        return

    def engine(self, _dataset, _lease):
        return nullcontext()

    def charged(self, query_id):
        self.charged_queries.append(query_id)

    def measured(self, charge, statement, cost):
        self.costs.append((charge.query_id, statement, cost.rows))
        self.held.setdefault(charge.query_id, []).append(Spent(statement, {"rows": cost.rows}))

    def spent(self, query_id):
        return tuple(self.held.get(query_id, ()))

    def written(self, query_id):
        self.held.pop(query_id, None)

    async def settled(self, charge):
        self.settled_queries.append(charge.query_id)
        self.apart += self.held.pop(charge.query_id, ())

    def failed(self, query_id, why):
        self.failures.append((query_id, why))

    async def refused(self, _dataset, _caller, _grant, error):
        self.refusals.append(error.code)


class Planner:
    async def plan(self, job):
        return plan(job)


def briefly(store):
    """Return the ledger with leases that have ended by the next question."""
    return ledger_of(store, FixedClock(NOW), lease_s=-1)


async def spent(ledger):
    return [b.rho_spent for b in await ledger.balances(accounts(SHOP, CALLER, SHOP.grants[0], NOW))]
