"""Accounts inside one transaction: balances, debits, money. Nothing here commits."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import BindParameter, Connection, bindparam, select

from gateway.errors import GatewayError
from gateway.ledger.model import Account, Balance, Cap, Order, Per, purse
from gateway.store.prepared import Prepared
from gateway.store.tables import accounts, caps, spendings, topups
from gateway.store.upsert import upsert

APPROVED = "approved"

# built once: building a statement takes longer than running it
_KEYS: BindParameter[str] = bindparam("keys", expanding=True)
_SPENT = Prepared(select(accounts).where(accounts.c.key.in_(_KEYS)))
_ADDED = Prepared(
    select(topups.c.account, topups.c.rho, topups.c.delta).where(
        topups.c.account.in_(_KEYS), topups.c.state == APPROVED
    )
)
_MONEY = Prepared(
    select(spendings).where(
        spendings.c.account.in_(_KEYS),
        spendings.c.currency == bindparam("currency"),
        spendings.c.period.in_(bindparam("periods", expanding=True)),
    )
)
_CAPS = Prepared(select(caps).where(caps.c.buyer == bindparam("buyer")).order_by(caps.c.currency, caps.c.per))


def balances(connection: Connection, asked: Sequence[Account]) -> tuple[Balance, ...]:
    """Return what each account has spent beside today's limits, in the order asked."""
    keys = [account.key for account in asked]
    rows = {row.key: row for row in _SPENT.rows(connection, {"keys": keys})}
    added = _topped_up(connection, keys)
    found = []
    for account in asked:
        row, (rho, delta) = rows.get(account.key), added.get(account.key, (0, 0))
        spent = (int(row.rho_spent), int(row.delta_spent), row.uses) if row is not None else (0, 0, 0)
        found.append(
            Balance(
                account.key,
                None if account.rho_limit is None else account.rho_limit + rho,
                spent[0],
                None if account.delta_limit is None else account.delta_limit + delta,
                spent[1],
                account.uses_limit,
                spent[2],
            )
        )
    return tuple(found)


def _topped_up(connection: Connection, keys: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return (rho, delta) that approved top-ups add to accounts. One of a refilled account holds in its period."""
    added: dict[str, tuple[int, int]] = {}
    for row in _ADDED.rows(connection, {"keys": keys}):
        rho, delta = added.get(row.account, (0, 0))
        added[row.account] = (rho + int(row.rho), delta + int(row.delta))
    return added


def debit(connection: Connection, order: Order, now: datetime) -> None:
    """Debit every account of an order: privacy, uses and money.

    Raises GatewayError `budget_exhausted`, `uses_exhausted` or `spending_capped` at the first that cannot pay.
    """
    held = balances(connection, order.accounts)
    for balance in held:
        _refuse_overdraft(balance, order)
    upsert(
        connection,
        accounts,
        [
            {
                "key": balance.key,
                "rho_spent": str(balance.rho_spent + order.rho),
                "delta_spent": str(balance.delta_spent + order.delta),
                "uses": balance.uses + 1,
            }
            for balance in held
        ],
    )
    _spend(connection, order, now)


def _refuse_overdraft(held: Balance, order: Order) -> None:
    rho_over = held.rho_limit is not None and held.rho_spent + order.rho > held.rho_limit
    delta_over = held.delta_limit is not None and held.delta_spent + order.delta > held.delta_limit
    if rho_over or delta_over:
        level = held.key.partition("/")[0]
        kind = "rho" if rho_over else "delta for private keys"
        detail = f"The budget of level '{level}' does not cover this query: its {kind} is spent."
        left = max((held.rho_limit or 0) - held.rho_spent, 0) / 1e12
        hint = (
            f"Left at this level: rho {left:.6g}; the query needs {order.rho / 1e12:.6g}. Ask with a smaller epsilon."
        )
        if not rho_over:
            hint = "Group by keys that the policy knows (`values`), or ask the provider for a top-up."
        raise GatewayError("budget_exhausted", detail, hint)
    if held.uses_limit is not None and held.uses >= held.uses_limit:
        hint = "Ask the provider for another grant."
        raise GatewayError("uses_exhausted", f"The grant's {held.uses_limit:,} uses are spent.", hint)


def _spend(connection: Connection, order: Order, now: datetime) -> None:
    """Count an order's price against the caps of its accounts and the buyer's own."""
    if order.amount == 0:
        return
    mine = purse(order.buyer)
    wanted = {a.key: a.cap for a in order.accounts if a.key == order.allowance.grant} | {mine: None}
    periods = {per: per.name_at(now) for per in Per}
    asked = {"keys": list(wanted), "currency": order.currency, "periods": list(periods.values())}
    spent = {(row.account, row.period): Decimal(row.amount) for row in _MONEY.rows(connection, asked)}
    total = {
        (key, period): spent.get((key, period), Decimal(0)) + order.amount
        for key in wanted
        for period in periods.values()
    }
    own = own_caps(connection, order.buyer)
    limits = [(key, cap) for key, cap in wanted.items() if cap is not None] + [(mine, cap) for cap in own]
    for key, cap in limits:
        if cap.currency == order.currency and total[key, periods[cap.per]] > cap.amount:
            raise _capped(cap, own=key == mine)
    rows = [
        {"account": key, "currency": order.currency, "period": period, "amount": f"{amount:f}"}
        for (key, period), amount in total.items()
    ]
    upsert(connection, spendings, rows)


def _capped(cap: Cap, *, own: bool) -> GatewayError:
    whose = "your own spending cap" if own else "the grant's spending cap"
    when = "in all" if cap.per is Per.TOTAL else f"a {cap.per}"
    hint = "Raise it with PUT /v1/spending." if own else "Ask the provider, or ask when the next period begins."
    return GatewayError("spending_capped", f"The price exceeds {whose} of {cap.amount:f} {cap.currency} {when}.", hint)


def own_caps(connection: Connection, buyer: str) -> tuple[Cap, ...]:
    """Return the caps that a buyer has set for itself."""
    rows = _CAPS.rows(connection, {"buyer": buyer})
    return tuple(Cap(Decimal(row.amount), row.currency, Per(row.per)) for row in rows)
