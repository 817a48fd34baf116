"""A canonical statement as DuckDB runs it: the same relations, with decimals in fewer steps (decimals.py).

The canonical text is DuckDB's own already, and names what is released; this is for the engine alone.
"""

from sqlglot import exp

from gateway.dialects.duckdb.decimals import Shown, Sparing, stored
from gateway.dialects.model import Tables


def spared(query: exp.Query, tables: Tables) -> exp.Query:
    """Return a statement, a tree of the caller's own, without what provably changes no value."""
    _Statement(tables).query(query)
    return query


class _Statement:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._steps: dict[str, Shown] = {}

    def query(self, query: exp.Expr) -> Shown:
        clause = query.args.get("with_")
        for step in clause.expressions if clause is not None else ():
            self._steps[step.alias] = self.query(step.this)
        match query:
            case exp.SetOperation():
                self.query(query.this)
                self.query(query.expression)
                return {}
            case exp.Select():
                read = [query.args.get("from_"), *(query.args.get("joins") or ())]
                sources = dict(self._source(one.this) for one in read if one is not None)
                if all(known is None for shown in sources.values() for known in shown.values()):
                    return {}  # of no decimal: nothing is looked for
                sparing = Sparing(sources)
                return {column.alias_or_name: sparing.known(column) for column in list(query.expressions)}
            case _:
                return {}

    def _source(self, node: exp.Expr) -> tuple[str, Shown]:
        alias = node.alias_or_name
        match node:
            case exp.Subquery():
                return alias, self.query(node.this)
            case exp.Table() if node.name in self._steps:
                return alias, self._steps[node.name]
            case exp.Table() if node.name in self._tables.base:
                found = self._tables.base[node.name].items()
                return alias, {name: stored(type_) for name, type_ in found}
            case _:
                return alias, {}
