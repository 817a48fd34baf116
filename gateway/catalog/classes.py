"""What class a column has: its own, or its table's floor where it states none. Pure."""

from collections.abc import Iterator

from gateway.catalog.document import ColumnEntry, TableEntry
from gateway.catalog.model import DataClass

_ORDER = tuple(DataClass)


def higher(one: DataClass, other: DataClass) -> DataClass:
    """Return the more sensitive of two classes."""
    return max(one, other, key=_ORDER.index)


def class_of(table: TableEntry, column: ColumnEntry) -> DataClass:
    """Return a column's class, which is never below its table's."""
    return column.data_class if table.data_class is None else higher(table.data_class, column.data_class)


def beneath(path: str, table: TableEntry) -> Iterator[tuple[str, str, str]]:
    """Yield (path, what is wrong, what to write) for columns below their table's class, and open data above general."""
    if table.public and table.data_class not in (None, DataClass.GENERAL):
        yield f"{path}.class", "open data is general", "Remove `public: true`, or the class."
    for name, column in table.columns.items():
        if "data_class" in column.model_fields_set and class_of(table, column) is not column.data_class:
            message = f"no column of a table of class {table.data_class} is below it"
            yield f"{path}.columns.{name}.class", message, f"Write `class: {table.data_class}`, or none."
