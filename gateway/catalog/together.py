"""What policies must not do together: two files over the same people share one account and one budget. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.catalog.model import Privacy
from gateway.errors import GatewayError
from gateway.ports import Source


@dataclass(frozen=True, slots=True)
class Member:
    """One policy among others: where its data are, which tables of people it reads, and what pays for them.

    Made of the policy file alone, so that data that cannot be opened now are held to the same rules.
    """

    name: str
    provider: str
    source: Source
    private_tables: tuple[str, ...]
    privacy: Privacy


def _check_tables(members: Sequence[Member]) -> None:
    """Refuse two accounts over one private table of one engine: each would pay for the same people."""
    readers: dict[tuple[str, str, str], Member] = {}
    for member in members:
        for table in member.private_tables:
            place = (member.source.kind, member.source.path, table.casefold())
            other = readers.setdefault(place, member)
            if other.privacy.account != member.privacy.account:
                detail = f"'{other.name}' and '{member.name}' read the private table '{table}' for two accounts."
                raise GatewayError("policy_invalid", detail, "Write the same `privacy.account` in both.")


def check_together(members: Sequence[Member]) -> None:
    """Refuse policies that share an account by default, share one with different budgets, or read one table under two.

    Raises GatewayError `policy_invalid`: two files over the same people must not double their budget.
    """
    _check_tables(members)
    by_account: dict[str, Member] = {}
    for member in members:
        other = by_account.setdefault(member.privacy.account, member)
        if other is member:
            continue
        default = f"{member.provider}/{member.privacy.unit_table}.{member.privacy.unit_key}"
        if member.privacy.account == default:
            detail = f"'{other.name}' and '{member.name}' protect the same unit and name no account."
            raise GatewayError("policy_invalid", detail, "Write the same `privacy.account` in both.")
        if other.privacy.budget != member.privacy.budget:
            detail = f"'{other.name}' and '{member.name}' share an account with different budgets."
            raise GatewayError("policy_invalid", detail, "Write the same `privacy.budget` in both.")
