"""A canonical statement in the words of the engine that will run it, read back before anyone may use it.

The plan compiles to one tree, the same for every engine, which happens to be DuckDB's own form: there nothing is
translated. For PostgreSQL each node is written by a rule of an allow-list; what has none is refused by name.
"""

from functools import lru_cache

import sqlglot
from sqlglot import exp

from gateway.dialects.model import Tables, Written
from gateway.dialects.postgres import queries


def write(query: exp.Query, engine: str, tables: Tables) -> Written:
    """Return the text for an engine (`duckdb` or `postgres`), and how many secrets it takes.

    Raises GatewayError `unsupported_on_engine` for what that engine does not compute as the others do.
    """
    if engine == "postgres":
        written = queries.write(query, tables)
    else:
        written = Written(query.sql("duckdb", copy=False), sum(1 for _ in query.find_all(exp.Placeholder)))
    _check(written.sql, engine)
    return written


@lru_cache(maxsize=1024)
def _check(text: str, engine: str) -> None:
    """Parse the text again. INVARIANT: one query, and writing it out once more gives the same text.

    What was read back once is what it is: the same text is not read again. A text that fails is never remembered.
    """
    statements = sqlglot.parse(text, read=engine)
    assert len(statements) == 1 and isinstance(statements[0], exp.Select | exp.Union)  # noqa: PT018
    assert not any(part.args.get("into") for part in statements[0].find_all(exp.Select))
    assert statements[0].sql(engine, copy=False) == text, "the engine's SQL does not read back as it was planned"
