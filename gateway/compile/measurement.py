"""A bounded group-by to engine SQL, one statement for each probe (docs/PRIVACY.md, section 3).

Counts and sums share one statement (cells), a count of distinct values and a tree have each their own (distinct,
tree). The text that comes out is parsed and checked again before it leaves, so that what runs is what was planned.
"""

from functools import lru_cache

import sqlglot
from sqlglot import exp

from gateway.compile import cells, distinct, tree
from gateway.compile.naming import told
from gateway.compile.relations import select
from gateway.compile.rows import rows_of
from gateway.privacy.bounding import Bounded
from gateway.privacy.calibrate import Compiled, CompiledProbe
from gateway.privacy.measurement import Quantity
from gateway.privacy.partials import Partial
from gateway.privacy.trees import TreePart
from gateway.sql.writing import shown, text


def compile_measurement(bounded: Bounded) -> Compiled:
    """Return the DuckDB SQL of a bounded group-by; each `?` in it takes the secret of the keyed hash."""
    shared = tuple(i for i, part in enumerate(bounded.parts) if _shares(part))
    probes = [_probe(cells.statement(bounded, shared), shared)] if shared else []
    for index, part in enumerate(bounded.parts):
        if isinstance(part, TreePart):
            probes.append(_probe(tree.statement(bounded, index), (index,)))
        elif index not in shared:
            probes.append(_probe(distinct.statement(bounded, index), (index,)))
    return Compiled(tuple(probes), _identities(bounded))


def _shares(part: Partial | TreePart) -> bool:
    return isinstance(part, Partial) and part.quantity is not Quantity.DISTINCT


def _probe(query: exp.Query, parts: tuple[int, ...]) -> CompiledProbe:
    sql = text(query)
    return CompiledProbe(sql, _checked(sql), parts)


@lru_cache(maxsize=1024)
def _checked(sql: str) -> int:
    """Parse the text again and return how many parameters it has.

    INVARIANT: one query, and writing it out once more gives the same text. It is written by sqlglot's own writer, where
    the text was written by ours. What was read back once is what it is: the same text is not read again. A text that
    fails is never remembered.
    """
    statements = sqlglot.parse(sql, read="duckdb")
    assert len(statements) == 1 and isinstance(statements[0], exp.Select | exp.Union)  # noqa: PT018
    assert not any(part.args.get("into") for part in statements[0].find_all(exp.Select))
    parameters = sum(1 for _ in statements[0].find_all(exp.Placeholder))
    assert statements[0].sql("duckdb", copy=False) == sql, "the engine's SQL does not read back as it was planned"
    return parameters


def _identities(bounded: Bounded) -> tuple[str, ...]:
    """Return what each part measures, whatever is asked beside it and however columns are numbered."""
    listed = [select(factor.plan).select(*factor.columns, append=False) for factor in bounded.factors]
    lists = [told(one) for one in listed]
    keys = str([factor.keys for factor in bounded.factors])
    rows: dict[str, str] = {}
    found = []
    for part in bounded.parts:
        row = shown(part.row)
        if row not in rows:
            rows[row] = told(rows_of(bounded, [part.row]))
        found.append("\n".join([rows[row], *lists, part.identity().replace(row, ""), keys]))
    return tuple(found)
