"""The composition root: the only place that wires parts together."""

from gateway.app.running import inspect_policy, refresh, run

__all__ = ["inspect_policy", "refresh", "run"]
