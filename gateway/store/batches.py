"""Group commit: works that wait together share one transaction, each of several within a savepoint of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

MAX_BATCH = 64
"""Works in one transaction: a bound on how long the first of them waits for the last."""

Work = Callable[[Connection], Any]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one work: its result, or the error that undid it alone."""

    result: Any = None
    error: Exception | None = None


def run_all(connection: Connection, works: Sequence[Work]) -> list[Done]:
    """Run each work in turn within one transaction; a work that raises is undone alone.

    INVARIANT: what this returns is handed out only after the caller's commit is durable.
    Raises whatever the connection raises outside of a work: then none of them stands.
    """
    if len(works) == 1:
        return [_run_alone(connection, works[0])]
    done: list[Done] = []
    for work in works:
        connection.exec_driver_sql("SAVEPOINT work")
        try:
            result = work(connection)
        except Exception as error:  # noqa: BLE001 - the error is its asker's, whatever it is
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT work")
            done.append(Done(error=error))
        else:
            done.append(Done(result))
        connection.exec_driver_sql("RELEASE SAVEPOINT work")
    return done


def _run_alone(connection: Connection, work: Work) -> Done:
    """Run the only work of a transaction: what undoes it undoes the transaction."""
    try:
        return Done(work(connection))
    except Exception as error:  # noqa: BLE001 - the error is its asker's, whatever it is
        transaction = connection.get_transaction()
        assert transaction is not None  # INVARIANT: the caller has begun one
        transaction.rollback()
        return Done(error=error)
