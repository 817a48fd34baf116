"""SHOW and DESCRIBE, as the questions of the catalogue that they are short for."""

from dataclasses import dataclass

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.trino.model import CATALOG, SYSTEM, Namespace
from gateway.web.trino.words import Words


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown: which listing, of what, and the pattern that names have to match.

    `names` are the qualifiers that the statement has, fewest for those that the session completes.
    """

    listing: str
    names: tuple[str, ...] = ()
    like: str | None = None
    escape: str | None = None

    def sql(self, namespace: Namespace) -> str:
        """Return the question that it is short for. Raises GatewayError `unknown_dataset` without a schema."""
        select, narrowed, order = _QUESTIONS[self.listing](self, namespace)
        if self.like is not None:
            escape = f" ESCAPE {_text(self.escape)}" if self.escape is not None else ""
            narrowed = [*narrowed, f"{order} LIKE {_text(self.like)}{escape}"]
        where = f" WHERE {' AND '.join(narrowed)}" if narrowed else ""
        return f"{select}{where} ORDER BY {'ordinal_position' if self.listing == 'COLUMNS' else order}"

    @property
    def absent(self) -> GatewayError | None:
        """What to say where nothing is found; None where that is an answer."""
        if self.listing not in ("COLUMNS", "CREATE TABLE") or self.like is not None:
            return None
        hint = "SHOW TABLES lists those of a dataset."
        return GatewayError("unknown_table", f"There is no table {'.'.join(self.names)!r}.", hint)


_Parts = tuple[str, list[str], str]


def shown(words: Words) -> Shown | None:
    """Read SHOW or DESCRIBE; None where it is neither. Raises GatewayError `sql_syntax`, `sql_not_select`."""
    if words.take("DESCRIBE") or words.take("DESC"):
        return _ended(words, "COLUMNS", words.names(3))
    if not words.take("SHOW"):
        return None
    if words.take("CREATE", "TABLE"):
        return _ended(words, "CREATE TABLE", words.names(3))
    for listing, most in (
        ("CATALOGS", 0),
        ("SCHEMAS", 1),
        ("TABLES", 2),
        ("COLUMNS", 3),
        ("FUNCTIONS", 0),
        ("SESSION", 0),
    ):
        if words.take(listing):
            named = bool(most) and (words.take("FROM") or words.take("IN"))
            names = words.names(most) if named else ()
            if listing == "COLUMNS" and not names:
                words.expect("FROM")
            like = words.string() if words.take("LIKE") else None
            escape = words.string() if like is not None and words.take("ESCAPE") else None
            return _ended(words, listing, names, like, escape)
    raise GatewayError(
        "sql_not_select",
        "This is not shown.",
        "SHOW CATALOGS, SCHEMAS, TABLES, COLUMNS, FUNCTIONS, SESSION or CREATE TABLE.",
    )


def _ended(
    words: Words, listing: str, names: tuple[str, ...], like: str | None = None, escape: str | None = None
) -> Shown:
    words.end()
    return Shown(listing, names, like, escape)


def _catalogs(_shown: Shown, _namespace: Namespace) -> _Parts:
    return f'SELECT catalog_name AS "Catalog" FROM {SYSTEM}.metadata.catalogs', [], "catalog_name"


def _schemas(one: Shown, namespace: Namespace) -> _Parts:
    catalog = one.names[0] if one.names else namespace.catalog or CATALOG
    return f'SELECT schema_name AS "Schema" FROM {_name(catalog)}.information_schema.schemata', [], "schema_name"


def _tables(one: Shown, namespace: Namespace) -> _Parts:
    catalog, schema = _within(one.names, namespace)
    select = f'SELECT table_name AS "Table" FROM {_name(catalog)}.information_schema.tables'
    return select, [_is("table_schema", schema)], "table_name"


def _columns(one: Shown, namespace: Namespace) -> _Parts:
    catalog, schema = _within(one.names[:-1], namespace)
    select = (
        'SELECT column_name AS "Column", data_type AS "Type", extra_info AS "Extra", comment AS "Comment" '
        f"FROM {_name(catalog)}.information_schema.columns"
    )
    return select, [_is("table_schema", schema), _is("table_name", one.names[-1])], "column_name"


def _functions(_shown: Shown, _namespace: Namespace) -> _Parts:
    select = (
        'SELECT function_name AS "Function", return_type AS "Return Type", argument_types AS "Argument Types", '
        'function_type AS "Function Type", deterministic AS "Deterministic", description AS "Description" '
        f"FROM {SYSTEM}.gateway.functions"
    )
    return select, [], "function_name"


def _session(_shown: Shown, _namespace: Namespace) -> _Parts:
    select = (
        'SELECT name AS "Name", value AS "Value", default_value AS "Default", type AS "Type", '
        f'description AS "Description" FROM {SYSTEM}.gateway.session_properties'
    )
    return select, [], "name"


def _definition(one: Shown, namespace: Namespace) -> _Parts:
    catalog, schema = _within(one.names[:-1], namespace)
    select = f'SELECT definition AS "Create Table" FROM {SYSTEM}.gateway.definitions'
    narrowed = [_is("table_catalog", catalog), _is("table_schema", schema), _is("table_name", one.names[-1])]
    return select, narrowed, "table_name"


_QUESTIONS = {
    "CATALOGS": _catalogs,
    "SCHEMAS": _schemas,
    "TABLES": _tables,
    "COLUMNS": _columns,
    "FUNCTIONS": _functions,
    "SESSION": _session,
    "CREATE TABLE": _definition,
}


def _within(names: tuple[str, ...], namespace: Namespace) -> tuple[str, str]:
    """Return catalogue and schema of up to two qualifiers, completed by the session."""
    catalog = names[0] if len(names) == 2 else namespace.catalog or CATALOG
    schema = names[-1] if names else namespace.schema
    if schema is None:
        raise GatewayError("unknown_dataset", "No schema is named.", "Write it, or say USE <dataset> first.")
    return catalog, schema


def _is(column: str, value: str) -> str:
    return f"LOWER({column}) = {_text(value.casefold())}"


def _text(value: str | None) -> str:
    return exp.Literal.string(value or "").sql("trino")


def _name(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql("trino")
