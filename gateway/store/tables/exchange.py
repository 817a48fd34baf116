"""The exchange around queries: members, keys and grants, people abroad, cases, and the life of policies."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, UniqueConstraint

from gateway.store.tables.base import metadata

members = Table(
    "members",
    metadata,
    Column("member_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("issuer", String, nullable=False),
    Column("organisation", String, nullable=False),
    Column("subject", String),
    Column("legal_name", String, nullable=False),
    Column("contact", String, nullable=False),
    Column("evidence", String, nullable=False),
    Column("state", String, nullable=False),
    Column("round", Integer, nullable=False),
    Column("applied_by", String, nullable=False),
    Column("applied_at_us", BigInteger, nullable=False),
    Column("suspended_by", String),
    Column("reason", String),
    Column("suspended_at_us", BigInteger),
    UniqueConstraint("name", "issuer"),
    Index("members_by_organisation", "organisation"),
)
"""Organisations and persons by the names that queries have; a person is the subject of one issuer."""

member_verifications = Table(
    "member_verifications",
    metadata,
    Column("member_id", String, primary_key=True),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("reviewer", String, primary_key=True),
    Column("verified_at_us", BigInteger, nullable=False),
)
"""Who has verified a member, in each round that a suspension begins."""

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("organisation", String, primary_key=True),
    Column("key_id", String, primary_key=True),
    Column("public_key", String, nullable=False),
    Column("state", String, nullable=False),
    Column("registered_by", String, nullable=False),
    Column("registered_at_us", BigInteger, nullable=False),
    Column("confirmed_by", String),
    Column("confirmed_at_us", BigInteger),
    Column("revoked_by", String),
    Column("revoked_at_us", BigInteger),
)
"""The keys that providers sign grants with: registered by one person, confirmed by another."""

grants = Table(
    "grants",
    metadata,
    Column("grant_id", String, primary_key=True),
    Column("dataset", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("organisation", String, nullable=False),
    Column("state", String, nullable=False),
    Column("asked", String, nullable=False),
    Column("why", String, nullable=False),
    Column("requested_by", String, nullable=False),
    Column("requested_at_us", BigInteger, nullable=False),
    Column("terms", String),
    Column("signature", String),
    Column("key_id", String),
    Column("digest", String),
    Column("ends_at_us", BigInteger),
    Column("decided_by", String),
    Column("decided_at_us", BigInteger),
    Column("revoked_by", String),
    Column("revoked_at_us", BigInteger),
    Column("reason", String),
    Index("grants_by_organisation", "organisation", "state"),
    Index("grants_by_provider", "provider", "state"),
    Index("grants_by_time", "requested_at_us", "grant_id"),
)
"""What buyers asked for, and the terms that providers signed. `reason` is that of a refusal or a revocation."""

crossings = Table(
    "crossings",
    metadata,
    Column("provider", String, primary_key=True),
    Column("country", String, primary_key=True),
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("account", String, primary_key=True),
    Column("units", BigInteger, nullable=False),
    Column("counted_at_us", BigInteger, nullable=False),
)
"""How many people's data, by declaration, went to recipients in another country in a year: each account's once."""

cases = Table(
    "cases",
    metadata,
    Column("case_id", String, primary_key=True),
    Column("query_id", String, nullable=False),
    Column("buyer", String, nullable=False),
    Column("organisation", String, nullable=False),
    Column("dataset", String, nullable=False),
    Column("provider", String),
    Column("amount", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("decision_index", BigInteger, nullable=False),
    Column("reason", String, nullable=False),
    Column("opened_by", String, nullable=False),
    Column("opened_at_us", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("finding", String),
    Column("refund", String),
    Column("decided_by", String),
    Column("decided_at_us", BigInteger),
    Index("cases_by_query", "query_id"),
    Index("cases_by_time", "opened_at_us", "case_id"),
)
"""Disputes of queries; `decision_index` is where the log has the query's decision."""

policy_versions = Table(
    "policy_versions",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("manifest", String, nullable=False),
    Column("text", String, nullable=False),
    Column("proposed_by", String, nullable=False),
    Column("proposed_at_us", BigInteger, nullable=False),
    Column("submitted_by", String),
    Column("submitted_at_us", BigInteger),
    Column("reviewed_by", String),
    Column("reviewed_at_us", BigInteger),
    Column("published_by", String),
    Column("published_at_us", BigInteger),
    Column("withdrawn_by", String),
    Column("withdrawn_at_us", BigInteger),
    Column("barred", Integer, nullable=False),
    Column("asked_by", String),
    Column("change", Integer, nullable=False),
    Column("serving", Integer),
    Index("policy_versions_by_serving", "dataset", "serving"),
)
"""Versions of each dataset's policy. `text` is the digest of its YAML; `change` counts what happened to the dataset.

`serving` is the change that published or withdrew it last: of a dataset the greatest decides what is served.
`barred`: a supervisor withdrew it. `asked_by` has asked for its return, and waits for a second person.
"""

policy_texts = Table(
    "policy_texts", metadata, Column("digest", String, primary_key=True), Column("text", String, nullable=False)
)
"""Policies as their providers wrote them, by SHA-256. The log names digests: a restored store may lack a text."""

reviews = Table(
    "reviews",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("manifest", String, primary_key=True),
    Column("reviewer", String, nullable=False),
    Column("approved", Integer, nullable=False),
    Column("findings", String, nullable=False),
    Column("valid_until", String),
    Column("reviewed_at_us", BigInteger, nullable=False),
)
"""The latest review of what a review covers, by the digest of that (catalog/manifest.py)."""
