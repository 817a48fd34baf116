"""Members, and who verified them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "members",
        sa.Column("member_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("subject", sa.String()),
        sa.Column("legal_name", sa.String(), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("applied_by", sa.String(), nullable=False),
        sa.Column("applied_at_us", sa.BigInteger(), nullable=False),
        sa.Column("suspended_by", sa.String()),
        sa.Column("reason", sa.String()),
        sa.Column("suspended_at_us", sa.BigInteger()),
        sa.PrimaryKeyConstraint("member_id"),
        sa.UniqueConstraint("name", "issuer"),
    )
    op.create_index("members_by_organisation", "members", ["organisation"])
    op.create_table(
        "member_verifications",
        sa.Column("member_id", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reviewer", sa.String(), nullable=False),
        sa.Column("verified_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("member_id", "round", "reviewer"),
    )
