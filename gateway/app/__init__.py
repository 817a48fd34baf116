"""The composition root: the only place that wires parts together."""

from gateway.app.offline import failures, inspect_policy, refresh
from gateway.app.policies import read_policy
from gateway.app.running import run

__all__ = ["failures", "inspect_policy", "read_policy", "refresh", "run"]
