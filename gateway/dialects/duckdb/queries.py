"""A canonical statement as DuckDB runs it: the same relations, with decimals in fewer steps (decimals.py).

The canonical text is DuckDB's own already, and names what is released; this is for the engine alone.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from gateway.dialects.duckdb.decimals import Needless, Shown, Sparing, names_read, stored
from gateway.dialects.model import Tables


def spared(query: exp.Query, tables: Tables) -> exp.Query:
    """Return a statement, a tree of the caller's own, without what provably changes no value."""
    _Statement(tables).query(query)
    return query


@dataclass(frozen=True, slots=True)
class _Relation:
    """What is known of a relation's columns, and which of them are a needless cast."""

    shown: Shown = field(default_factory=dict)
    needless: Mapping[str, Needless] = field(default_factory=dict)


class _Statement:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._steps: dict[str, Shown] = {}

    def query(self, query: exp.Expr) -> _Relation:
        clause = query.args.get("with_")
        for step in clause.expressions if clause is not None else ():
            self._steps[step.alias] = self.query(step.this).shown
        match query:
            case exp.SetOperation():
                self.query(query.this)
                self.query(query.expression)
                return _Relation()
            case exp.Select():
                return self._select(query)
            case _:
                return _Relation()

    def _select(self, query: exp.Select) -> _Relation:
        read = [query.args.get("from_"), *(query.args.get("joins") or ())]
        sources = dict(self._source(one.this) for one in read if one is not None)
        if all(known is None for one in sources.values() for known in one.shown.values()):
            return _Relation()  # of no decimal: nothing is looked for
        names = Counter(name for one in sources.values() for name in one.shown)
        casts = {name: cast for one in sources.values() for name, cast in one.needless.items() if names[name] == 1}
        counts = names_read(query) if casts else Counter[str]()
        sparing = Sparing({alias: one.shown for alias, one in sources.items()}, casts, counts)
        columns = list(query.expressions)
        shown = {column.alias_or_name: sparing.known(column) for column in columns}
        needless = {column.alias: sparing.needless.get(id(column.this)) for column in columns if column.alias}
        return _Relation(shown, {name: cast for name, cast in needless.items() if cast is not None})

    def _source(self, node: exp.Expr) -> tuple[str, _Relation]:
        alias = node.alias_or_name
        match node:
            case exp.Subquery():
                return alias, self.query(node.this)
            case exp.Table() if node.name in self._steps:
                return alias, _Relation(self._steps[node.name])  # which others may read as well
            case exp.Table() if node.name in self._tables.base:
                found = self._tables.base[node.name].items()
                return alias, _Relation({name: stored(type_) for name, type_ in found})
            case _:
                return alias, _Relation()
