"""The store's tables. Wide integers are text: rho and delta do not fit 64 bits in their units.

Every change here comes with a migration (gateway/store/migrations); a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TextClause,
    UniqueConstraint,
    text,
)

metadata = MetaData()

Sequence = BigInteger().with_variant(Integer, "sqlite")
"""64 bits everywhere; SQLite counts up only a column that it calls INTEGER."""

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

versions = Table(
    "data_versions",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", String, nullable=False),
    Column("stamp", String, nullable=False),
    Column("note", String, nullable=False),
)

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

facts = Table("facts", metadata, Column("name", String, primary_key=True), Column("value", String, nullable=False))
"""What is known of the store itself: its epoch, the name of its log."""
