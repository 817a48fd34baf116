"""What a query of Trino's door means: parameters bound, names resolved, questions told from look-ups. Pure.

A query that reads no table, or tables about tables alone, is a question of the catalogue and touches no data.
"""

from gateway.errors import GatewayError
from gateway.sql.parse import parse, place
from gateway.sql.trino.lookups import looked_up
from gateway.sql.trino.model import CATALOG, Meant, Statement
from gateway.sql.trino.names import TRINO, dataset_of, name_of, tables_of, unqualified
from gateway.sql.trino.parameters import bound


def read(statement: Statement) -> Meant:
    """Return what a query means. Raises GatewayError: what `parse` raises, and refusals of names and parameters."""
    sql = bound(statement.sql, statement.parameters)
    tree = parse(sql, TRINO)
    names = [name_of(table, statement.namespace) for table in tables_of(tree)]
    looking = [name.in_catalogue for name in names]
    if all(looking):
        return looked_up(statement, tree)
    if any(looking):
        hint = f"Ask `information_schema` and `system` alone, and the tables of `{CATALOG}` alone."
        detail = "Tables of a dataset and tables about tables are in one question."
        raise GatewayError("unsupported_sql", detail, hint, place(tree))
    dataset = dataset_of(names, tree)
    return Meant(unqualified(sql, tree, dataset), dataset)
