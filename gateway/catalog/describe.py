"""What a buyer may know of a dataset, from its policy alone: for GET /v1/datasets/{name}."""

from gateway.catalog.model import Budget, Column, Dataset, PricePlan, Table
from gateway.catalog.types import to_cell


def describe(dataset: Dataset, plan: PricePlan | None) -> dict[str, object]:
    """Return tables, columns, bounds, values, budgets and prices. Hidden columns do not appear."""
    privacy = dataset.privacy
    return {
        "name": dataset.name,
        "title": dataset.title,
        "provider": dataset.provider,
        "versions": {"policy": dataset.policy_version, "data": dataset.data_version},
        "privacy": {
            "unit": f"{privacy.unit_table}.{privacy.unit_key}",
            "budget": _budget(privacy.budget),
            "per_organisation": _budget(privacy.per_organisation),
            "per_buyer": _budget(privacy.per_buyer),
            "default_epsilon": f"{privacy.default_epsilon:f}",
            "max_epsilon": f"{privacy.max_epsilon:f}",
            "min_units": privacy.min_units,
            "max_cells": privacy.max_cells,
        },
        "tables": [_table(dataset, table) for table in dataset.tables],
        "price_plan": _plan(plan),
    }


def described(dataset: Dataset) -> dict[str, set[str]]:
    """Return the names of the columns that `describe` shows, by table."""
    return {table.name: {column.name for column, _ in _shown(dataset, table)} for table in dataset.tables}


def _budget(budget: Budget | None) -> dict[str, str] | None:
    return None if budget is None else {"epsilon": f"{budget.epsilon:f}", "delta": f"{budget.delta:f}"}


def _table(dataset: Dataset, table: Table) -> dict[str, object]:
    columns = [_column(column, key=key) for column, key in _shown(dataset, table)]
    described: dict[str, object] = {"name": table.name, "public": table.public, "columns": columns}
    if not table.public:
        described["rows"] = table.rows
        described["per_unit"] = {"rows": table.per_unit_rows, "groups": table.per_unit_groups}
    return described


def _shown(dataset: Dataset, table: Table) -> list[tuple[Column, bool]]:
    """Return the columns that are shown, each with whether it is a key."""
    keys = _keys(dataset, table)
    return [(column, column.name in keys) for column in table.columns if not column.hidden or column.name in keys]


def _keys(dataset: Dataset, table: Table) -> set[str | None]:
    led_to = {t.hop.target_column for t in dataset.tables if t.hop is not None and t.hop.target_table == table.name}
    return {table.owner, table.hop.column if table.hop is not None else None} | led_to


def _column(column: Column, *, key: bool) -> dict[str, object]:
    uses = ["join", "count distinct"] if key and column.hidden else sorted(use.value for use in column.use)
    described: dict[str, object] = {
        "name": column.name,
        "type": str(column.type),
        "class": column.data_class.value,
        "use": uses,
        "nullable": column.nullable,
    }
    if column.bounds is not None:
        described["bounds"] = [str(to_cell(end)) for end in column.bounds]
    if column.values is not None:
        described["values"] = list(column.values)
    if column.granularity is not None:
        described["granularity"] = f"{column.granularity:f}"
    if column.per_unit_sum is not None:
        described["per_unit_sum"] = [f"{end:f}" for end in column.per_unit_sum]
    return described


def _plan(plan: PricePlan | None) -> dict[str, object] | None:
    if plan is None:
        return None
    return {
        "name": plan.name,
        "version": plan.version,
        "currency": plan.currency,
        "per_query": f"{plan.per_query:f}",
        "per_epsilon": f"{plan.per_epsilon:f}",
        "per_million_rows": f"{plan.per_million_rows:f}",
        "class_factor": {name.value: f"{factor:f}" for name, factor in plan.class_factor},
    }
