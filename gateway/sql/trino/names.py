"""Whose table a name is: qualifiers are resolved, and taken out of a dataset's question without moving a word of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.limits import tokenize
from gateway.sql.parse import parse, place
from gateway.sql.trino.model import CATALOG, INFORMATION_SCHEMA, SYSTEM, Namespace

TRINO = "trino"


@dataclass(frozen=True, slots=True)
class Name:
    """A table's full name, in lower case. `schema` is None where neither the statement nor the session names it."""

    catalog: str
    schema: str | None
    table: str

    @property
    def in_catalogue(self) -> bool:
        """Whether the table is one about tables."""
        return self.catalog == SYSTEM or self.schema == INFORMATION_SCHEMA

    @property
    def full(self) -> str:
        return f"{self.catalog}.{self.schema}.{self.table}"


def tables_of(tree: exp.Expr) -> Iterator[exp.Table]:
    """Yield the tables that a query reads, without the names that its WITH defines."""
    defined = {cte.alias.casefold() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if table.args.get("db") is not None or table.name.casefold() not in defined:
            yield table


def name_of(table: exp.Table, namespace: Namespace) -> Name:
    """Return the full name of a table. Raises GatewayError `unsupported_sql`, `unknown_table` or `unknown_dataset`."""
    if not isinstance(table.this, exp.Identifier):
        raise GatewayError("table_function", "A table function is no table.", "Name a table.", place(table))
    catalog = (table.catalog or namespace.catalog or CATALOG).casefold()
    schema = table.db or namespace.schema
    if catalog not in (CATALOG, SYSTEM):
        hint = f"Datasets are schemas of the catalogue `{CATALOG}`."
        raise GatewayError("unknown_dataset", f"There is no catalogue {catalog!r}.", hint, place(table))
    if "$" in table.name:
        raise GatewayError("unknown_table", "Tables have no parts of their own.", "Name a table.", place(table))
    return Name(catalog, schema.casefold() if schema else None, table.name.casefold())


def dataset_of(names: Iterable[Name], tree: exp.Expr) -> str | None:
    """Return the one dataset that names belong to, None where nothing names it.

    Raises GatewayError `unknown_table` where there are several: one question is of one dataset.
    """
    schemas = {name.schema for name in names}
    if len(schemas) > 1:
        told = ", ".join(sorted(schema or "(none named)" for schema in schemas))
        hint = "Ask each dataset alone; in one question qualify all tables or none."
        raise GatewayError("unknown_table", f"The tables belong to several datasets: {told}.", hint, place(tree))
    return schemas.pop()


def unqualified(text: str, tree: exp.Query, dataset: str | None) -> str:
    """Return a question with blanks where the qualifiers of its tables stood: every other word stays in its place.

    The result is parsed and compared with the tree without qualifiers, so that nothing else can have changed. Raises
    GatewayError `unknown_table` for a column of another dataset's table, `unsupported_sql` where it does not compare or
    a name without its qualifier would mean something else.
    """
    bare = tree.copy()
    found = [node for node in tree.find_all(exp.Table, exp.Column) if node.args.get("db") is not None]
    if not found:
        return text
    _check_shadows(tree, found)
    starts = {(t.line, t.col - (t.end - t.start)): t.start for t in tokenize(text, TRINO)}
    letters = list(text)
    for node in found:
        if isinstance(node, exp.Column):
            _check_column(node, dataset)
        first = node.args.get("catalog") or node.args["db"]
        kept = node.args["table"] if isinstance(node, exp.Column) else node.this
        begins, ends = starts.get(first.meta.get("at", ())), starts.get(kept.meta.get("at", ()))
        if begins is None or ends is None:
            raise _unread(node)
        letters[begins:ends] = [" " if letter != "\n" else letter for letter in letters[begins:ends]]
    for node in bare.find_all(exp.Table, exp.Column):
        node.set("db", None)
        node.set("catalog", None)
    blanked = "".join(letters)
    if parse(blanked, TRINO) != bare:
        raise _unread(tree)
    return blanked


def _check_shadows(tree: exp.Query, qualified: Iterable[exp.Expr]) -> None:
    """Refuse a qualified name that WITH or another table's alias would catch once its qualifier is gone."""
    caught = {cte.alias.casefold() for cte in tree.find_all(exp.CTE)}
    aliased = {
        table.alias.casefold() for table in tree.find_all(exp.Table, exp.Subquery) if table.alias_or_name != table.name
    }
    for node in qualified:
        named = node.name if isinstance(node, exp.Table) else node.text("table")
        if named.casefold() in (caught if isinstance(node, exp.Table) else caught | aliased):
            hint = "Give what WITH or an alias names another name."
            detail = f"{named!r} is a table here, and the name of something else as well."
            raise GatewayError("unsupported_sql", detail, hint, place(node))


def _check_column(column: exp.Column, dataset: str | None) -> None:
    catalog = column.catalog.casefold() or CATALOG
    if column.db.casefold() != dataset or catalog != CATALOG:
        detail = f"The column {column.name!r} is qualified by another dataset than the tables."
        raise GatewayError("unknown_table", detail, "Qualify it by its table alone.", place(column))


def _unread(node: exp.Expr) -> GatewayError:
    hint = "Name the dataset in the session (USE), and tables without a qualifier."
    return GatewayError("unsupported_sql", "A qualified name here is not understood.", hint, place(node))
