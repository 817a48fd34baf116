"""A bounded group-by to engine SQL, one statement for each probe (docs/PRIVACY.md, section 3).

Counts and sums share one statement (cells), a count of distinct values and a tree have each their own (distinct,
tree). They are written in the words of the dataset's engine (gateway/dialects).
"""

from collections.abc import Iterable

from gateway.catalog.types import SqlType
from gateway.compile import cells, distinct, tree
from gateway.compile.naming import told
from gateway.compile.relations import select
from gateway.compile.rows import rows_inside
from gateway.dialects.model import Tables
from gateway.dialects.writing import write
from gateway.privacy.bounding import Bounded
from gateway.privacy.calibrate import Compiled, CompiledProbe
from gateway.privacy.measurement import Quantity
from gateway.privacy.partials import Partial
from gateway.privacy.relations import Factor
from gateway.privacy.trees import TreePart
from gateway.sql.plan import Plan, Scan, Staged
from gateway.sql.walk import upward
from gateway.sql.writing import reference


def compile_measurement(bounded: Bounded, engine: str = "duckdb", schema: str | None = None) -> Compiled:
    """Return the engine's SQL of a bounded group-by, with how often it takes the secret of the keyed hash.

    What names a part is the canonical text, the same on every engine. Raises GatewayError `unsupported_on_engine`.
    """
    tables = tables_of([bounded.relation, *(factor.plan for factor in bounded.factors)], schema)
    shared = tuple(i for i, part in enumerate(bounded.parts) if _shares(part))
    queries = [(cells.statement(bounded, shared), shared)] if shared else []
    for index, part in enumerate(bounded.parts):
        if isinstance(part, TreePart):
            queries.append((tree.statement(bounded, index), (index,)))
        elif index not in shared:
            queries.append((distinct.statement(bounded, index), (index,)))
    written = [(write(query, engine, tables), parts) for query, parts in queries]
    probes = tuple(CompiledProbe(one.sql, one.parameters, parts) for one, parts in written)
    return Compiled(probes, _identities(bounded))


def tables_of(plans: Iterable[Plan], schema: str | None) -> Tables:
    """Return the base tables and staged tables that some plans read, with the types of their columns."""
    base: dict[str, dict[str, SqlType]] = {}
    staged: dict[str, dict[str, SqlType]] = {}
    for plan in plans:
        for node in upward(plan):
            if isinstance(node, Scan):
                for table in (node.table, *(link.table for link in node.chain)):
                    base[table.name] = {column.name: column.type for column in table.columns}
            elif isinstance(node, Staged):
                staged[node.name] = {field.id: field.term.type for field in node.fields}
    return Tables(base, staged, schema)


def _shares(part: Partial | TreePart) -> bool:
    return isinstance(part, Partial) and part.quantity is not Quantity.DISTINCT


def _identities(bounded: Bounded) -> tuple[str, ...]:
    """Return what each part measures, whatever is asked beside it and however columns are numbered."""
    lists = [_list(factor) for factor in bounded.factors]
    keys = str([factor.keys for factor in bounded.factors])
    rows: dict[str, str] = {}
    found = []
    for part in bounded.parts:
        row = part.written
        if row not in rows:
            rows[row] = told(rows_inside(bounded, part, told=True))
        found.append("\n".join([rows[row], *lists, part.identity().replace(row, ""), keys]))
    return tuple(found)


def _list(factor: Factor) -> str:
    query = select(factor.plan, told=True)
    query.set("expressions", [reference(column) for column in factor.columns])
    return told(query)
