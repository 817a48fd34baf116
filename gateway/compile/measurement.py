"""A bounded group-by to engine SQL, one statement for each probe (docs/PRIVACY.md, section 3).

Counts and sums share one statement (cells), a count of distinct values and a tree have each their own (distinct,
tree). The text that comes out is parsed and checked again before it leaves, so that what runs is what was planned.
"""

from functools import lru_cache

import sqlglot
from sqlglot import exp

from gateway.compile import cells, distinct, tree
from gateway.compile.naming import canonical
from gateway.compile.relations import select
from gateway.compile.rows import rows_of
from gateway.privacy.bounding import Bounded
from gateway.privacy.calibrate import Compiled, CompiledProbe
from gateway.privacy.measurement import Quantity
from gateway.privacy.partials import Partial
from gateway.privacy.trees import TreePart


def compile_measurement(bounded: Bounded) -> Compiled:
    """Return the DuckDB SQL of a bounded group-by; each `?` in it takes the secret of the keyed hash."""
    shared = tuple(i for i, part in enumerate(bounded.parts) if _shares(part))
    probes = [_probe(cells.statement(bounded, shared), shared)] if shared else []
    for index, part in enumerate(bounded.parts):
        if isinstance(part, TreePart):
            probes.append(_probe(tree.statement(bounded, index), (index,)))
        elif index not in shared:
            probes.append(_probe(distinct.statement(bounded, index), (index,)))
    return Compiled(tuple(probes), tuple(_identity(bounded, part) for part in bounded.parts))


def _shares(part: Partial | TreePart) -> bool:
    return isinstance(part, Partial) and part.quantity is not Quantity.DISTINCT


def _probe(query: exp.Query, parts: tuple[int, ...]) -> CompiledProbe:
    text = query.sql("duckdb", copy=False)
    _check(text)
    return CompiledProbe(text, sum(1 for _ in query.find_all(exp.Placeholder)), parts)


@lru_cache(maxsize=1024)
def _check(text: str) -> None:
    """Parse the text again. INVARIANT: one query, and writing it out once more gives the same text.

    What was read back once is what it is: the same text is not read again. A text that fails is never remembered.
    """
    statements = sqlglot.parse(text, read="duckdb")
    assert len(statements) == 1 and isinstance(statements[0], exp.Select | exp.Union)  # noqa: PT018
    assert not any(part.args.get("into") for part in statements[0].find_all(exp.Select))
    assert statements[0].sql("duckdb", copy=False) == text, "the engine's SQL does not read back as it was planned"


def _identity(bounded: Bounded, part: Partial | TreePart) -> str:
    """Return what a part measures, whatever is asked beside it and however columns are numbered."""
    query = rows_of(bounded, [part.row])
    listed = [select(factor.plan).select(*factor.columns, append=False) for factor in bounded.factors]
    texts = [canonical(one).sql("duckdb", copy=False) for one in (query, *listed)]
    own = part.identity().replace(part.row.sql("duckdb", copy=False), "")
    return "\n".join([*texts, own, str([factor.keys for factor in bounded.factors])])
