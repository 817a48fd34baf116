"""A dataset as a data contract of the Open Data Contract Standard, version 3.1: what its policy makes public. Pure.

Nothing of the engine is in it, and nothing of hidden columns: it says what GET /v1/datasets/{name} says, and the keys.
What the standard has no word for stands under `customProperties`.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gateway.catalog.model import Column, Dataset, PricePlan, Table
from gateway.catalog.types import TypeKind, to_cell

VERSION = "v3.1.0"

_LOGICAL = {
    TypeKind.BOOLEAN: "boolean",
    TypeKind.INTEGER: "integer",
    TypeKind.DECIMAL: "number",
    TypeKind.DOUBLE: "number",
    TypeKind.TEXT: "string",
    TypeKind.UUID: "string",
    TypeKind.DATE: "date",
    TypeKind.TIMESTAMP: "timestamp",
}

_REFERABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Names that a reference of the standard can hold."""

_LIMITS = (
    "Rows of tables about people never leave. Answers are aggregates with noise, charged to a privacy budget; "
    "columns of class core are joined on and counted, important ones aggregated."
)


def contract(dataset: Dataset, plan: PricePlan | None, *, published: bool = True) -> dict[str, Any]:
    """Return the contract of a dataset at its policy's version; with the prices of a plan where the reader has one."""
    made: dict[str, Any] = {
        "apiVersion": VERSION,
        "kind": "DataContract",
        "id": f"{dataset.provider}/{dataset.name}",
        "name": dataset.name,
        "version": dataset.policy_version,
        "status": "active" if published else "draft",
        "tenant": dataset.provider,
        "description": {"purpose": dataset.title or dataset.name, "limitations": _LIMITS},
        "schema": [_object(dataset, table) for table in dataset.tables],
        "team": {"name": dataset.provider},
        "roles": [{"role": "buyer", "access": "aggregates under a grant", "firstLevelApprovers": dataset.provider}],
        "customProperties": list(_properties(_privacy(dataset))),
    }
    if plan is not None:
        made["price"] = {
            "priceAmount": _number(plan.per_query),
            "priceCurrency": plan.currency,
            "priceUnit": "query",
        }
        made["customProperties"] += _properties({"pricePlan": _plan(plan)})
    return made


def _privacy(dataset: Dataset) -> Mapping[str, Any]:
    privacy = dataset.privacy
    levels = {"all": privacy.budget, "organisation": privacy.per_organisation, "buyer": privacy.per_buyer}
    return {
        "privacyUnit": f"{privacy.unit_table}.{privacy.unit_key}",
        "privacyAccounting": privacy.accounting.value,
        "privacyBudgets": {
            name: {"epsilon": f"{budget.epsilon:f}", "delta": f"{budget.delta:f}"}
            for name, budget in levels.items()
            if budget is not None
        },
        "privacyPerQuery": {"default": f"{privacy.default_epsilon:f}", "largest": f"{privacy.max_epsilon:f}"},
        "leastUnits": privacy.min_units,
        "mostCells": privacy.max_cells,
    }


def _plan(plan: PricePlan) -> Mapping[str, Any]:
    return {
        "name": plan.name,
        "version": plan.version,
        "currency": plan.currency,
        "perQuery": f"{plan.per_query:f}",
        "perEpsilon": f"{plan.per_epsilon:f}",
        "perMillionRows": f"{plan.per_million_rows:f}",
        "classFactor": {name.value: f"{factor:f}" for name, factor in plan.class_factor},
    }


def _object(dataset: Dataset, table: Table) -> dict[str, Any]:
    keys = _keys(dataset, table)
    shown = [column for column in table.columns if not column.hidden or column.name in keys]
    known: dict[str, Any] = {"public": table.public}
    if not table.public:
        known |= {
            "declaredRows": table.rows,
            "rowsPerUnit": table.per_unit_rows,
            "groupsPerUnit": table.per_unit_groups,
        }
    names = {column.name for column in shown}
    several = [list(key) for key in table.unique if len(key) > 1 and set(key) <= names]
    if several:
        known["uniqueTogether"] = several
    return {
        "name": table.name,
        "physicalType": "table",
        "logicalType": "object",
        "dataGranularityDescription": _granularity(dataset, table),
        "properties": [_property(dataset, table, column, key=column.name in keys) for column in shown],
        "customProperties": list(_properties(known)),
    }


def _granularity(dataset: Dataset, table: Table) -> str:
    if table.public:
        return "Open data: its rows may be read."
    alone = table.name == dataset.privacy.unit_table and (table.owner,) in table.unique
    return "One row for each unit that is protected." if alone else "Any number of rows of one unit."


def _keys(dataset: Dataset, table: Table) -> set[str]:
    if table.public:
        return set()
    led_to = {t.hop.target_column for t in dataset.tables if t.hop is not None and t.hop.target_table == table.name}
    own = {table.owner} if table.owner is not None else set()
    return own | led_to | ({table.hop.column} if table.hop is not None else set())


def _property(dataset: Dataset, table: Table, column: Column, *, key: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": column.name,
        "physicalType": str(column.type),
        "required": not column.nullable,
        "unique": (column.name,) in table.unique,
        "classification": "public" if table.public else column.data_class.value,
    }
    logical = _LOGICAL.get(column.type.kind)
    if logical is not None:
        made["logicalType"] = logical
    if column.bounds is not None:
        low, high = (_end(end) for end in column.bounds)
        made["logicalTypeOptions"] = {"minimum": low, "maximum": high}
    target = _target(dataset, table, column)
    if target is not None and all(map(_REFERABLE.fullmatch, target)):
        made["relationships"] = [{"type": "foreignKey", "to": ".".join(target)}]
    made["customProperties"] = list(_properties(_known(column, key=key, target=target)))
    return made


def _known(column: Column, *, key: bool, target: tuple[str, str] | None) -> Mapping[str, Any]:
    uses = ["count distinct", "join"] if key and column.hidden else sorted(use.value for use in column.use)
    known: dict[str, Any] = {"use": uses}
    if target is not None and not all(map(_REFERABLE.fullmatch, target)):
        known["leadsTo"] = list(target)
    if column.values is not None:
        known["values"] = list(column.values)
    if column.granularity is not None:
        known["granularity"] = f"{column.granularity:f}"
    if column.per_unit_sum is not None:
        known["perUnitSum"] = [f"{end:f}" for end in column.per_unit_sum]
    return known


def _target(dataset: Dataset, table: Table, column: Column) -> tuple[str, str] | None:
    """Return what a column on a path to the unit leads to."""
    if table.hop is not None and table.hop.column == column.name:
        return table.hop.target_table, table.hop.target_column
    if table.owner == column.name and table.name != dataset.privacy.unit_table:
        return dataset.privacy.unit_table, dataset.privacy.unit_key
    return None


def _end(value: Any) -> Any:
    """Return an end of a range as the standard writes it: numbers as such, dates and moments as texts."""
    return _number(value) if isinstance(value, int | Decimal) else to_cell(value)


def _number(value: Decimal | int) -> int | float:
    return int(value) if value == int(value) else float(value)


def _properties(known: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in known.items():
        yield {"property": name, "value": value}
