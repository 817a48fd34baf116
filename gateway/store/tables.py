"""The store's tables. Wide integers are text: rho and delta do not fit 64 bits in their units."""

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table, UniqueConstraint

SCHEMA_VERSION = 1

metadata = MetaData()

schema = Table("schema", metadata, Column("version", Integer, primary_key=True))

accounts = Table(
    "accounts",
    metadata,
    Column("key", String, primary_key=True),
    Column("rho_spent", String, nullable=False),
    Column("delta_spent", String, nullable=False),
)

queries = Table(
    "queries",
    metadata,
    Column("query_id", String, primary_key=True),
    Column("buyer", String, nullable=False),
    Column("organisation", String, nullable=False),
    Column("dataset", String, nullable=False),
    Column("grant_key", String, nullable=False),
    Column("idempotency_key", String, nullable=False),
    Column("body_digest", String, nullable=False),
    Column("question", String, nullable=False),
    Column("state", String, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("lease_until_us", Integer, nullable=False),
    Column("charged_at_us", Integer, nullable=False),
    Column("rho", String, nullable=False),
    Column("delta", String, nullable=False),
    Column("amount", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("leaf_hash", String, nullable=False),
    Column("answer", LargeBinary),
    Column("note", String),
    UniqueConstraint("buyer", "idempotency_key"),
    Index("queries_by_question", "buyer", "question"),
    Index("queries_by_grant", "grant_key", "charged_at_us"),
)

uses = Table("uses", metadata, Column("grant_key", String, primary_key=True), Column("count", Integer, nullable=False))

releases = Table(
    "releases",
    metadata,
    Column("buyer", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

series = Table(
    "series",
    metadata,
    Column("buyer", String, primary_key=True),
    Column("series", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("worth", String, nullable=False),
)
"""The most exact release that a buyer has of each quantity, and what it is worth in rho units."""

claims = Table(
    "claims",
    metadata,
    Column("buyer", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("query_id", String, nullable=False),
    Index("claims_by_query", "query_id"),
)
"""Draws that a charged query is making: nobody else makes them for the same buyer meanwhile."""

leaves = Table(
    "log_leaves",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
)

nodes = Table(
    "log_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("visibility", String, nullable=False),
    Column("dataset", String, nullable=False),
    Column("line", String, nullable=False),
)

versions = Table(
    "data_versions",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", String, nullable=False),
    Column("stamp", String, nullable=False),
    Column("note", String, nullable=False),
)
