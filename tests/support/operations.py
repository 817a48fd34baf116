"""The operator's side of a front door that is tested alone, and its questions."""

from dataclasses import fields

from gateway.app.tracking import Tracker
from gateway.observability.metrics import Metrics
from gateway.observability.observer import Observer
from gateway.web.service import Behind


class Cancelled:
    """A ledger that only knows what was ended while it ran."""

    def __init__(self):
        self.queries = {}

    async def cancel(self, _buyer, query_id):
        self.queries[query_id] = "cancelled"
        return "cancelled"

    async def ended(self, running):
        return {query_id: state for query_id, state in self.queries.items() if query_id in running}


def questions(service, most=64):
    """Return the questions of a door whose service answers, or is never asked."""
    return Tracker(getattr(service, "answer", None), Cancelled(), most)


def behind(service, most=64, **others):
    """Return what stands behind a door that is tested alone; what is not given is not asked."""
    nothing = dict.fromkeys(field.name for field in fields(Behind))
    return Behind(
        **nothing | {"service": service, "questions": questions(service, most), "operations": Idle()} | others
    )


class Idle:
    """Ready, and counting into figures of its own."""

    def __init__(self):
        self.observer = Observer(Metrics())

    async def ready(self):
        return {}

    def refuse_figures(self, caller):
        """Refuse nobody."""

    def figures(self):
        return self.observer.metrics.exposition()

    def request(self, method, route):
        return self.observer.request(method, route)
