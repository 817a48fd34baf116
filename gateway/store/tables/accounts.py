"""Who may spend what: accounts in privacy, uses and money, what is revoked, and what is frozen."""

from sqlalchemy import BigInteger, Column, Index, String, Table

from gateway.store.tables.base import metadata

accounts = Table(
    "accounts",
    metadata,
    Column("key", String, primary_key=True),
    Column("rho_spent", String, nullable=False),
    Column("delta_spent", String, nullable=False),
    Column("uses", BigInteger, nullable=False),
)

spendings = Table(
    "spendings",
    metadata,
    Column("account", String, primary_key=True),
    Column("currency", String, primary_key=True),
    Column("period", String, primary_key=True),
    Column("amount", String, nullable=False),
)
"""Money that an account has spent in a period: `total`, a month as 2026-11, or a day as 2026-11-26."""

account_tables = Table(
    "account_tables",
    metadata,
    Column("source", String, primary_key=True),
    Column("table_name", String, primary_key=True),
    Column("account", String, nullable=False),
)
"""Which account each private base table of an engine is charged to, for good."""

topups = Table(
    "topups",
    metadata,
    Column("topup_id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("rho", String, nullable=False),
    Column("delta", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("proposed_by", String, nullable=False),
    Column("proposed_at_us", BigInteger, nullable=False),
    Column("decided_by", String),
    Column("state", String, nullable=False),
    Index("topups_by_account", "account", "state"),
)

caps = Table(
    "caps",
    metadata,
    Column("buyer", String, primary_key=True),
    Column("currency", String, primary_key=True),
    Column("per", String, primary_key=True),
    Column("amount", String, nullable=False),
)
"""What a buyer allows itself to spend in all, in a month or in a day."""

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("issuer", String, primary_key=True),
    Column("jti", String, primary_key=True),
    Column("until_us", BigInteger, nullable=False),
)

revoked_subjects = Table(
    "revoked_subjects",
    metadata,
    Column("buyer", String, primary_key=True),
    Column("issued_until_us", BigInteger, nullable=False),
)
"""Tokens of a subject that were issued up to a moment: none of them is accepted."""

freezes = Table(
    "freezes",
    metadata,
    Column("scope", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("reason", String, nullable=False),
    Column("frozen_by", String, nullable=False),
    Column("frozen_at_us", BigInteger, nullable=False),
)
"""What may not be used until it is lifted: a query, buyer, organisation, dataset, or all."""
