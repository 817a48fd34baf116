"""Prints docs/functions.md from the table of functions: `python -m gateway.sql.functions_page > docs/functions.md`."""

import sys

from gateway.sql.expressions import TABLES, Resolver
from gateway.sql.parse import parse
from gateway.sql.refusals import UNANSWERED
from gateway.sql.rows import Example, Row
from gateway.sql.scope import Scope
from gateway.sql.terms import Term

_OPENING = """# Functions and operators

Printed from the table of functions (`python -m gateway.sql.functions_page`); a test holds this page to it. What is not
here is refused by name.

- **Total**: no data makes any of these raise an error. A NULL argument gives NULL, and so does what *NULL* says.
- **Of the row alone**: every value is a function of one row and of the query, the same on every run.
- **Types** are BOOLEAN, INTEGER (64 bits), DECIMAL(p,s), DOUBLE, VARCHAR, DATE and TIMESTAMP (microseconds, no zone).
  A whole number or decimal whose range might not fit becomes a DOUBLE. CAST never fails: it gives NULL.
- **Ranges** (numbers), spans (dates) and domains (few known values) follow from the policy's bounds and values and
  from the query, never from data. They bound sums and make group keys public, which then cost no delta.
- **Dates** outside the years 1 to 9999 are NULL to every function of dates.
- CURRENT_DATE, CURRENT_TIMESTAMP, now() and LOCALTIMESTAMP are one constant of the query, in UTC.
- *Runs as* is what DuckDB is sent for the first example; its literals carry their type. Data on PostgreSQL or Spark
  give the same value to the last bit, or the function is refused by name (`unsupported_on_engine`).
"""


def page() -> str:
    """Return the page as Markdown."""
    parts = [_OPENING]
    for title, rows in TABLES:
        parts.append(f"## {title}\n")
        parts += [_described(row) for row in dict.fromkeys(rows.values())]
    parts.append("## Refused on purpose\n\n| function | because | instead |\n|---|---|---|")
    parts += [f"| {name} | {reason} | {_escaped(instead)} |" for name, (reason, instead) in sorted(UNANSWERED.items())]
    return "\n".join(parts) + "\n"


def _described(row: Row) -> str:
    lines = [f"### `{row.written}`\n", f"- Result: {row.result}."]
    if row.null:
        lines.append(f"- NULL: {row.null}.")
    if row.watch:
        lines.append(f"- {row.watch}")
    if row.postgres:
        lines.append(f"- Data on PostgreSQL{'' if row.spark else ' or Spark'}: {row.postgres}.")
    if row.spark:
        lines.append(f"- Data on Spark: {row.spark}.")
    lines += [f"- `{e.sql}` is `{e.value}`{_in(e.dialect)}" for e in row.examples]
    lines.append(f"- Runs as `{example_term(row.examples[0]).node.sql('duckdb')}`\n")
    return "\n".join(lines)


def _in(dialect: str) -> str:
    return "" if dialect == "duckdb" else f" ({dialect})"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def example_term(example: Example) -> Term:
    """Return what an example is resolved to; it holds literals alone."""
    tree = parse(f"SELECT {example.sql}", example.dialect)
    return Resolver(Scope(()))(tree.expressions[0])


if __name__ == "__main__":
    sys.stdout.write(page())
