"""Classes of GB/T 43697-2024: core data never leaves in any form, important data never as a group key."""

from dataclasses import dataclass

from gateway.catalog.model import DataClass, Use
from gateway.policy.model import Access, Ask, Refusal

_SHOWN = frozenset({Use.GROUP, Use.FILTER, Use.AGGREGATE})


@dataclass(frozen=True, slots=True)
class ColumnClass:
    def check(self, ask: Ask) -> Refusal | None:
        """Refuse `column_use` for core columns in anything but a join, and important ones as a group key."""
        for access in ask.accesses:
            data_class = _class_of(ask, access)
            if data_class is DataClass.CORE and access.use in _SHOWN:
                detail = f"{access.table}.{access.column} is core data: it never leaves in any form."
                hint = "Leave it out; a unit key may be joined on and counted with COUNT(DISTINCT key)."
                return Refusal("column_use", detail, hint, access.position, "column_class")
            if data_class is DataClass.IMPORTANT and access.use is Use.GROUP:
                detail = f"{access.table}.{access.column} is important data: never a group key."
                return Refusal(
                    "column_use", detail, "Aggregate it: SUM, AVG or COUNT.", access.position, "column_class"
                )
        return None


def _class_of(ask: Ask, access: Access) -> DataClass | None:
    table = ask.dataset.table(access.table)
    column = table.column(access.column) if table is not None else None
    return column.data_class if column is not None else None
