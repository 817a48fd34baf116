"""FROM: relations and joins of every kind, put in an order in which each inner join has an equality where one exists.

Inner, cross and comma joins are collected first and ordered last, when WHERE has said what is equal; outer joins keep
what stands on their sides apart. ON is read where it stands, over the relations before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.conditionals import choose
from gateway.sql.conditions import equality, factored, is_true
from gateway.sql.constructs import has_query
from gateway.sql.laterals import Applied, lateral
from gateway.sql.narrowing import Facts, learned
from gateway.sql.operators import truth
from gateway.sql.parse import dialect_of, place, refuse_other_parts
from gateway.sql.plan import Computed, Field, JoinKind
from gateway.sql.scope import Scope, Source
from gateway.sql.sources import relation
from gateway.sql.stages import Catalog, Names, Views
from gateway.sql.terms import Term
from gateway.sql.trees import Leaf, Outer, Together, Tree
from gateway.sql.writing import copied

_OUTER = (JoinKind.LEFT, JoinKind.RIGHT, JoinKind.FULL)


@dataclass(slots=True)
class From:
    """The relations read so far: as a tree of joins, and as the names in sight.

    `star` is what a bare star means, in order; `later` are ON terms with subqueries, which are joined above.
    """

    catalog: Catalog
    views: Views
    outer: Names | None
    tree: Tree = field(init=False)
    sources: tuple[Source, ...] = ()
    star: tuple[tuple[str, str], ...] = ()
    known: Facts = field(default_factory=dict)
    later: list[tuple[exp.Expr, Scope]] = field(default_factory=list)
    commas: bool = False

    def read(self, first: exp.Expr, joins: list[exp.Join]) -> "From":
        """Read a FROM clause: its first relation and the joins after it."""
        if isinstance(first, exp.Lateral):
            raise GatewayError("unsupported_sql", "Nothing stands before LATERAL.", "Leave LATERAL out.", place(first))
        self.tree, self.sources, self.star = self._element(first)
        for item in joins:
            self._join(item)
        return self

    @property
    def scope(self) -> Scope:
        return Scope(self.sources, star=self.star)

    def _names(self, sources: tuple[Source, ...] | None = None) -> Names:
        scope = self.scope if sources is None else Scope(sources)
        return Names(catalog=self.catalog, scope=scope, outer=self.outer, known=dict(self.known))

    def _element(self, node: exp.Expr) -> tuple[Tree, tuple[Source, ...], tuple[tuple[str, str], ...]]:
        """Return one relation, or a join in parentheses: its tree, its names, and what a star means."""
        inside = node.this
        nested = isinstance(node, exp.Subquery) and (
            isinstance(inside, exp.Table) or (isinstance(inside, exp.Subquery) and bool(inside.args.get("joins")))
        )
        if not nested:
            plan, source = relation(self.catalog, node, self.views, self.outer)
            return Leaf(plan), (source,), tuple(_shown((source,)))
        refuse_other_parts(node, "this", "alias", "joins")
        within = From(self.catalog, self.views, self.outer).read(inside, inside.args.get("joins") or [])
        if within.later:
            raise _subquery_in_on(within.later[0][0])
        alias = node.args.get("alias")
        if alias is None:
            return within.tree, within.sources, within.star
        refuse_other_parts(alias, "this")
        shown = [Scope(within.sources).column(exp.column(name, table or None)) for table, name in within.star]
        names = [name for _, name in within.star]
        source = Source(alias.name, tuple(Field(n, t) for n, t in zip(names, shown, strict=True)))
        return within.tree, (source,), tuple(_shown((source,)))

    def _join(self, item: exp.Join) -> None:
        refuse_other_parts(item, "this", "on", "using", "side", "kind", "method")
        kind, method = _kind(item), (item.args.get("method") or "").upper()
        if method not in ("", "NATURAL"):
            detail = f"{method} JOIN is not answered."
            raise GatewayError("unsupported_sql", detail, "Write JOIN ... ON with equal keys.", place(item))
        comma = not (item.side or item.kind or method or item.args.get("on") or item.args.get("using"))
        self.commas = self.commas or comma
        if self.commas and kind in (JoinKind.RIGHT, JoinKind.FULL):
            detail = f"A {kind} JOIN beside a comma is not answered."
            raise GatewayError("join_not_private", detail, "Write every relation with JOIN ... ON.", place(item))
        if self.later and kind in (JoinKind.RIGHT, JoinKind.FULL):
            raise _subquery_in_on(self.later[0][0])
        if isinstance(item.this, exp.Lateral):
            self._lateral(item, item.this, kind)
            return
        right, sources, shown = self._element(item.this)
        self._refuse_twice(sources, item)
        before, self.sources = self.sources, (*self.sources, *sources)
        merged = self._merged(item, before, sources)
        if merged:
            terms = tuple(equality(left, right_term) for _, left, right_term in merged)
        else:
            terms = self._on(item, kind, needed=not (comma or item.kind.upper() == "CROSS"))
        self.star = _star(self.star, shown, [name for name, *_ in merged], kind, item)
        self._grow(kind, right, terms, item)
        self._see(kind, before, sources, merged)

    def _on(self, item: exp.Join, kind: JoinKind, *, needed: bool) -> tuple[Term, ...]:
        on = item.args.get("on")
        if on is None:
            if needed:
                detail = f"{kind.value} JOIN has no condition."
                raise GatewayError("sql_syntax", detail, "Write ON with equal keys.", place(item))
            return ()
        nodes = factored(on)
        names = self._names()
        for node in nodes:
            if has_query(node):
                if kind is not JoinKind.INNER:
                    raise _subquery_in_on(node)
                self.later.append((node, self.scope))
        plain = [node for node in nodes if not has_query(node)]
        terms = tuple(truth(node, names) for node in plain)
        if kind is JoinKind.INNER:
            for node in plain:
                self.known = learned(self.known, node, names)
        return tuple(term for term in terms if not is_true(term))

    def _merged(
        self, item: exp.Join, before: tuple[Source, ...], after: tuple[Source, ...]
    ) -> list[tuple[str, Term, Term]]:
        """Return the columns that USING or NATURAL sets equal: name, left term, right term."""
        names = list(item.args.get("using") or [])
        if item.args.get("method"):
            left, right = ({name.casefold() for name in _bare(sources)} for sources in (before, after))
            names = [exp.to_identifier(name, quoted=True) for name in _bare(after) if name.casefold() in left & right]
            if not names:
                detail = "The relations have no column name in common."
                raise GatewayError("unsupported_sql", detail, "Write JOIN ... ON with equal keys.", place(item))
        merged = []
        for identifier in names:
            column = exp.Column(this=copied(identifier))
            left_term, right_term = Scope(before).column(column), Scope(after).column(column)
            if left_term.type != right_term.type:
                detail = f"USING ({identifier.name}) compares two types."
                raise GatewayError("type_mismatch", detail, "Write ON with CAST.", place(item))
            merged.append((identifier.name, left_term, right_term))
        return merged

    def _grow(self, kind: JoinKind, right: Tree, terms: tuple[Term, ...], item: exp.Join) -> None:
        if kind is JoinKind.INNER:
            self.tree = Together.of(self.tree, right, terms, place(item.this))
        else:
            self.tree = Outer(kind, self.tree, right, terms, place(item.this))

    def _see(
        self,
        kind: JoinKind,
        before: tuple[Source, ...],
        after: tuple[Source, ...],
        merged: list[tuple[str, Term, Term]],
    ) -> None:
        """Set the names in sight after a join: what may be NULL now, and which of two merged columns a name means."""
        names = frozenset(name.casefold() for name, *_ in merged)
        if kind in (JoinKind.SEMI, JoinKind.ANTI):
            self.sources = before
            return
        if kind in (JoinKind.RIGHT, JoinKind.FULL):
            before, self.known = _padded(before), {}
        if kind in (JoinKind.LEFT, JoinKind.FULL):
            after = _padded(after)
        if kind in (JoinKind.RIGHT, JoinKind.FULL):
            before = tuple(replace(s, merged=s.merged | names) for s in before)
        if kind is not JoinKind.RIGHT:
            after = tuple(replace(s, merged=s.merged | names) for s in after)
        self.sources = (*before, *after)
        if kind is JoinKind.FULL and merged:
            computed = tuple(_coalesced(self.catalog, *pair) for pair in merged)
            assert isinstance(self.tree, Outer)  # INVARIANT: a FULL join has just been added
            self.tree = replace(self.tree, computed=computed)
            self.sources = (*self.sources, Source("", tuple(c.field for c in computed)))

    def _refuse_twice(self, sources: tuple[Source, ...], item: exp.Join) -> None:
        for source in sources:
            if source.alias and any(s.alias.casefold() == source.alias.casefold() for s in self.sources):
                detail = f"Two relations are called '{source.alias}'."
                raise GatewayError("ambiguous_name", detail, "Give each its own alias.", place(item))

    def _lateral(self, item: exp.Join, node: exp.Lateral, kind: JoinKind) -> None:
        if kind not in (JoinKind.INNER, JoinKind.LEFT) or item.args.get("using") or item.args.get("method"):
            detail = "LATERAL stands after a comma, CROSS JOIN, JOIN or LEFT JOIN with ON."
            raise GatewayError("unsupported_sql", detail, "Write LEFT JOIN LATERAL (...) t ON TRUE.", place(item))
        self.catalog.count_relation(node)
        applied: Applied = lateral(self.catalog, node, self.views, self._names())
        source = applied.source
        self._refuse_twice((source,), item)
        before, self.sources = self.sources, (*self.sources, source)
        self.star = (*self.star, *_shown((source,)))
        on = self._on(item, kind, needed=False)
        if applied.single:
            if kind is JoinKind.LEFT and on:
                raise GatewayError("unsupported_sql", "This LATERAL takes ON TRUE alone.", "Use WHERE.", place(item))
            self.tree = Outer(
                JoinKind.LEFT, self.tree, Leaf(applied.plan), applied.ties, place(node), applied.computed, applied.asked
            )
            if on:
                self.tree = Together([self.tree], list(on), place(item))
            return
        self._grow(kind, Leaf(applied.plan), (*applied.ties, *on), item)
        self._see(kind, before, (source,), [])


def _subquery_in_on(node: exp.Expr) -> GatewayError:
    detail = "A subquery in the ON of an outer join is not answered."
    return GatewayError("subquery", detail, "Join a derived table that is filtered by it.", place(node))


def _kind(node: exp.Join) -> JoinKind:
    side, kind = node.side.upper(), node.kind.upper()
    if kind in ("SEMI", "ANTI") and side in ("", "LEFT"):
        return JoinKind(kind)
    if kind in ("", "INNER", "OUTER", "CROSS") and side in ("", "LEFT", "RIGHT", "FULL"):
        return JoinKind(side or "INNER")
    detail = f"A {side} {kind} JOIN is not answered.".replace("  ", " ")
    hint = "Write JOIN ... ON or LEFT JOIN ... ON with equal keys."
    raise GatewayError("unsupported_sql", detail, hint, place(node))


def _padded(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    """Return the side of an outer join that may have no match: all its columns may be NULL."""
    return tuple(
        replace(s, fields=tuple(Field(f.name, replace(f.term, nullable=True)) for f in s.fields)) for s in sources
    )


def _bare(sources: tuple[Source, ...]) -> Iterator[str]:
    return (name for _, name in _shown(sources))


def _shown(sources: tuple[Source, ...]) -> Iterator[tuple[str, str]]:
    for source in sources:
        for f in source.fields:
            if f.name.casefold() not in source.merged:
                yield source.alias, f.name


def _star(
    star: tuple[tuple[str, str], ...],
    right: tuple[tuple[str, str], ...],
    merged: list[str],
    kind: JoinKind,
    item: exp.Join,
) -> tuple[tuple[str, str], ...]:
    """Return what a star means after a join: merged columns stay in place in DuckDB, elsewhere they come first."""
    if kind in (JoinKind.SEMI, JoinKind.ANTI):
        return star
    if not merged:
        return (*star, *right)
    folded = {name.casefold() for name in merged}
    at_left = {name.casefold(): (table, name) for table, name in star}
    at_right = {name.casefold(): (table, name) for table, name in right}

    def meant(name: str) -> tuple[str, str]:
        if kind is JoinKind.FULL:
            return "", name
        return (at_right if kind is JoinKind.RIGHT else at_left)[name.casefold()]

    rest = tuple(shown for shown in right if shown[1].casefold() not in folded)
    if dialect_of(item) == "duckdb":
        return (*(meant(s[1]) if s[1].casefold() in folded else s for s in star), *rest)
    kept = tuple(s for s in star if s[1].casefold() not in folded)
    return (*(meant(name) for name in merged), *kept, *rest)


def _coalesced(catalog: Catalog, name: str, left: Term, right: Term) -> Computed:
    """Return the column that FULL JOIN USING makes of two: whichever side has a row."""
    built = exp.Coalesce(this=copied(left.node), expressions=[copied(right.node)])
    chosen = choose([left, right], [], built, nullable=left.nullable or right.nullable)
    return Computed(Field(name, chosen.reference(catalog.ids.next())), chosen)
