"""What the log and the meter say of a decision, written in its own transaction. Nothing here commits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from gateway.errors import GatewayError
from gateway.ledger.events import (
    BUYER_VISIBLE,
    DELTA_DECIMALS,
    RHO_DECIMALS,
    canonical,
    decimal_text,
    event_line,
    timestamp,
)
from gateway.ledger.model import Order
from gateway.store import epochs, log
from gateway.store.prepared import Prepared
from gateway.store.tables import events

_EVENT = Prepared(insert(events))

MAX_LEAF_BYTES = 65_535
"""What the two bytes of a length in an entry bundle can say."""

REOPENED = "epoch"
"""The leaf that lifts a restored store's fence: the only one that may be appended behind it."""


def refuse_fenced(connection: Connection) -> None:
    """Refuse whatever a restored store would write before it has caught up.

    INVARIANT: a fenced log stays the beginning of the true one. One leaf more, were it a refusal's, and `replay` could
    never append the leaves that are missing: their budget would come back. Raises GatewayError `store_fenced`.
    """
    if epochs.fenced(connection) is not None:
        hint = "Its operator runs `gateway store replay LOG`, or has two persons answer for what is missing."
        raise GatewayError("store_fenced", "The store was restored from a backup and takes nothing yet.", hint)


def append(connection: Connection, kind: str, now: datetime, content: Mapping[str, Any]) -> tuple[int, str]:
    """Append one leaf; return its index and hash. INVARIANT: no literal of a query and no result stands in it.

    Raises GatewayError `sql_too_complex` for one that no entry bundle of the log could hold, `store_fenced`.
    """
    if kind != REOPENED:
        refuse_fenced(connection)
    return log.append(connection, _leaf(kind, now, content))


def append_all(
    connection: Connection, kind: str, now: datetime, contents: Sequence[Mapping[str, Any]]
) -> list[tuple[int, str]]:
    """Append leaves of one kind together; return the index and hash of each. Raises as `append` does."""
    refuse_fenced(connection)
    return log.append_all(connection, [_leaf(kind, now, content) for content in contents])


def _leaf(kind: str, now: datetime, content: Mapping[str, Any]) -> bytes:
    leaf = canonical({"kind": kind, "time": timestamp(now), **content}).encode()
    if len(leaf) > MAX_LEAF_BYTES:
        detail = f"What the log would say of this is longer than {MAX_LEAF_BYTES:,} bytes."
        raise GatewayError("sql_too_complex", detail, "Ask for less at once.")
    return leaf


@dataclass(frozen=True, slots=True)
class Decision:
    """What the log and the meter will say of an order."""

    order: Order
    kind: str
    at: datetime
    leaf: bytes
    told: Mapping[str, Any]


def decision(kind: str, order: Order, now: datetime, commitments: Mapping[str, str]) -> Decision:
    """Return what is said of an order. Raises GatewayError `sql_too_complex`.

    The leaf of a charge names the accounts that it debits: balances can be made again from the log alone.
    """
    told = {
        **json.loads(order.facts),
        "rho": decimal_text(order.rho, RHO_DECIMALS),
        "delta": decimal_text(order.delta, DELTA_DECIMALS),
        "amount": f"{order.amount:f}",
        "currency": order.currency,
    }
    debited = {}
    if kind == "charged":
        debited = {"accounts": [account.key for account in order.accounts], "purse": order.allowance.grant}
    leaf = _leaf(kind, now, {"query_id": order.query_id, **told, **debited, **commitments})
    return Decision(order, kind, now, leaf, told)


def decided(
    connection: Connection, source: str, kind: str, order: Order, now: datetime, commitments: Mapping[str, str]
) -> tuple[int, str]:
    """Append one order to the log and the meter events; return the leaf's index and hash."""
    (entered,) = decided_all(connection, source, [decision(kind, order, now, commitments)])
    return entered


def decided_all(connection: Connection, source: str, decisions: Sequence[Decision]) -> list[tuple[int, str]]:
    """Append decisions to the log and the meter events; return each leaf's index and hash. Raises `store_fenced`."""
    refuse_fenced(connection)
    entered = log.append_all(connection, [one.leaf for one in decisions])
    rows = [
        {
            "visibility": BUYER_VISIBLE,
            "dataset": one.order.dataset,
            "query_id": one.order.query_id,
            "line": _line(source, one, index),
        }
        for one, (index, _hash) in zip(decisions, entered, strict=True)
    ]
    _EVENT.write(connection, rows)
    return entered


def _line(source: str, one: Decision, index: int) -> str:
    return event_line(source, one.kind, one.order.query_id, one.at, {**one.told, "log_index": index})


def meter(connection: Connection, visibility: str, dataset: str, query_id: str, line: str) -> None:
    """Write one meter event of a query into the outbox."""
    row = {"visibility": visibility, "dataset": dataset, "query_id": query_id, "line": line}
    _EVENT.write(connection, [row])
