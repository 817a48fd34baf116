"""What evidence looks for among all leaves and events, and where a page of a listing begins, is found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_KINDS = (
    "frozen", "unfrozen", "member-suspended", "member-verified", "registered", "reviewed", "withdrawn", "invoiced",
    "credited",
)  # fmt: skip
_SPELLED = [f'"kind":"{kind}"' for kind in _KINDS]
_SQLITE = " OR ".join(f"instr(leaf, '{one}') > 0" for one in _SPELLED)
_POSTGRES = " OR ".join(f"position('{one}'::bytea IN leaf) > 0" for one in _SPELLED)


def upgrade() -> None:
    op.create_index(
        "log_leaves_seldom",
        "log_leaves",
        ["position"],
        sqlite_where=sa.text(f"({_SQLITE})"),
        postgresql_where=sa.text(f"({_POSTGRES})"),
    )
    op.add_column("events", sa.Column("query_id", sa.String(), nullable=True))
    named = "json_extract(line, '$.subject')"
    if op.get_context().dialect.name == "postgresql":
        named = "line::json ->> 'subject'"
    op.execute(f"UPDATE events SET query_id = {named}")
    op.create_index("events_by_query", "events", ["query_id"])
    op.create_index("cases_by_time", "cases", ["opened_at_us", "case_id"])
    op.create_index("grants_by_time", "grants", ["requested_at_us", "grant_id"])
