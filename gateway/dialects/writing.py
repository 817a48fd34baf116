"""A canonical statement in the words of the engine that will run it, read back before anyone may use it.

The plan compiles to one tree, the same for every engine, which happens to be DuckDB's own form: there nothing is
translated. For PostgreSQL and Spark each node is written by a rule of an allow-list; what has none is refused by name.
"""

from functools import lru_cache

import sqlglot
from sqlglot import exp

from gateway.dialects.duckdb.queries import spared
from gateway.dialects.model import Tables, Written
from gateway.dialects.postgres import queries as postgres
from gateway.dialects.spark import queries as spark
from gateway.dialects.typed import Unanswered
from gateway.errors import GatewayError
from gateway.sql.writing import text

_TRANSLATED = {"postgres": ("PostgreSQL", postgres.write), "spark": ("Spark", spark.write)}


def write(query: exp.Query, engine: str, tables: Tables) -> Written:
    """Return the text for an engine (`duckdb`, `postgres` or `spark`), and how many secrets it takes.

    Raises GatewayError `unsupported_on_engine` for what that engine does not compute as the others do.
    """
    if engine in _TRANSLATED:
        name, translated = _TRANSLATED[engine]
        try:
            written = translated(query, tables)
        except Unanswered as refusal:
            detail = f"{refusal.what} is not answered on {name}."
            raise GatewayError("unsupported_on_engine", detail, refusal.instead) from None
        _checked(written.sql, engine)
        return written
    sql = text(spared(query, tables))
    return Written(sql, _checked(sql, engine))


@lru_cache(maxsize=1024)
def _checked(sql: str, engine: str) -> int:
    """Parse the text again and return how many parameters it has.

    INVARIANT: one query, and writing it out once more gives the same text. What was read back once is what it is: the
    same text is not read again. A text that fails is never remembered.
    """
    statements = sqlglot.parse(sql, read=engine)
    assert len(statements) == 1 and isinstance(statements[0], exp.Select | exp.Union)  # noqa: PT018
    assert not any(part.args.get("into") for part in statements[0].find_all(exp.Select))
    parameters = sum(1 for _ in statements[0].find_all(exp.Placeholder))
    assert statements[0].sql(engine, copy=False) == sql, "the engine's SQL does not read back as it was planned"
    return parameters
