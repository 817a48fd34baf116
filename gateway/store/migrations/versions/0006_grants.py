"""Grants that providers sign, the keys that they sign with, and what crosses a border."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("registered_by", sa.String(), nullable=False),
        sa.Column("registered_at_us", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_by", sa.String()),
        sa.Column("confirmed_at_us", sa.BigInteger()),
        sa.Column("revoked_by", sa.String()),
        sa.Column("revoked_at_us", sa.BigInteger()),
        sa.PrimaryKeyConstraint("organisation", "key_id"),
    )
    op.create_table(
        "grants",
        sa.Column("grant_id", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("asked", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("requested_at_us", sa.BigInteger(), nullable=False),
        sa.Column("terms", sa.String()),
        sa.Column("signature", sa.String()),
        sa.Column("key_id", sa.String()),
        sa.Column("digest", sa.String()),
        sa.Column("ends_at_us", sa.BigInteger()),
        sa.Column("decided_by", sa.String()),
        sa.Column("decided_at_us", sa.BigInteger()),
        sa.Column("revoked_by", sa.String()),
        sa.Column("revoked_at_us", sa.BigInteger()),
        sa.Column("reason", sa.String()),
        sa.PrimaryKeyConstraint("grant_id"),
    )
    op.create_index("grants_by_organisation", "grants", ["organisation", "state"])
    op.create_index("grants_by_provider", "grants", ["provider", "state"])
    op.create_table(
        "crossings",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("counted_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "country", "year", "account"),
    )
