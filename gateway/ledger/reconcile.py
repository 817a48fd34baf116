"""Agreement of log, ledger, meter and invoices over the whole history: every difference by name. Reads, never repairs.

What should be is made again from the leaves of the log alone; what is, is read from the other tables in the same
transaction.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, Row, Table, select
from sqlalchemy.exc import StatementError

from gateway.ledger import retelling
from gateway.ledger.agreement import Audit, Difference, Leaf, in_pieces, walk
from gateway.ledger.billed import compare_events, compare_invoices
from gateway.ledger.charging import CANCELLED, EARLY, EXCUSED, FAILED, RUNNING, STOPPED, WITHDRAWN
from gateway.ledger.events import DELTA_DECIMALS, RHO_DECIMALS
from gateway.ledger.folding import fold, payers
from gateway.ledger.limits import limit_rows
from gateway.ledger.model import Per
from gateway.ledger.sealing import commitment
from gateway.store.tables import accounts, queries, spendings


@dataclass(frozen=True, slots=True)
class Agreement:
    """How much was compared, and every difference."""

    leaves: int
    charges: int
    events: int
    invoices: int
    differences: tuple[Difference, ...]


def reconcile(connection: Connection) -> Agreement:
    """Compare everything, within one transaction that reads."""
    audit = walk(connection)
    _compare_queries(connection, audit)
    _compare_balances(connection, audit)
    _compare_money(connection, audit)
    _compare_limits(connection, audit)
    _compare_states(connection, audit)
    found = compare_events(connection, audit)
    documents = compare_invoices(connection, audit, found)
    return Agreement(audit.size, len(audit.charged()), len(found), documents, tuple(audit.differences))


# -- the queries ------------------------------------------------------------------------------------------------------


def _compare_queries(connection: Connection, audit: Audit) -> None:
    found: set[str] = set()
    for row in in_pieces(connection, select(queries)):
        found.add(row.query_id)
        decided = audit.decided.get(row.query_id)
        if decided is None:
            audit.report("missing leaf", f"query {row.query_id}", "no leaf of the log decides it")
        else:
            _compare_query(audit, row, decided)
    for query_id, leaf in audit.decided.items():
        if leaf.kind != "refused" and query_id not in found and leaf.index not in audit.replayed:
            audit.report("missing query", f"query {query_id}", f"leaf {leaf.index} says that it was {leaf.kind}")


def _compare_query(audit: Audit, row: Row[Any], leaf: Leaf) -> None:
    says = leaf.content
    rho, delta = _loss(leaf) if "rho" in says else (None, None)
    expected = {
        "log_index": leaf.index,
        "leaf_hash": leaf.hash,
        "rho": None if rho is None else str(rho),
        "delta": None if delta is None else str(delta),
        "amount": says.get("amount"),
        "currency": says.get("currency"),
        "organisation": says.get("organisation"),
        "dataset": says.get("dataset"),
    }
    for name, value in expected.items():
        found = row._mapping[name]  # noqa: SLF001 - SQLAlchemy's public name for a row's mapping
        if found != value:
            audit.report("changed query", f"query {row.query_id}", f"{name} is {found}; leaf {leaf.index} says {value}")
    if row.state in (FAILED, EXCUSED, *EARLY):
        if row.query_id not in audit.failed:
            audit.report("missing leaf", f"query {row.query_id}", "it failed, and no leaf says so")
        said = {
            EXCUSED: audit.excused,
            CANCELLED: audit.cancelled,
            STOPPED: audit.stopped,
            WITHDRAWN: audit.withdrawn,
        }
        for state, named in said.items():
            if (row.state == state) is not (row.query_id in named):
                told = "a leaf says" if row.query_id in named else "no leaf says"
                audit.report(
                    "changed query", f"query {row.query_id}", f"state is {row.state}; {told} that it is {state}"
                )
    elif row.state != RUNNING:
        _compare_answer(audit, row, audit.answered.get(row.query_id, leaf))


def _compare_answer(audit: Audit, row: Row[Any], leaf: Leaf) -> None:
    """Compare an answer with its commitment, while it is kept."""
    committed = leaf.content.get("answer")
    if committed is None:
        audit.report("missing leaf", f"query {row.query_id}", "it was answered, and no leaf commits to the answer")
    elif row.answer is not None and commitment(bytes(row.salt), bytes(row.answer)) != committed:
        audit.report("changed answer", f"query {row.query_id}", f"it is not the one that leaf {leaf.index} commits to")


def _loss(leaf: Leaf) -> tuple[int, int]:
    """Return what a leaf says of rho and delta, in ledger units."""
    rho, delta = (Fraction(leaf.content[name]) for name in ("rho", "delta"))
    return int(rho * 10**RHO_DECIMALS), int(delta * 10**DELTA_DECIMALS)


# -- the accounts -----------------------------------------------------------------------------------------------------


def _compare_balances(connection: Connection, audit: Audit) -> None:
    rho, delta, uses = Counter[str](), Counter[str](), Counter[str]()
    for leaf in audit.charged().values():
        each = _loss(leaf)
        for key in leaf.content["accounts"]:
            rho[key] += each[0]
            delta[key] += each[1]
            uses[key] += 1
    kept = {
        row.key: {"rho": int(row.rho_spent), "delta": int(row.delta_spent), "uses": row.uses}
        for row in connection.execute(select(accounts))
    }
    nothing = {"rho": 0, "delta": 0, "uses": 0}
    for key in sorted(kept.keys() | uses.keys()):
        expected = {"rho": rho[key], "delta": delta[key], "uses": uses[key]}
        for name, value in kept.get(key, nothing).items():
            if value != expected[name]:
                detail = f"{name} is {value}; the log adds up to {expected[name]}"
                audit.report("changed balance", f"account {key}", detail)


def _compare_money(connection: Connection, audit: Audit) -> None:
    expected: dict[tuple[str, str, str], Decimal] = {}
    for leaf in audit.charged().values():
        amount = Decimal(leaf.content["amount"])
        if not amount:
            continue
        at = datetime.fromisoformat(leaf.content["time"])
        for account in payers(leaf.content):
            for per in Per:
                key = (account, leaf.content["currency"], per.name_at(at))
                expected[key] = expected.get(key, Decimal(0)) + amount
    kept = {
        (row.account, row.currency, row.period): Decimal(row.amount) for row in connection.execute(select(spendings))
    }
    for key in sorted(kept.keys() | expected.keys()):
        found, wanted = kept.get(key, Decimal(0)), expected.get(key, Decimal(0))
        if found != wanted:
            account, currency, period = key
            detail = f"{found:f} {currency} is spent in {period}; the log adds up to {wanted:f}"
            audit.report("changed balance", f"money of {account}", detail)


def _compare_limits(connection: Connection, audit: Audit) -> None:
    """Compare top-ups, buyers' caps and the accounts of tables, row by row, with what the log decided."""
    try:
        said = limit_rows(fold(audit.limits))
    except (KeyError, ValueError, TypeError, ArithmeticError):
        audit.report("changed leaf", "limits", "a leaf that changes a limit cannot be read")
        return
    for table, rows in said.items():
        keys = [column.name for column in table.primary_key]
        wanted = {tuple(row[key] for key in keys): row for row in rows}
        _compare_rows(audit, "changed limit", table, retelling.rows(connection, table), wanted)


def _compare_states(connection: Connection, audit: Audit) -> None:
    """Compare who is frozen and the rest of the exchange's state, row by row, with what the log tells."""
    try:
        for table, kept, wanted in retelling.states(connection, audit.states):
            _compare_rows(audit, "changed state", table, kept, wanted)
    except (KeyError, ValueError, TypeError, StatementError):
        audit.report("changed leaf", "state", "a leaf that changes the exchange's state cannot be read")


def _compare_rows(audit: Audit, kind: str, table: Table, kept: retelling.Rows, wanted: retelling.Rows) -> None:
    for key in sorted(kept.keys() | wanted.keys()):
        if kept.get(key) != wanted.get(key):
            subject = f"{table.name} {' '.join(map(str, key))}"
            detail = f"it is {_shown(kept.get(key))}; the log says {_shown(wanted.get(key))}"
            audit.report(kind, subject, detail)


def _shown(row: Mapping[str, Any] | None) -> str:
    return "not there" if row is None else ", ".join(f"{name} {value}" for name, value in row.items())
