"""Insert or replace rows by primary key: one statement, for which SQLAlchemy has a construct a database."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.prepared import Prepared


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write each row: a new one, or the columns besides the primary key of the one that is there."""
    if rows:
        _statement(connection.dialect.name, table, tuple(rows[0])).write(connection, rows)


@lru_cache(maxsize=256)
def _statement(dialect: str, table: Table, columns: tuple[str, ...]) -> Prepared:
    made = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(table)
    keys = [column.name for column in table.primary_key]
    rest = {name: made.excluded[name] for name in columns if name not in keys}
    return Prepared(made.on_conflict_do_update(index_elements=keys, set_=rest))
