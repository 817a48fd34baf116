"""What policies must not do together: two files over the same people share one account and one budget. Pure."""

from collections.abc import Sequence

from gateway.catalog.model import Dataset
from gateway.errors import GatewayError


def _check_tables(datasets: Sequence[Dataset]) -> None:
    """Refuse two accounts over one private table of one engine: each would pay for the same people."""
    readers: dict[tuple[str, str, str], Dataset] = {}
    for dataset in datasets:
        for table in dataset.tables:
            if table.public:
                continue
            place = (dataset.source.kind, dataset.source.path, table.name.casefold())
            other = readers.setdefault(place, dataset)
            if other.privacy.account != dataset.privacy.account:
                detail = f"'{other.name}' and '{dataset.name}' read the private table '{table.name}' for two accounts."
                raise GatewayError("policy_invalid", detail, "Write the same `privacy.account` in both.")


def check_together(datasets: Sequence[Dataset]) -> None:
    """Refuse policies that share an account by default, share one with different budgets, or read one table under two.

    Raises GatewayError `policy_invalid`: two files over the same people must not double their budget.
    """
    _check_tables(datasets)
    by_account: dict[str, Dataset] = {}
    for dataset in datasets:
        other = by_account.setdefault(dataset.privacy.account, dataset)
        if other is dataset:
            continue
        default = f"{dataset.provider}/{dataset.privacy.unit_table}.{dataset.privacy.unit_key}"
        if dataset.privacy.account == default:
            detail = f"'{other.name}' and '{dataset.name}' protect the same unit and name no account."
            raise GatewayError("policy_invalid", detail, "Write the same `privacy.account` in both.")
        if other.privacy.budget != dataset.privacy.budget:
            detail = f"'{other.name}' and '{dataset.name}' share an account with different budgets."
            raise GatewayError("policy_invalid", detail, "Write the same `privacy.budget` in both.")
