"""What the log says of limits, as the store's own rows: top-ups, caps that buyers set, the accounts of tables. Pure."""

from datetime import datetime
from typing import Any

from sqlalchemy import Table

from gateway.ledger.charging import microseconds
from gateway.ledger.events import DELTA_DECIMALS, RHO_DECIMALS
from gateway.ledger.folding import Folded, units
from gateway.store.tables import account_tables, caps, topups

LIMITS = frozenset({"topped-up", "capped", "bound"})
"""The leaves that change them."""


def limit_rows(folded: Folded) -> dict[Table, list[dict[str, Any]]]:
    """Return the rows of each table, as they were written when they were decided."""
    return {
        topups: [_topup(made) for made in folded.topups.values()],
        caps: [
            {"buyer": buyer, "currency": currency, "per": per, "amount": amount}
            for (buyer, currency, per), amount in folded.caps.items()
        ],
        account_tables: [
            {"source": source, "table_name": name, "account": account}
            for (source, name), account in folded.tables.items()
        ],
    }


def _topup(made: dict[str, Any]) -> dict[str, Any]:
    return {
        "topup_id": made["topup_id"],
        "account": made["account"],
        "rho": str(units(made["rho"], RHO_DECIMALS)),
        "delta": str(units(made["delta"], DELTA_DECIMALS)),
        "reason": made["reason"],
        "proposed_by": made["proposed_by"],
        "proposed_at_us": microseconds(datetime.fromisoformat(made["proposed_at"])),
        "decided_by": made["decided_by"],
        "state": made["state"],
    }
