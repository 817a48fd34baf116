"""Questions of the catalogue: SQL over tables about tables, held to a list of what it may be made of, for DuckDB.

Whatever is not on the list is refused by name. The tables are renamed to what the gateway alone registers, so that no
name reaches anything else.
"""

from collections.abc import Mapping, Sequence

from sqlglot import exp

from gateway import __version__
from gateway.errors import GatewayError
from gateway.sql.parse import place
from gateway.sql.trino.model import CATALOG, Meant, Statement
from gateway.sql.trino.names import Name, name_of, tables_of

_CLAUSES = (
    exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset,
    exp.Fetch, exp.Distinct, exp.With, exp.CTE, exp.Union, exp.Except, exp.Intersect, exp.Subquery, exp.Alias,
    exp.TableAlias, exp.Table, exp.Identifier, exp.Column, exp.Star,
)  # fmt: skip
_VALUES = (
    exp.Literal, exp.Boolean, exp.Null, exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT,
    exp.LTE, exp.Is, exp.In, exp.Between, exp.Like, exp.Escape, exp.Exists, exp.Add, exp.Sub, exp.Mul, exp.Neg,
    exp.Tuple, exp.Case, exp.If, exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam,
)  # fmt: skip
_FUNCTIONS = (
    exp.Coalesce, exp.Nullif, exp.Count, exp.Min, exp.Max, exp.Sum, exp.Lower, exp.Upper, exp.Length, exp.Trim,
    exp.Substring, exp.Concat, exp.DPipe, exp.StrPosition, exp.StartsWith,
)  # fmt: skip
_SESSION = (exp.CurrentUser, exp.CurrentCatalog, exp.CurrentVersion, exp.CurrentTimezone)
_ALLOWED = frozenset({*_CLAUSES, *_VALUES, *_FUNCTIONS})

ZONE = "UTC"
SERVER_VERSION = f"470-gateway-{__version__}"
"""What clients read the server's version from: they expect Trino's number first."""


def looked_up(statement: Statement, tree: exp.Query) -> Meant:
    """Return a question of the catalogue as DuckDB's SQL over the tables that it names.

    Raises GatewayError `unsupported_sql`, `unsupported_function` or `unknown_table`.
    """
    own = tree.transform(_session, statement)
    for node in own.walk():
        if type(node) not in _ALLOWED or (isinstance(node, exp.With) and node.recursive):
            raise _refused(node)
        if isinstance(node, exp.Select) and not node.expressions:
            raise GatewayError("sql_syntax", "Nothing is selected.", "Write what behind SELECT.", place(node))
    _name_outputs(own)
    found = [(table, name_of(table, statement.namespace)) for table in tables_of(own)]
    _rename_views(own)
    for table, name in found:
        _rename(table, name.full)
    for column in own.find_all(exp.Column):
        _unqualify(column, [name for _, name in found])
    return Meant(own.sql("duckdb", identify=True), tables=tuple(sorted({name.full for _, name in found})))


def _unqualify(column: exp.Column, names: Sequence[Name]) -> None:
    """Leave a column its table alone. Raises `unknown_column` where what stands before that is of no table here."""
    schema, catalog = column.db.casefold(), column.catalog.casefold()
    if schema and not any(schema == name.schema and catalog in ("", name.catalog) for name in names):
        detail = f"The column {column.name!r} is qualified by a schema that is not read here."
        raise GatewayError("unknown_column", detail, "Qualify it by its table alone.", place(column))
    column.set("db", None)
    column.set("catalog", None)


def _session(node: exp.Expr, statement: Statement) -> exp.Expr:
    """Replace what is of the session by its value."""
    constants: Mapping[type[exp.Expr], str | None] = {
        exp.CurrentUser: statement.user,
        exp.CurrentCatalog: statement.namespace.catalog or CATALOG,
        exp.CurrentVersion: SERVER_VERSION,
        exp.CurrentTimezone: ZONE,
    }
    if type(node) in constants:
        return _text(constants[type(node)])
    bare = isinstance(node, exp.Column) and not node.table and not node.this.args.get("quoted")
    if bare and node.name.casefold() == "current_schema":
        return _text(statement.namespace.schema)
    return node


def _text(value: str | None) -> exp.Expr:
    literal = exp.Null() if value is None else exp.Literal.string(value)
    return exp.cast(literal, "varchar")


def _name_outputs(tree: exp.Expr) -> None:
    """Give outputs without a name the one that Trino gives them: `_col0`, `_col1`."""
    outermost = tree
    while isinstance(outermost, exp.SetOperation | exp.Subquery):
        outermost = outermost.this
    if isinstance(outermost, exp.Select):
        for index, output in enumerate(outermost.expressions):
            if not isinstance(output, exp.Alias | exp.Column | exp.Star):
                output.replace(exp.alias_(output.copy(), f"_col{index}", quoted=True))


def _rename_views(tree: exp.Expr) -> None:
    """Rename what WITH defines, so that a name outside of it finds nothing of DuckDB's own."""
    defined = {cte.alias.casefold() for cte in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        if table.args.get("db") is None and table.name.casefold() in defined:
            _rename(table, f"with {table.name.casefold()}")
    for cte in tree.find_all(exp.CTE):
        cte.args["alias"].set("this", exp.to_identifier(f"with {cte.alias.casefold()}", quoted=True))


def _rename(table: exp.Table, name: str) -> None:
    """Give a table its registered name; as an alias it keeps the one it was written with."""
    if not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
    table.set("this", exp.to_identifier(name, quoted=True))
    table.set("db", None)
    table.set("catalog", None)


def _refused(node: exp.Expr) -> GatewayError:
    if isinstance(node, exp.Func):
        name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        hint = (
            "Questions of the catalogue know COUNT, MIN, MAX, SUM, LOWER, UPPER, LENGTH, TRIM, SUBSTRING, CONCAT, LIKE."
        )
        detail = f"{name.upper()} is not answered over the catalogue."
        return GatewayError("unsupported_function", detail, hint, place(node))
    hint = "Ask the catalogue with SELECT, FROM, JOIN, WHERE, GROUP BY, ORDER BY and LIMIT."
    detail = f"{node.key.upper()} is not answered over the catalogue."
    return GatewayError("unsupported_sql", detail, hint, place(node))
