"""Random plans over small released tables, each beside the plain SQL of the same query: what is finished must equal it.

The plain SQL is written from the generator's own choices, never from the plan: a chain of named SELECTs over views
that show the noisy tables' aggregates as the plan's leaves do.
"""

import random
from dataclasses import dataclass, field

from sqlglot import exp, parse_one

from gateway.catalog.types import DATE, DOUBLE, INTEGER, TEXT, SqlType, decimal
from gateway.compile.lineage import Leaf
from gateway.privacy.measurement import (
    Candidate,
    Key,
    Measurement,
    Noise,
    NoisyColumn,
    NoisyTable,
    Primitive,
    Probe,
    Quantity,
)
from gateway.privacy.outputs import Output
from gateway.sql.plan import (
    Aggregate,
    AggregateCall,
    AggregateKind,
    Computed,
    Field,
    Filter,
    Join,
    JoinKind,
    Limit,
    Measured,
    Project,
    Read,
    SetKind,
    SetOperation,
    Sort,
    SortKey,
    Values,
    Window,
    WindowCall,
    WindowKind,
)
from gateway.sql.terms import Term

MONEY = decimal(38, 2)


def term(text: str, type_: SqlType, **known) -> Term:
    return Term(parse_one(text, read="duckdb"), type_, nullable=True, **known)


def fld(name: str, type_: SqlType) -> Field:
    return Field(name, Term(exp.column(name), type_, nullable=True))


def computed(name: str, text: str, type_: SqlType) -> Computed:
    return Computed(fld(name, type_), term(text, type_))


def primitive(name: str, scale: float, noise: Noise = Noise.GAUSSIAN, digest: str = "") -> Primitive:
    return Primitive(
        name=name,
        quantity=Quantity.ROWS,
        lower=0,
        upper=1,
        candidates=(Candidate(norm=1.0, scale=scale),),
        noise=noise,
        search=None,
        rho=1,
        digest=digest or name,
        expected_scale=scale,
    )


def measurement(name: str, keys: tuple[Key, ...], *primitives: Primitive) -> Measurement:
    probe = Probe("", 0, tuple(primitives))
    return Measurement(name, keys, None, False, None, (probe,), None, None, 0)


def noisy(name: str, keys, **columns) -> NoisyTable:
    """Return a table of integers: each column is (values, scale) or (values, scale, noise)."""
    listed = tuple(
        NoisyColumn(n, tuple(c[0]), c[1], c[2] if len(c) > 2 else Noise.GAUSSIAN) for n, c in columns.items()
    )
    return NoisyTable(name, tuple(keys), listed)


# -- two measurements and a public table ------------------------------------------------------------------------------

M0 = measurement(
    "m0",
    (Key("k0", TEXT, None), Key("k1", INTEGER, None)),
    primitive("p0", 3.0, digest="m0p0"),
    primitive("p1", 40.0, digest="m0p1"),
)
M1 = measurement(
    "m1", (Key("k0", TEXT, None),), primitive("p0", 2.0, digest="m1p0"), primitive("p1", 9.0, digest="m1p1")
)

_MEAN = "CASE WHEN p0 > 0 THEN CAST(p1 AS DOUBLE) / NULLIF(CAST(p0 AS DOUBLE), CAST('0' AS DOUBLE)) END"
OUTPUTS = {
    "m0": (
        ("n", exp.column("p0"), INTEGER, "p0", "1"),
        (
            "s",
            parse_one("CAST(CAST(p1 AS DECIMAL(19, 0)) * CAST('0.01' AS DECIMAL(3, 2)) AS DECIMAL(38, 2))"),
            MONEY,
            "p1",
            "0.01",
        ),
    ),
    "m1": (("n", exp.column("p0"), INTEGER, "p0", "1"), ("a", parse_one(_MEAN), DOUBLE, None, "1")),
}
KEYS = {"m0": (("k", TEXT), ("j", INTEGER)), "m1": (("k", TEXT),)}

VIEWS = {
    "m0": "SELECT k0 AS k, k1 AS j, p0 AS n, CAST(p1 * 0.01::DECIMAL(3,2) AS DECIMAL(38,2)) AS s FROM m0",
    "m1": "SELECT k0 AS k, p0 AS n, CASE WHEN p0 > 0 THEN p1::DOUBLE / p0 END AS a FROM m1",
    "t0": "SELECT k, x, y, d FROM t0",
}
PUBLIC = (("k", TEXT), ("x", INTEGER), ("y", DOUBLE), ("d", DATE))
PUBLIC_ROWS = (
    ("a", 1, 0.25, "2020-01-01"),
    ("a", 2, -1.5, "2020-01-02"),
    ("b", None, 2.75, None),
    ("b", -7, None, "2021-06-30"),
    (None, 5, 0.0, "2021-06-30"),
    ("zz", 9, 1000.25, "1999-12-31"),
)


def tables(rng: random.Random) -> list[NoisyTable]:
    keys0 = [(k, j) for k in ("a", "b", "c", None) for j in (1, 2, None)]
    keys1 = [("a",), ("b",), ("d",), (None,)]
    draw = lambda cells, top: [rng.randint(-4, top) for _ in cells]  # noqa: E731
    return [
        noisy("m0", keys0, p0=(draw(keys0, 12), 3.0), p1=(draw(keys0, 900), 40.0)),
        noisy("m1", keys1, p0=(draw(keys1, 12), 2.0), p1=(draw(keys1, 90), 9.0)),
    ]


@dataclass
class Relation:
    """A plan, the name of the plain SELECT that it equals, and its columns as (id, type)."""

    plan: object
    name: str
    columns: list[tuple[str, SqlType]]


@dataclass
class Generator:
    """Builds one random query. `leaves` and `steps` (the WITH chain of the plain SQL) grow with it."""

    rng: random.Random
    leaves: dict[str, Leaf] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    count: int = 0

    def id(self) -> str:
        self.count += 1
        return f"c{self.count}"

    def step(self, plan, columns, text: str) -> Relation:
        name = f"q{len(self.steps)}"
        self.steps.append(f"{name} AS ({text})")
        return Relation(plan, name, columns)

    def sql(self, top: Relation) -> str:
        return f"WITH {', '.join(self.steps)} SELECT {', '.join(c for c, _ in top.columns)} FROM {top.name}"

    def leaf(self) -> Relation:
        kind = self.rng.choice(("m0", "m0", "m1", "m1", "t0", "values"))
        if kind == "values":
            a, b = self.id(), self.id()
            fields = (fld(a, TEXT), fld(b, INTEGER))
            rows = (("'a'", "3"), ("'b'", "-1"), ("NULL", "2"))
            plan = Values(tuple((term(x, TEXT), term(f"CAST({y} AS BIGINT)", INTEGER)) for x, y in rows), fields, None)
            text = ", ".join(f"({x}, {y}::BIGINT)" for x, y in rows)
            return self.step(plan, [(a, TEXT), (b, INTEGER)], f"SELECT * FROM (VALUES {text}) AS v({a}, {b})")
        if kind == "t0":
            plan, columns = Read("t0", None, tuple(fld(c, t) for c, t in PUBLIC), None), list(PUBLIC)
        else:
            outputs = tuple(Output(*output) for output in OUTPUTS[kind])
            columns = [*KEYS[kind], *((o.column, o.type) for o in outputs)]
            measure = M0 if kind == "m0" else M1
            self.leaves[kind] = Leaf.of(measure, outputs)
            plan = Measured(kind, tuple(fld(c, t) for c, t in columns), None)
        renamed = [(self.id(), c, t) for c, t in columns]  # one leaf may be used twice: each use has its own ids
        project = Project(plan, tuple(computed(new, c, t) for new, c, t in renamed), None)
        text = f"SELECT {', '.join(f'{c} AS {new}' for new, c, _ in renamed)} FROM ({VIEWS[kind]})"
        return self.step(project, [(new, t) for new, _, t in renamed], text)

    def relation(self, depth: int) -> Relation:
        if depth == 0:
            return self.leaf()
        kinds = (self.filter, self.project, self.join, self.join, self.aggregate, self.window, self.union, self.limit)
        return self.rng.choice(kinds)(self.relation(depth - 1), depth)

    def of_type(self, relation: Relation, *types) -> list[str]:
        return [c for c, t in relation.columns if t in types]

    def predicate(self, columns) -> str:
        c, t = self.rng.choice(columns)
        if t == TEXT:
            return self.rng.choice((f"{c} = 'a'", f"{c} IS NULL", f"{c} <> 'b'"))
        if t == DATE:
            return f"{c} >= CAST('2020-01-02' AS DATE)"
        if t in (INTEGER, DOUBLE, MONEY):
            return self.rng.choice((f"{c} > {self.rng.randint(-3, 6)}", f"{c} IS NOT NULL"))
        return c

    def filter(self, below: Relation, depth: int) -> Relation:
        test = self.predicate(below.columns)
        plan = Filter(below.plan, (term(test, SqlType("BOOLEAN")),), below.plan.fields, None)
        return self.step(plan, below.columns, f"SELECT * FROM {below.name} WHERE {test}")

    def project(self, below: Relation, depth: int) -> Relation:
        kept = [(self.id(), c, t) for c, t in below.columns if self.rng.random() < 0.7] or [
            (self.id(), *below.columns[0])
        ]
        numbers = self.of_type(below, INTEGER, DOUBLE, MONEY)
        if numbers:
            a, b = self.rng.choice(numbers), self.rng.choice(numbers)
            text = self.rng.choice(
                (
                    f"CAST({a} AS DOUBLE) + CAST({b} AS DOUBLE)",
                    f"CAST({a} AS DOUBLE) / NULLIF(CAST({b} AS DOUBLE), 0)",
                    f"CASE WHEN {a} > 2 THEN CAST({b} AS DOUBLE) END",
                )
            )
            kept.append((self.id(), text, DOUBLE))
        plan = Project(below.plan, tuple(computed(new, text, t) for new, text, t in kept), None)
        text = f"SELECT {', '.join(f'{text} AS {new}' for new, text, _ in kept)} FROM {below.name}"
        return self.step(plan, [(new, t) for new, _, t in kept], text)

    def join(self, left: Relation, depth: int) -> Relation:
        right = self.relation(self.rng.randint(0, min(depth - 1, 2)))
        kind = self.rng.choice(list(JoinKind))
        pairs = [(a, b) for a, t in left.columns for b, u in right.columns if t == u and t in (TEXT, INTEGER, DATE)]
        terms = []
        if pairs:
            a, b = self.rng.choice(pairs)
            terms.append(f"{a} = {b}")
        if not terms or (self.rng.random() < 0.3 and kind is not JoinKind.FULL):
            one, other = self.of_type(left, INTEGER, DOUBLE, MONEY), self.of_type(right, INTEGER, DOUBLE, MONEY)
            if one and other and kind is not JoinKind.FULL:
                terms.append(f"CAST({self.rng.choice(one)} AS DOUBLE) < CAST({self.rng.choice(other)} AS DOUBLE)")
        if not terms and kind is JoinKind.FULL:
            return left
        on = " AND ".join(terms) or "TRUE"
        condition = tuple(term(text, SqlType("BOOLEAN")) for text in terms)
        mark = fld(self.id(), SqlType("BOOLEAN")) if kind is JoinKind.MARK else None
        fields = {JoinKind.SEMI: left.plan.fields, JoinKind.ANTI: left.plan.fields}.get(
            kind, (*left.plan.fields, *right.plan.fields)
        )
        fields = (*left.plan.fields, mark) if mark else fields
        plan = Join(kind, left.plan, right.plan, condition, (), fields, None, mark)
        exists = f"EXISTS (SELECT 1 FROM {right.name} WHERE {on})"
        match kind:
            case JoinKind.SEMI:
                text, columns = f"SELECT * FROM {left.name} WHERE {exists}", left.columns
            case JoinKind.ANTI:
                text, columns = f"SELECT * FROM {left.name} WHERE NOT {exists}", left.columns
            case JoinKind.MARK:
                columns = [*left.columns, (mark.id, SqlType("BOOLEAN"))]
                text = f"SELECT *, {exists} AS {mark.id} FROM {left.name}"
            case _:
                columns = [*left.columns, *right.columns]
                text = f"SELECT * FROM {left.name} {kind.value} JOIN {right.name} ON {on}"
        return self.step(plan, columns, text)

    def aggregate(self, below: Relation, depth: int) -> Relation:
        groupable = self.of_type(below, TEXT, INTEGER, DATE)
        keys = self.rng.sample(groupable, min(len(groupable), self.rng.randint(0, 2)))
        types = dict(below.columns)
        named = [(self.id(), c, types[c]) for c in keys]
        calls, texts = [], []
        for _ in range(self.rng.randint(0 if keys else 1, 3)):
            call, text = self.call(below)
            calls.append(call)
            texts.append(f"{text} AS {call.field.id}")
        plan = Aggregate(below.plan, tuple(computed(n, c, t) for n, c, t in named), tuple(calls), None)
        items = [*(f"{c} AS {n}" for n, c, _ in named), *texts]
        grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
        columns = [*((n, t) for n, _, t in named), *((c.field.id, c.field.term.type) for c in calls)]
        return self.step(plan, columns, f"SELECT {', '.join(items)} FROM {below.name}{grouped}")

    def call(self, below: Relation):
        numbers = self.of_type(below, INTEGER, DOUBLE, MONEY)
        test = self.predicate(below.columns) if self.rng.random() < 0.25 else None
        kept = f" FILTER (WHERE {test})" if test else ""
        condition = term(test, SqlType("BOOLEAN")) if test else None
        anything = self.rng.choice(below.columns)
        picked = self.rng.randint(0, 7 if numbers else 2)
        if picked == 0:
            built = (AggregateKind.COUNT_ROWS, (), INTEGER, "COUNT(*)")
        elif picked in (1, 2):
            kind = AggregateKind.COUNT if picked == 1 else AggregateKind.COUNT_DISTINCT
            text = f"COUNT({'DISTINCT ' if picked == 2 else ''}{anything[0]})"
            built = (kind, (term(*anything),), INTEGER, text)
        else:
            c = self.rng.choice(numbers)
            t = dict(below.columns)[c]
            kind = self.rng.choice(
                (
                    AggregateKind.SUM,
                    AggregateKind.SUM,
                    AggregateKind.AVG,
                    AggregateKind.MIN,
                    AggregateKind.MAX,
                    AggregateKind.STDDEV_SAMP,
                    AggregateKind.VAR_POP,
                    AggregateKind.QUANTILE_CONT,
                )
            )
            type_ = {AggregateKind.SUM: t, AggregateKind.MIN: t, AggregateKind.MAX: t}.get(kind, DOUBLE)
            number = f"CAST({c} AS DOUBLE)" if type_ == DOUBLE else c
            text = f"{kind.value}({number}{', 0.5' if kind is AggregateKind.QUANTILE_CONT else ''})"
            built = (kind, (term(c, t),), type_, text)
        kind, arguments, type_, text = built
        fraction = 0.5 if kind is AggregateKind.QUANTILE_CONT else None
        call = AggregateCall(kind, arguments, condition, fld(self.id(), type_), None, fraction)
        return call, f"{text}{kept}"

    def window(self, below: Relation, depth: int) -> Relation:
        types = dict(below.columns)
        partition = self.rng.sample(self.of_type(below, TEXT, INTEGER), min(1, len(self.of_type(below, TEXT, INTEGER))))
        partition = partition if self.rng.random() < 0.6 else []
        down = self.rng.random() < 0.5
        every = [c for c, _ in below.columns]
        numbers = self.of_type(below, INTEGER, DOUBLE, MONEY)
        kind = self.rng.choice((*WindowKind, AggregateKind.SUM, AggregateKind.AVG, AggregateKind.COUNT_ROWS))
        arguments, type_, inside = (), INTEGER, ""
        order = every  # of every column, so that only equal rows are tied
        if kind in (AggregateKind.SUM, AggregateKind.AVG):
            if not numbers:
                return below
            c = self.rng.choice(numbers)
            arguments, inside = (term(c, types[c]),), c
            type_ = types[c] if kind is AggregateKind.SUM else DOUBLE
            order = self.rng.choice((every, []))
        elif kind in (WindowKind.PERCENT_RANK, WindowKind.CUME_DIST):
            type_ = DOUBLE
        elif kind in (WindowKind.RANK, WindowKind.DENSE_RANK):
            order = [self.rng.choice(every)]
        elif kind is WindowKind.NTILE:
            arguments, inside = (term("3", INTEGER, domain=(3,)),), "3"
        elif kind not in (WindowKind.ROW_NUMBER, AggregateKind.COUNT_ROWS):
            c = self.rng.choice(every)
            arguments, inside, type_ = (term(c, types[c]),), c, types[c]
            if kind is WindowKind.NTH_VALUE:
                arguments, inside = (*arguments, term("2", INTEGER, domain=(2,))), f"{c}, 2"
        keys = tuple(SortKey(term(c, types[c]), down, nulls_first=False) for c in order)
        new = self.id()
        call = WindowCall(
            kind, arguments, None, tuple(term(c, types[c]) for c in partition), keys, None, fld(new, type_), None
        )
        name = "COUNT(*)" if kind is AggregateKind.COUNT_ROWS else f"{kind.value}({inside})"
        over = f"PARTITION BY {', '.join(partition)} " if partition else ""
        if order:
            over += "ORDER BY " + ", ".join(f"{c}{' DESC' if down else ''} NULLS LAST" for c in order)
        plan = Window(below.plan, (call,), None)
        return self.step(
            plan, [*below.columns, (new, type_)], f"SELECT *, {name} OVER ({over}) AS {new} FROM {below.name}"
        )

    def union(self, left: Relation, depth: int) -> Relation:
        right = self.relation(self.rng.randint(0, 1))
        chosen = []
        for a, t in left.columns:
            match = next((b for b, u in right.columns if u == t and b not in {x for _, x, _ in chosen}), None)
            if match is not None:
                chosen.append((a, match, t))
        if not chosen:
            return left
        sides = []
        for relation, position in ((left, 0), (right, 1)):
            columns = [(self.id(), pair[position], pair[2]) for pair in chosen]
            sides.append(Project(relation.plan, tuple(computed(n, c, t) for n, c, t in columns), None))
        kind = self.rng.choice((SetKind.UNION_ALL, SetKind.UNION_ALL, SetKind.INTERSECT, SetKind.EXCEPT))
        new = [(self.id(), t) for *_, t in chosen]
        plan = SetOperation(kind, sides[0], sides[1], tuple(fld(n, t) for n, t in new), None)
        first = ", ".join(f"{a} AS {n}" for (a, _, _), (n, _) in zip(chosen, new, strict=True))
        second = ", ".join(b for _, b, _ in chosen)
        text = f"SELECT {first} FROM {left.name} {kind.value} SELECT {second} FROM {right.name}"
        return self.step(plan, new, text)

    def limit(self, below: Relation, depth: int) -> Relation:
        down = self.rng.random() < 0.5
        keys = tuple(SortKey(term(c, t), down, nulls_first=True) for c, t in below.columns)
        sort = Sort(below.plan, keys, below.plan.fields, None)
        count, offset = self.rng.randint(2, 12), self.rng.choice((0, 0, 1))
        order = ", ".join(f"{c}{' DESC' if down else ''} NULLS FIRST" for c, _ in below.columns)
        text = f"SELECT * FROM {below.name} ORDER BY {order} LIMIT {count} OFFSET {offset}"
        return self.step(Limit(sort, count, offset, below.plan.fields, None), below.columns, text)
