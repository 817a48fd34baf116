"""Balances made again from the log alone: what every account has spent is a pure fold over its leaves."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from gateway.ledger.events import DELTA_DECIMALS, RHO_DECIMALS
from gateway.ledger.model import Per, buyer_name, purse


@dataclass(slots=True)
class Spent:
    """What one account has spent: ledger units and uses."""

    rho: int = 0
    delta: int = 0
    uses: int = 0


@dataclass(slots=True)
class Folded:
    """What the log says of accounts. `money` is by (account, currency, period); `topups` and `caps` by their keys."""

    accounts: dict[str, Spent] = field(default_factory=dict)
    money: dict[tuple[str, str, str], Decimal] = field(default_factory=dict)
    topups: dict[str, dict[str, Any]] = field(default_factory=dict)
    caps: dict[tuple[str, str, str], str] = field(default_factory=dict)
    tables: dict[tuple[str, str], str] = field(default_factory=dict)


def units(text: str, decimals: int) -> int:
    """Return an exact decimal text in units of 10^-decimals."""
    return int(Decimal(text).scaleb(decimals))


def fold(leaves: Iterable[bytes]) -> Folded:
    """Return what accounts have spent and what was decided of them, by the leaves of a log in order."""
    folded = Folded()
    for raw in leaves:
        leaf = json.loads(raw)
        match leaf["kind"]:
            case "charged":
                _charge(folded, leaf)
            case "topped-up":
                folded.topups[leaf["topup_id"]] = _topup(folded.topups.get(leaf["topup_id"]), leaf)
            case "capped":
                _cap(folded, leaf)
            case "bound":
                folded.tables |= {(leaf["source"], name): leaf["account"] for name in leaf["tables"]}
            case _:
                pass  # refusals, replays, answers, keys and the like change no account
    return folded


def _charge(folded: Folded, leaf: dict[str, Any]) -> None:
    for key in leaf["accounts"]:
        spent = folded.accounts.setdefault(key, Spent())
        spent.rho += units(leaf["rho"], RHO_DECIMALS)
        spent.delta += units(leaf["delta"], DELTA_DECIMALS)
        spent.uses += 1
    amount = Decimal(leaf["amount"])
    if amount == 0:
        return
    at = datetime.fromisoformat(leaf["time"])
    for name in payers(leaf):
        for per in Per:
            place = (name, leaf["currency"], per.name_at(at))
            folded.money[place] = folded.money.get(place, Decimal(0)) + amount


def payers(leaf: Mapping[str, Any]) -> set[str]:
    """Return what a charge's money is counted for: the buyer's purse, and the grant's account if it debits one."""
    mine = purse(buyer_name(leaf["organisation"], leaf["buyer"]))
    return {mine, *(key for key in leaf["accounts"] if key == leaf["purse"])}


def _topup(before: dict[str, Any] | None, leaf: dict[str, Any]) -> dict[str, Any]:
    proposed_at = before["proposed_at"] if before is not None else leaf["time"]
    return {name: value for name, value in leaf.items() if name not in ("kind", "time")} | {"proposed_at": proposed_at}


def _cap(folded: Folded, leaf: dict[str, Any]) -> None:
    place = (leaf["buyer"], leaf["currency"], leaf["per"])
    if leaf["amount"] is None:
        folded.caps.pop(place, None)
    else:
        folded.caps[place] = leaf["amount"]
