"""The kinds of worker that the gateway starts, and the process they are forked from. It loads none of their code."""

import contextlib
from collections.abc import Iterator

from gateway.settings import Settings
from gateway.workers.forking import Forking, can_fork
from gateway.workers.role import Role
from gateway.workers.starting import Fresh, Starting

MEBIBYTE = 1024 * 1024

PLANNER = Role("planner", "gateway.planning_worker:make", memory_bytes=4096 * MEBIBYTE)
FINISHER = Role("finisher", "gateway.engines.finishing:make", memory_bytes=6144 * MEBIBYTE)


def engine_role(settings: Settings) -> Role:
    """Return the role of DuckDB's processes: their address space is the engine's memory and room for libraries."""
    return Role(
        name="engine",
        factory="gateway.engines.duckdb_worker:make",
        config={"memory_mb": settings.engine_memory_mb, "threads": settings.engine_threads},
        memory_bytes=(settings.engine_memory_mb + 3072) * MEBIBYTE,
    )


def modules(*roles: Role) -> tuple[str, ...]:
    """Return the modules that the roles' factories are in."""
    return tuple(role.factory.partition(":")[0] for role in roles)


@contextlib.contextmanager
def starting(settings: Settings) -> Iterator[Starting]:
    """Yield how the gateway starts its workers: by forking where the system can, from a process that is begun now."""
    if not can_fork():
        yield Fresh()
        return
    with Forking(modules(PLANNER, engine_role(settings), FINISHER)) as forking:
        yield forking
