"""The operator's side of a front door that is tested alone."""

from gateway.observability.metrics import Metrics
from gateway.observability.observer import Observer


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
