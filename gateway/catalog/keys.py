"""Keys that lead to the unit: each has the type of what it leads to, so that no engine casts one to compare them."""

from collections.abc import Iterable, Sequence

from gateway.catalog.model import Column, Table


def mistyped(tables: Sequence[Table], unit_table: str, unit_key: str) -> Iterable[tuple[str, str]]:
    """Yield (path, what is wrong) for each key column whose type is not that of the column it leads to.

    An engine would cast one of the two, and what some row holds could make the cast fail for everyone.
    """
    by_name = {table.name: table for table in tables}
    for table in tables:
        if table.hop is not None:
            column, target_table, target_column = table.hop.column, table.hop.target_table, table.hop.target_column
        elif table.owner is not None and table.name != unit_table:
            column, target_table, target_column = table.owner, unit_table, unit_key
        else:
            continue
        key = table.column(column)
        target = _column(by_name.get(target_table), target_column)
        if key is not None and target is not None and key.type != target.type:
            yield f"tables.{table.name}.unit_path", f"{column} is {key.type}, {target_column} is {target.type}"


def _column(table: Table | None, name: str) -> Column | None:
    return table.column(name) if table is not None else None
