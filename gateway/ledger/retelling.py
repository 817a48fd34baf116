"""State of the exchange that the log tells whole: which leaves make which tables. A restored store is told it again.

INVARIANT: the rows of these tables follow from their leaves alone, in order.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, create_engine, select

from gateway.ledger import cases, crossings, freezing, granting, members, registered, signing_keys
from gateway.store.tables import cases as case_rows
from gateway.store.tables import crossings as crossing_rows
from gateway.store.tables import freezes, member_verifications, policy_versions, reviews
from gateway.store.tables import grants as grant_rows
from gateway.store.tables import members as member_rows
from gateway.store.tables import signing_keys as key_rows

Settle = Callable[[Connection, dict[str, Any], datetime], None]


@dataclass(frozen=True, slots=True)
class Told:
    """Tables that follow from leaves of some kinds, and what such a leaf does to them."""

    tables: tuple[Table, ...]
    kinds: frozenset[str]
    settle: Settle


STATES: tuple[Told, ...] = (
    Told((freezes,), frozenset({"frozen", "unfrozen"}), freezing.settle),
    Told((case_rows,), cases.KINDS, cases.settle),
    Told((member_rows, member_verifications), members.KINDS, members.settle),
    Told((policy_versions, reviews), registered.KINDS, registered.settle),
    Told((key_rows,), signing_keys.KINDS, signing_keys.settle),
    Told((grant_rows,), granting.KINDS, granting.settle),
    Told((crossing_rows,), crossings.KINDS, crossings.settle),
)

_SETTLES = {kind: told.settle for told in STATES for kind in told.kinds}

KINDS = frozenset(_SETTLES)


def retell(connection: Connection, content: dict[str, Any]) -> None:
    """Do to the tables what one leaf of KINDS says."""
    _SETTLES[content["kind"]](connection, content, datetime.fromisoformat(content["time"]))


Rows = dict[tuple[Any, ...], dict[str, Any]]


def states(connection: Connection, contents: Iterable[dict[str, Any]]) -> Iterator[tuple[Table, Rows, Rows]]:
    """Yield each table with its rows as they are and as the leaves tell them, by primary key."""
    tables = [table for told in STATES for table in told.tables]
    scratch = create_engine("sqlite://")
    try:
        with scratch.begin() as retold:
            tables[0].metadata.create_all(retold, tables=tables)
            for content in contents:
                retell(retold, content)
            for table in tables:
                yield table, rows(connection, table), rows(retold, table)
    finally:
        scratch.dispose()


def rows(connection: Connection, table: Table) -> Rows:
    """Return a table's rows by primary key."""
    keys = [column.name for column in table.primary_key]
    return {tuple(row[key] for key in keys): dict(row) for row in connection.execute(select(table)).mappings()}
