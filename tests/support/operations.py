"""The operator's side of a front door that is tested alone, and its questions."""

from gateway.app.tracking import Tracker
from gateway.observability.metrics import Metrics
from gateway.observability.observer import Observer


class Cancelled:
    """A ledger that only knows what was cancelled."""

    def __init__(self):
        self.queries = set()

    async def cancel(self, _buyer, query_id):
        self.queries.add(query_id)
        return "cancelled"

    async def cancelled(self, running):
        return self.queries & set(running)


def questions(service, most=64):
    """Return the questions of a door whose service answers, or is never asked."""
    return Tracker(getattr(service, "answer", None), Cancelled(), most)


class Idle:
    """Ready, and counting into figures of its own."""

    def __init__(self):
        self.observer = Observer(Metrics())

    async def ready(self):
        return {}

    def figures(self):
        return self.observer.metrics.exposition()

    def request(self, method, route):
        return self.observer.request(method, route)
