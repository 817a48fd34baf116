"""The log and what is delivered of it, the versions of data, and what is known of the store itself."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, TextClause, text

from gateway.store.tables.base import Sequence, metadata

SELDOM = (
    "frozen", "unfrozen", "member-suspended", "member-verified", "registered", "reviewed", "withdrawn", "invoiced",
    "credited",
)  # fmt: skip
"""Kinds of leaves that persons make, and that are looked for among all those that queries make."""


def seldom(dialect: str) -> TextClause:
    """Return the condition of a database that a leaf may be of such a kind; another member may be spelled like one.

    INVARIANT: the index is of this very condition, word by word; another one takes a migration.
    """
    spelled = [f'"kind":"{kind}"' for kind in SELDOM]
    tests = {
        "sqlite": [f"instr(leaf, '{one}') > 0" for one in spelled],
        "postgresql": [f"position('{one}'::bytea IN leaf) > 0" for one in spelled],
    }
    return text(f"({' OR '.join(tests[dialect])})")


leaves = Table(
    "log_leaves",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
    Index("log_leaves_seldom", "position", sqlite_where=seldom("sqlite"), postgresql_where=seldom("postgresql")),
)

nodes = Table(
    "log_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

cosignatures = Table(
    "cosignatures",
    metadata,
    Column("tree_size", BigInteger, primary_key=True, autoincrement=False),
    Column("witness", String, primary_key=True),
    Column("line", String, nullable=False),
)
"""Signature lines that witnesses have put under a checkpoint of this size."""

events = Table(
    "events",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("visibility", String, nullable=False),
    Column("dataset", String, nullable=False),
    Column("query_id", String),
    Column("line", String, nullable=False),
    Index("events_by_query", "query_id"),
)
"""The outbox of meter events: written with what they tell of, read and delivered in order of `sequence`."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("sink", String, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)
"""How far each sink has confirmed the events."""

invoices = Table(
    "invoices",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("organisation", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("period", String, nullable=False),
    Column("corrects", BigInteger),
    Column("issued_at_us", BigInteger, nullable=False),
    Column("document", String, nullable=False),
    Index("invoices_by_period", "period", "organisation"),
)
"""Invoices and credit notes in one gapless series of numbers."""

versions = Table(
    "data_versions",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", String, nullable=False),
    Column("stamp", String, nullable=False),
    Column("note", String, nullable=False),
)

facts = Table("facts", metadata, Column("name", String, primary_key=True), Column("value", String, nullable=False))
"""What is known of the store itself: its epoch, the name of its log."""
