"""What a worker is for, what it answers, and the ways in which it fails. No process is started here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Handler(Protocol):
    """What a child runs. A factory `make(config) -> Handler` makes one, once, when the child starts."""

    def handle(self, method: str, argument: Any) -> tuple[dict[str, Any], bytes]:
        """Return a JSON-safe header and raw bytes; a GatewayError goes to the caller as it is."""
        ...

    def rest(self) -> None:
        """Do, while nobody waits, what would hold up the next call."""
        ...


@dataclass(frozen=True, slots=True)
class Role:
    """One kind of worker: `factory` is `module:function`, imported and called with `config` at start.

    `memory_bytes` limits the whole address space (RLIMIT_AS: mapped libraries and thread stacks count, so leave
    2 GiB above what the work itself may take); `cpu_s` the processor time of one call, over all threads;
    None is no limit. `python_path` is searched for the factory after the gateway's own code.
    A child never writes files unless `writes_files`.
    """

    name: str
    factory: str
    config: Mapping[str, Any] = field(default_factory=dict)
    memory_bytes: int | None = None
    cpu_s: int | None = None
    nice: int = 5
    start_s: float = 30.0
    max_reply_bytes: int = 256 * 1024 * 1024
    writes_files: bool = False
    python_path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler returned: its header, parsed from strict JSON, and its bytes, not looked at."""

    header: dict[str, Any]
    payload: bytes


class WorkerError(Exception):
    """A worker did not answer. The text is for the provider's log, never for a buyer."""


class WorkerTimeout(WorkerError):
    """The deadline passed; the worker was killed."""


class WorkerDied(WorkerError):
    """The worker ended, or wrote what is no answer and was killed."""


class WorkerFailed(WorkerError):
    """The handler raised something else than a GatewayError, or could not be made."""
