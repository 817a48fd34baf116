"""The composition root: the only place that wires parts together."""

from gateway.app.running import failures, inspect_policy, refresh, run

__all__ = ["failures", "inspect_policy", "refresh", "run"]
