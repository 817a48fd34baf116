"""Plan nodes to SELECTs: nested subqueries over column ids, as syntax trees. No SQL text is ever pasted.

One writer serves the provider's engine and the gateway's own: below a measurement it writes columns alone; over
released tables it may also carry the identity of each row, and the number of the draw that a row belongs to.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from gateway.catalog.types import INTEGER, TEXT, SqlType, TypeKind
from gateway.compile import aggregates, windows
from gateway.compile.columns import Columns, ordering
from gateway.compile.leaves import CELL, DRAW, DRAWS, ROW, measured, read, scan, staged, values
from gateway.compile.lineage import Leaf, Lineage
from gateway.compile.statements import ascending, join, listing, more, named, sub, table
from gateway.sql.operators import chain
from gateway.sql.plan import (
    Aggregate,
    AggregateCall,
    Filter,
    Join,
    JoinKind,
    Limit,
    Measured,
    Plan,
    Project,
    Read,
    Scan,
    SetKind,
    SetOperation,
    Sort,
    Staged,
    Values,
    Window,
)
from gateway.sql.terms import Term, cast, whole
from gateway.sql.writing import copied, reference

PLACE = "__place"


def select(plan: Plan, wanted: Iterable[str] | None = None, *, told: bool = False) -> exp.Select:
    """Return the SELECT of a relation that an engine runs: columns under their ids, those `wanted` (None: all).

    Nothing else is read for it; keys of a group stand beside what is wanted. One that is only `told`, as text, holds
    its expressions as their text.
    """
    return Writer(plan, wanted, told=told).whole().query


def as_text(written: str) -> exp.Expr:
    """Return an expression of a tree that is told, and never run."""
    return exp.Var(this=written)


@dataclass(frozen=True, slots=True)
class Written:
    """A relation as SQL: its columns, then `__draw` where it is `drawn`, then its identity columns `i0`, `i1`...

    `identity` gives their types; None: its rows have none, or none is carried.
    """

    query: exp.Select
    columns: tuple[str, ...]
    identity: tuple[SqlType, ...] | None = None
    drawn: bool = False

    @property
    def names(self) -> list[str]:
        """The identity columns' names."""
        return [f"i{index}" for index in range(len(self.identity or ()))]

    def carried(self, alias: str | None = None, start: int = 0) -> list[exp.Expr]:
        """Return `__draw` and the identity columns as a SELECT around this one lists them, numbered from `start`."""
        draw: list[exp.Expr] = [reference(DRAW, alias)] if self.drawn else []
        return [*draw, *self.identities(alias, start)]

    def identities(self, alias: str | None = None, start: int = 0) -> list[exp.Expr]:
        return [
            reference(name, alias) if start == 0 else named(reference(name, alias), f"i{start + index}")
            for index, name in enumerate(self.names)
        ]


@dataclass(frozen=True, slots=True)
class Context:
    """What the writer needs above a measurement: the leaves, what noise did, and whether draws are told apart."""

    leaves: Mapping[str, Leaf]
    lineage: Mapping[int, Lineage]
    drawn: bool


class Writer:
    """Writes one plan. A node that several read is written once, in a WITH clause."""

    def __init__(
        self, root: Plan, wanted: Iterable[str] | None, context: Context | None = None, *, told: bool = False
    ) -> None:
        self._root = root
        self._columns = Columns(root, wanted)
        self._context = context
        self._told = told
        self._with: dict[int, tuple[str, Written]] = {}

    def whole(self) -> Written:
        """Return the plan as one SELECT, with its WITH clause."""
        written = self._write(self._root)
        for name, part in self._with.values():
            written.query.with_(name, part.query, copy=False)
        return written

    def _node(self, term: Term) -> exp.Expr:
        """Return an expression to be put into the tree."""
        return as_text(term.text) if self._told else copied(term.node)

    def _tests(self, terms: Sequence[Term]) -> list[exp.Expr]:
        """Return terms to be joined by AND."""
        return [exp.paren(self._node(term), copy=False) for term in terms]

    def _source(self, plan: Plan, alias: str) -> tuple[exp.Expr, Written]:
        """Return a relation as a FROM clause reads it."""
        if not self._columns.shared(plan):
            written = self._write(plan)
            return sub(written.query, alias), written
        if id(plan) not in self._with:
            written = self._write(plan)
            self._with[id(plan)] = (f"__s{len(self._with)}", written)
        name, written = self._with[id(plan)]
        return table(name, alias, quoted=False), written

    def _write(self, plan: Plan) -> Written:
        needed = self._columns.needed(plan)
        match plan:
            case Scan() | Staged() | Values() | Read() | Measured():
                return self._leaf(plan, needed)
            case Filter() | Project():
                return self._passed(plan, needed)
            case Sort():
                return self._write(plan.input)  # the order is the limit's, or the whole answer's
            case Limit():
                return self._limited(plan, needed)
            case Join(kind=JoinKind.SEMI | JoinKind.ANTI | JoinKind.MARK):
                return self._tested(plan, needed)
            case Join():
                return self._joined(plan, needed)
            case Aggregate():
                return self._aggregated(plan, needed)
            case Window():
                return self._windowed(plan, needed)
            case SetOperation():
                return self._united(plan, needed)

    def _leaf(self, plan: Scan | Staged | Values | Read | Measured, needed: tuple[str, ...]) -> Written:
        context = self._context
        match plan:
            case Scan():
                return Written(_listing(scan(plan, needed)), needed)
            case Staged():
                return Written(_listing(staged(plan, needed)), needed)
            case Values():
                query = values(plan, needed, numbered=context is not None)
            case Read():
                query = read(plan, needed)
                if context is not None:
                    more(query, named(reference(ROW), "i0"))
            case Measured():
                assert context is not None  # INVARIANT: measurements are read above them, never by an engine
                query = measured(plan, context.leaves[plan.name], needed)
                more(query, *([DRAW] if context.drawn else []))
                more(query, named(reference(CELL), "i0"))
                return Written(query, needed, (INTEGER,), context.drawn)
        return Written(_listing(query), needed, (INTEGER,) if context is not None else None)

    def _passed(self, plan: Filter | Project, needed: tuple[str, ...]) -> Written:
        """Return a relation that keeps the rows of the one below, or some of them."""
        source, below = self._source(plan.input, "r")
        columns: list[exp.Expr] = [reference(name) for name in needed]
        if isinstance(plan, Project):
            columns = _once([named(self._node(c.term), c.field.id) for c in plan.columns if c.field.id in needed])
        where = chain(exp.And, self._tests(plan.condition)) if isinstance(plan, Filter) else None
        query = listing(*columns, *below.carried(), source=source, where=where)
        return Written(_listing(query), needed, below.identity, below.drawn)

    def _lifted(self, source: exp.Expr, below: Written, alias: str) -> tuple[exp.Expr, Written]:
        """Return a relation once for each draw."""
        if below.drawn:
            return source, below
        columns = [*map(exp.column, below.columns), reference(DRAW, "d"), *below.identities()]
        query = listing(*columns, source=source)
        join(query, table(DRAWS, "d", quoted=False), None)
        lifted = Written(query, below.columns, below.identity, drawn=True)
        return sub(query, alias), lifted

    # -- joins ----------------------------------------------------------------------------------------------------

    def _joined(self, plan: Join, needed: tuple[str, ...]) -> Written:
        (left, l_), (right, r_) = self._source(plan.left, "l"), self._source(plan.right, "r")
        if r_.drawn and plan.kind in (JoinKind.LEFT, JoinKind.FULL):
            left, l_ = self._lifted(left, l_, "l")
        if l_.drawn and plan.kind in (JoinKind.RIGHT, JoinKind.FULL):
            right, r_ = self._lifted(right, r_, "r")
        draws: list[exp.Expr] = []
        terms = self._tests(plan.condition)
        if l_.drawn and r_.drawn:
            both = reference(DRAW, "l"), reference(DRAW, "r")
            terms.append(exp.EQ(this=both[0], expression=both[1]))
            either = exp.Coalesce(this=copied(both[0]), expressions=[copied(both[1])])
            kept = {JoinKind.RIGHT: copied(both[1]), JoinKind.FULL: named(either, DRAW)}
            draws = [kept.get(plan.kind, copied(both[0]))]
        elif l_.drawn or r_.drawn:
            draws = [reference(DRAW)]
        identity, identities = None, list[exp.Expr]()
        if l_.identity is not None and r_.identity is not None:
            identity = (*l_.identity, *r_.identity)
            identities = [*l_.identities("l"), *r_.identities("r", len(l_.identity))]
        query = listing(*needed, *draws, *identities, source=left)
        if not terms and plan.kind is JoinKind.INNER:
            join(query, right, None)
        else:
            join(query, right, plan.kind, chain(exp.And, terms) if terms else exp.true())
        return Written(_listing(query), needed, identity, bool(draws))

    def _tested(self, plan: Join, needed: tuple[str, ...]) -> Written:
        """Return a SEMI, ANTI or MARK join: its right side as EXISTS, which is never NULL."""
        (left, l_), (right, r_) = self._source(plan.left, "l"), self._source(plan.right, "r")
        if plan.mark is not None and plan.mark.id not in needed:
            query = listing(*needed, *l_.carried(), source=left)
            return Written(_listing(query), needed, l_.identity, l_.drawn)
        terms = self._tests(plan.condition)
        if r_.drawn:
            left, l_ = self._lifted(left, l_, "l")
            terms.append(exp.EQ(this=reference(DRAW, "r"), expression=reference(DRAW, "l")))
        matches = listing(whole(1), source=right, where=chain(exp.And, terms) if terms else None)
        test: exp.Expr = exp.Exists(this=matches)
        if plan.mark is not None:
            columns = [named(test, name) if name == plan.mark.id else reference(name) for name in needed]
            return Written(listing(*columns, *l_.carried(), source=left), needed, l_.identity, l_.drawn)
        test = exp.Not(this=test) if plan.kind is JoinKind.ANTI else test
        query = listing(*needed, *l_.carried(), source=left, where=test)
        return Written(_listing(query), needed, l_.identity, l_.drawn)

    # -- groups, windows, sets ------------------------------------------------------------------------------------

    def _aggregated(self, plan: Aggregate, needed: tuple[str, ...]) -> Written:
        source, below = self._source(plan.input, "r")
        names = [key.field.id for key in plan.keys]
        calls = [call for call in plan.calls if call.field.id in needed]
        query = listing(DRAW) if below.drawn else listing()
        for key in plan.keys:
            more(query, named(copied(key.term.node), key.field.id))
        for call in calls:
            more(query, named(aggregates.call(call), call.field.id))
        if not query.expressions:  # no keys and nothing is needed: it is still one row
            more(query, named(exp.Count(this=exp.Star(), big_int=True), "present"))
        query.from_(source, copy=False)
        for position in range(len(names) + below.drawn):  # by position: a literal is a key like any other
            query.group_by(whole(position + 1), copy=False)
        if below.drawn and not names:
            return Written(_each_draw(query, calls), tuple(call.field.id for call in calls), (), drawn=True)
        columns = (*names, *(call.field.id for call in calls))
        if self._context is None:
            return Written(query, columns)
        if self._noisy(plan) & set(names):
            return Written(query, columns, None, below.drawn)
        return self._identified(query, columns, [key.term.type for key in plan.keys], names, drawn=below.drawn)

    def _identified(
        self, query: exp.Select, columns: tuple[str, ...], types: list[SqlType], names: list[str], *, drawn: bool
    ) -> Written:
        """Return a relation whose rows are told apart by its columns `names`."""
        plain = [type_.kind not in (TypeKind.DOUBLE, TypeKind.OTHER) for type_ in types]
        identity = tuple(type_ if same else TEXT for type_, same in zip(types, plain, strict=True))
        tellers = [
            named(reference(name) if same else cast(reference(name), TEXT), f"i{index}")
            for index, (name, same) in enumerate(zip(names, plain, strict=True))
        ]
        outer = listing(*columns, *([DRAW] if drawn else []), *tellers, source=sub(query, "r"))
        return Written(_listing(outer), columns, identity, drawn)

    def _windowed(self, plan: Window, needed: tuple[str, ...]) -> Written:
        source, below = self._source(plan.input, "r")
        calls = {call.field.id: call for call in plan.calls}
        draw = [reference(DRAW)] if below.drawn else []
        ties = [reference(name) for name in below.names]
        columns = [
            named(windows.call(calls[name], draw, ties), name) if name in calls else reference(name) for name in needed
        ]
        query = listing(*columns, *below.carried(), source=source)
        return Written(_listing(query), needed, below.identity, below.drawn)

    def _united(self, plan: SetOperation, needed: tuple[str, ...]) -> Written:
        (left, l_), (right, r_) = self._source(plan.left, "l"), self._source(plan.right, "r")
        if l_.drawn or r_.drawn:
            (left, l_), (right, r_) = self._lifted(left, l_, "l"), self._lifted(right, r_, "r")
        kept = [i for i, f in enumerate(plan.fields) if plan.kind is not SetKind.UNION_ALL or f.id in needed]
        columns = tuple(plan.fields[i].id for i in kept)
        identity = self._branch_identity(plan, l_, r_)
        sides = []
        for branch, (side, source, below) in enumerate(((plan.left, left, l_), (plan.right, right, r_))):
            query = listing(*(named(reference(side.fields[i].id), plan.fields[i].id) for i in kept), source=source)
            more(query, *([DRAW] if below.drawn else []))
            if identity is not None:
                more(query, *_branch(branch, below, identity))
            sides.append(_listing(query))
        kinds = {SetKind.UNION_ALL: exp.Union, SetKind.INTERSECT: exp.Intersect, SetKind.EXCEPT: exp.Except}
        both = kinds[plan.kind](this=sides[0], expression=sides[1], distinct=plan.kind is not SetKind.UNION_ALL)
        drawn = l_.drawn
        names = [f"i{index}" for index in range(len(identity or ()))]
        query = listing(*columns, *([DRAW] if drawn else []), *names, source=sub(both, "r"))
        written = Written(_listing(query), columns, identity, drawn)
        if plan.kind is SetKind.UNION_ALL or self._context is None or self._noisy(plan) & set(columns):
            return written
        return self._identified(query, columns, [f.term.type for f in plan.fields], list(columns), drawn=drawn)

    def _branch_identity(self, plan: SetOperation, left: Written, right: Written) -> tuple[SqlType, ...] | None:
        """Return the identity of UNION ALL's rows: which branch, then the longer one's, in types that hold both."""
        if plan.kind is not SetKind.UNION_ALL or left.identity is None or right.identity is None:
            return None
        a, b = left.identity, right.identity
        longer = a if len(a) >= len(b) else b
        shared = [x if x == y else TEXT for x, y in zip(a, b, strict=False)]
        return (INTEGER, *shared, *longer[len(shared) :])

    def _limited(self, plan: Limit, needed: tuple[str, ...]) -> Written:
        source, below = self._source(plan.input, "r")
        order = [windows.ordered(key) for key in ordering(plan.input)]
        order += ascending(below.columns if below.identity is None else below.names)
        if below.drawn:
            return self._limited_draws(plan, needed, source, below, order)
        query = listing(*needed, *below.carried(), source=source)
        if order:
            query.order_by(*order, copy=False)
        if plan.count is not None:
            query.limit(whole(plan.count), copy=False)
        if plan.offset:
            query.offset(whole(plan.offset), copy=False)
        return Written(_listing(query), needed, below.identity, below.drawn)

    def _limited_draws(
        self, plan: Limit, needed: tuple[str, ...], source: exp.Expr, below: Written, order: list[exp.Ordered]
    ) -> Written:
        by = exp.Order(expressions=order) if order else None
        place = exp.Window(this=exp.RowNumber(), partition_by=[reference(DRAW)], order=by, over="OVER")
        inner = listing(*needed, *below.carried(), named(place, PLACE), source=source)
        query = listing(*needed, *below.carried(), source=sub(inner, "r"))
        query.where(exp.GT(this=reference(PLACE), expression=whole(plan.offset)), copy=False)
        if plan.count is not None:
            query.where(exp.LTE(this=reference(PLACE), expression=whole(plan.offset + plan.count)), copy=False)
        return Written(query, needed, below.identity, drawn=True)

    def _noisy(self, plan: Plan) -> frozenset[str]:
        assert self._context is not None  # INVARIANT: asked above a measurement alone
        return self._context.lineage[id(plan)].noisy


def _listing(query: exp.Select) -> exp.Select:
    """Return a SELECT that lists something, also where none of its columns is needed."""
    if not query.expressions:
        more(query, named(whole(1), "present"))
    return query


def _once(columns: list[exp.Expr]) -> list[exp.Expr]:
    """Return aliased columns, each name once."""
    named: dict[str, exp.Expr] = {}
    for column in columns:
        named.setdefault(column.alias, column)
    return list(named.values())


def _branch(branch: int, below: Written, identity: tuple[SqlType, ...]) -> list[exp.Expr]:
    """Return one branch's identity in the types of the whole, what it lacks as NULL."""
    tellers: list[exp.Expr] = [named(whole(branch), "i0")]
    own = below.identity or ()
    for index, type_ in enumerate(identity[1:]):
        node: exp.Expr = cast(exp.Null(), type_)
        if index < len(own):
            node = reference(f"i{index}") if own[index] == type_ else cast(reference(f"i{index}"), type_)
        tellers.append(named(node, f"i{index + 1}"))
    return tellers


def _each_draw(query: exp.Select, calls: Sequence[AggregateCall]) -> exp.Select:
    """Return an aggregate without keys: one row for every draw, also for one that has no rows."""
    columns: list[exp.Expr] = []
    for call in calls:
        node: exp.Expr = reference(call.field.id)
        if call.kind in aggregates.COUNTS:
            node = exp.Coalesce(this=node, expressions=[whole(0)])
        columns.append(named(node, call.field.id))
    on = exp.EQ(this=reference(DRAW, "d"), expression=reference(DRAW, "a"))
    drawn = listing(*columns, reference(DRAW, "d"), source=table(DRAWS, "d", quoted=False))
    join(drawn, sub(query, "a"), JoinKind.LEFT, on)
    return drawn
