"""The store's tables. Wide integers are text: rho and delta do not fit 64 bits in their units.

Every change here comes with a migration (gateway/store/migrations); a test compares the two.
"""

from gateway.store.tables.accounts import (
    account_tables,
    accounts,
    caps,
    freezes,
    revoked_subjects,
    revoked_tokens,
    spendings,
    topups,
)
from gateway.store.tables.base import metadata
from gateway.store.tables.exchange import (
    cases,
    crossings,
    grants,
    member_verifications,
    members,
    policy_texts,
    policy_versions,
    reviews,
    signing_keys,
)
from gateway.store.tables.log import (
    SELDOM,
    cosignatures,
    deliveries,
    events,
    facts,
    invoices,
    leaves,
    nodes,
    seldom,
    versions,
)
from gateway.store.tables.queries import alerts, claims, observations, queries, releases, series, texts

__all__ = [
    "SELDOM",
    "account_tables",
    "accounts",
    "alerts",
    "caps",
    "cases",
    "claims",
    "cosignatures",
    "crossings",
    "deliveries",
    "events",
    "facts",
    "freezes",
    "grants",
    "invoices",
    "leaves",
    "member_verifications",
    "members",
    "metadata",
    "nodes",
    "observations",
    "policy_texts",
    "policy_versions",
    "queries",
    "releases",
    "reviews",
    "revoked_subjects",
    "revoked_tokens",
    "seldom",
    "series",
    "signing_keys",
    "spendings",
    "texts",
    "topups",
    "versions",
]
