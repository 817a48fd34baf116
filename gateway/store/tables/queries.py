"""Queries, what is kept of them, and what was released."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, UniqueConstraint

from gateway.store.tables.base import Sequence, metadata

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
    Column("fingerprint", String, nullable=False),
    Column("state", String, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("lease_until_us", BigInteger, nullable=False),
    Column("charged_at_us", BigInteger, nullable=False),
    Column("rho", String, nullable=False),
    Column("delta", String, nullable=False),
    Column("amount", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("log_index", BigInteger, nullable=False),
    Column("leaf_hash", String, nullable=False),
    Column("answer_log_index", BigInteger),
    Column("answer", LargeBinary),
    Column("note", String),
    UniqueConstraint("buyer", "idempotency_key"),
    Index("queries_by_question", "buyer", "question"),
    Index("queries_by_grant", "grant_key", "charged_at_us"),
    Index("queries_by_buyer", "buyer", "charged_at_us"),
    Index("queries_by_state", "state", "buyer"),
)

texts = Table(
    "query_texts",
    metadata,
    Column("query_id", String, primary_key=True),
    Column("dataset", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Index("query_texts_by_end", "until_us"),
)
"""The SQL of queries, sealed for the dataset's provider, until the policy's retention ends."""

observations = Table(
    "observations",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("query_id", String, nullable=False),
    Column("dataset", String, nullable=False),
    Column("buyer", String, nullable=False),
    Column("observed_at_us", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("observations_by_time", "observed_at_us"),
)
"""Whom each charged query was about, as its plan tells, sealed: what early warning compares, for some weeks."""

alerts = Table(
    "alerts",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("alert_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("dataset", String, nullable=False),
    Column("subjects", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("words", String, nullable=False),
    Column("figures", String, nullable=False),
    Column("raised_at_us", BigInteger, nullable=False),
    Column("seen_by", String),
    Column("seen_at_us", BigInteger),
    UniqueConstraint("alert_id"),
    Index("alerts_by_dataset", "dataset", "sequence"),
)
"""What deserves a look, for the provider and the supervisor alone. It stands in no log (docs/decisions/0023)."""

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
