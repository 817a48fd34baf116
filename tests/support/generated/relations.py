"""Relations made at random, to any depth: each row one owner's, joined and tested as the ownership rules let."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from support.generated.flaws import Flaw
from support.generated.tables import CUSTOMERS, LINES, ORDER, ORDERS, OWNER, PURCHASES, Relation
from support.generated.values import AGGREGATE, FILTER, GROUP, JOIN, Column, Values


@dataclass(slots=True)
class Relations:
    """Makes relations. `used` names the constructs of the query so far, `views` its WITH queries."""

    draw: Random
    values: Values
    flaw: Flaw
    used: set[str] = field(default_factory=set)
    views: list[str] = field(default_factory=list)
    numbers: int = 0

    def name(self, letter: str) -> str:
        self.numbers += 1
        return f"{letter}{self.numbers}"

    def relation(self, depth: int) -> Relation:
        """Return a relation of private rows; for every third level one that holds the owner's column."""
        made = self._any(depth)
        return replace(made, sql=self.flaw.planted(made))

    def owned(self, depth: int) -> Relation:
        """Return a relation that holds the owner's column."""
        made = self.relation(depth)
        return made if made.owner else self._with_owner(made)

    def _with_owner(self, made: Relation) -> Relation:
        """Join the orders to rows of a chain, so that the unit's key is in sight."""
        self.used.add("JOIN along a chain")
        columns, listed = self._renamed(made.of("a"), 6)
        sql = f"(SELECT b.{OWNER}, {', '.join([f'a.{ORDER}', *listed])} FROM {made.sql} a JOIN orders b ON a.{ORDER} = b.{ORDER})"
        return Relation(sql, columns, order=True, once=made.once)

    def _any(self, depth: int) -> Relation:
        if depth <= 0:
            return self.draw.choice((CUSTOMERS, PURCHASES, PURCHASES, ORDERS, LINES))
        for _ in range(8):
            operator = self.draw.choice(OPERATORS)
            made = self.attempted(partial(operator, self, depth))
            if made is not None:
                return made
        return PURCHASES

    def attempted(
        self, make: Callable[[], Relation | None], fits: Callable[[Relation], bool] = lambda _: True
    ) -> Relation | None:
        """Return what is made; where that does not fit, leave no trace of it but the draws."""
        used, views, flaw = set(self.used), len(self.views), self.flaw.state()
        tame, functions = self.values.tame, set(self.values.functions)
        made = make()
        if made is not None and fits(made):
            return made
        self.used, self.values.tame, self.values.functions = used, tame, functions
        del self.views[views:]
        self.flaw.restore(flaw)
        return None

    def _renamed(self, columns: list[Column], most: int) -> tuple[tuple[Column, ...], list[str]]:
        """Return some columns under new names, and how they are listed."""
        chosen = self.draw.sample(columns, min(most, len(columns)))
        made = [replace(column, name=self.name("q")) for column in chosen]
        return tuple(made), [f"{old.name} AS {new.name}" for old, new in zip(chosen, made, strict=True)]

    def kept(
        self, source: Relation, clauses: str, *, alias: str = "a", added: tuple[str, Column] | None = None
    ) -> Relation:
        """Return a source's rows with its columns renamed, and one more."""
        columns, listed = self._renamed(source.of(alias), 6)
        if added is not None:
            listed.append(f"{added[0]} AS {added[1].name}")
            columns += (added[1],)
        items = ", ".join([*source.keys(alias), *listed])
        return replace(source, sql=f"(SELECT {items} FROM {source.sql} {alias}{clauses})", columns=columns)

    def condition(self, source: Relation, alias: str, depth: int = 2) -> str | None:
        return self.values.value(source.of(alias), "truth", FILTER, depth)

    # -- one relation ------------------------------------------------------------------------------------------------

    def filtered(self, depth: int) -> Relation | None:
        source = self.relation(depth - 1)
        test = self.condition(source, "a")
        return None if test is None else self.kept(source, f" WHERE {test}")

    def computed(self, depth: int) -> Relation | None:
        source = self.relation(depth - 1)
        kind, use = (
            self.draw.choice(("whole", "exact", "text", "date", "truth", "float")),
            self.draw.choice((GROUP, AGGREGATE)),
        )
        value = self.values.value(source.of("a"), kind, use, 2)
        if value is None:
            return None
        uses = GROUP + FILTER if use == GROUP else AGGREGATE
        return self.kept(source, "", added=(value, Column(self.name("q"), kind, uses)))

    def windowed(self, depth: int) -> Relation | None:
        source = self.owned(depth - 1)
        order = self.values.value(source.of("a"), self.draw.choice(("whole", "date")), FILTER, 1)
        number = self.values.value(source.of("a"), "whole", AGGREGATE, 1)
        if order is None or number is None:
            return None
        shape = self.draw.choice(("rank", "rank", "number", "number", "qualify"))
        by = f"PARTITION BY a.{OWNER}"
        if self.draw.random() < 0.3 and (key := self.values.value(source.of("a"), "truth", FILTER, 1)) is not None:
            by = f"PARTITION BY {key}, a.{OWNER}"
        down = self.draw.choice(("", " DESC"))
        if shape == "qualify":
            self.used.add("QUALIFY per owner")
            call = self.draw.choice(("ROW_NUMBER", "RANK", "DENSE_RANK"))
            once = source.unit or (call == "ROW_NUMBER" and by == f"PARTITION BY a.{OWNER}")
            made = self.kept(source, f" QUALIFY {call}() OVER ({by} ORDER BY {order}{down}) = 1")
            # which of a unit's rows is the first, where they tie, SQL leaves open
            self.values.tame = self.values.tame and call != "ROW_NUMBER"
            return replace(made, unit=once)
        self.used.add("window per owner")
        frame = self.draw.choice(("", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW"))
        text, tame = {
            "rank": self.draw.choice(
                (("RANK()", True), ("DENSE_RANK()", True), ("ROW_NUMBER()", False), ("NTILE(3)", False), ("COUNT(*)", True))
            ),
            "number": self.draw.choice(
                ((f"SUM({number})", True), (f"MAX({number})", True), (f"LAG({number})", False), (f"LEAD({number}, 2)", False),
                 (f"FIRST_VALUE({number})", False), (f"MIN({number})", True), (f"NTH_VALUE({number}, 2)", False))
            ),
        }[shape]  # fmt: skip
        if "VALUE" in text:
            frame = " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
        elif not text.startswith(("SUM", "MAX", "MIN", "COUNT")):
            frame = ""
        self.values.tame = self.values.tame and tame and not frame
        use = "gfaj" if shape == "rank" else AGGREGATE
        return self.kept(
            source,
            "",
            added=(f"{text} OVER ({by} ORDER BY {order}{down}{frame})", Column(self.name("q"), "whole", use)),
        )

    def one_of(self, source: Relation, alias: str) -> tuple[str, str, str] | None:
        """Return an aggregate of one owner's rows, exact to the bit; its kind; and what may be done with it."""
        number = self.values.value(source.of(alias), "whole", AGGREGATE, 1)
        exact = self.values.value(source.of(alias), "exact", AGGREGATE, 1)
        test = self.values.value([c for c in source.of(alias) if AGGREGATE in c.uses], "truth", FILTER, 1)
        pool = [("COUNT(*)", "whole", "gfaj")]
        if number is not None:
            pool += [(f"{call}({number})", "whole", AGGREGATE) for call in ("SUM", "MIN", "MAX", "COUNT")]
        if exact is not None:
            pool += [(f"{call}({exact})", "exact", AGGREGATE) for call in ("SUM", "MAX", "MIN")]
        if test is not None:
            pool += [(f"COUNT(*) FILTER (WHERE {test})", "whole", "gfa"), (f"BOOL_OR({test})", "truth", FILTER)]
        return self.draw.choice(pool)

    def grouped(self, depth: int) -> Relation | None:
        """Return aggregates for each owner, or for each owner and key, or for each order."""
        source = self.relation(depth - 1)
        chained = not source.owner or (source.order and self.draw.random() < 0.3)
        call = self.one_of(source, "a")
        if call is None:
            return None
        column = Column(self.name("q"), call[1], call[2])
        by, items, columns, key = f"a.{ORDER}" if chained else f"a.{OWNER}", [], [column], None
        if not chained and self.draw.random() < 0.4:
            key = self.values.value(source.of("a"), self.draw.choice(("whole", "truth", "text")), GROUP, 1)
        if key is not None:
            columns.append(Column(self.name("q"), "text", GROUP + FILTER))
            items.append(f"CAST({key} AS VARCHAR) AS {columns[-1].name}")
            by += f", {columns[-1].name}"
        self.used.add("aggregate per order" if chained else "aggregate per owner")
        having = ""
        if self.draw.random() < 0.3:
            self.used.add("HAVING per owner")
            having = f" HAVING COUNT(*) {self.draw.choice(('> 1', '<= 3', '< 4'))}"
        sql = f"(SELECT {', '.join([by.split(',')[0], *items])}, {call[0]} AS {column.name} FROM {source.sql} a GROUP BY {by}{having})"
        return Relation(
            sql, tuple(columns), owner=not chained, order=chained, unit=not chained and key is None, once=chained
        )

    def distinct(self, depth: int) -> Relation | None:
        source = self.owned(depth - 1)
        value = self.values.value(source.of("a"), self.draw.choice(("whole", "truth", "text")), GROUP, 1)
        if value is None:
            return None
        self.used.add("DISTINCT with the owner")
        column = Column(self.name("q"), "text", GROUP + FILTER)
        return Relation(
            f"(SELECT DISTINCT a.{OWNER}, CAST({value} AS VARCHAR) AS {column.name} FROM {source.sql} a)", (column,)
        )

    # -- two private relations ---------------------------------------------------------------------------------------

    def single(self, depth: int, *, order: bool) -> Relation:
        """Return a relation with one row for each owner, or for each order."""
        fits = (lambda made: made.once) if order else (lambda made: made.unit and made.owner)
        for _ in range(4):
            made = self.attempted(partial(self.relation, depth), fits)
            if made is not None:
                return made
        if order:
            return ORDERS
        return (self.attempted(partial(self.grouped, depth), fits) if depth > 0 else None) or CUSTOMERS

    def joined(self, depth: int) -> Relation | None:
        source = self.relation(depth - 1)
        order = not source.owner or (source.order and self.draw.random() < 0.5)
        other = self.single(self.draw.randint(0, depth - 1), order=order)
        key = ORDER if order else OWNER
        swapped = self.draw.random() < 0.5
        left, right = (other, source) if swapped else (source, other)
        kind = self.draw.choice(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"))
        if kind == "FULL JOIN" and order:
            kind = "JOIN"  # of a chain's FULL join the owner is either side's
        how = self.draw.choice(("ON", "USING", "NATURAL"))
        shared = {OWNER, ORDER} if left.order and right.order and left.owner and right.owner else {key}
        if how == "NATURAL" and (shared != {key} or {c.name for c in left.columns} & {c.name for c in right.columns}):
            how = "ON"
        columns, listed = self._renamed([*left.of("a"), *right.of("b")], 7)
        keeper = "b" if kind == "RIGHT JOIN" else "a"
        owner, chain = (
            (left.owner and keeper == "a") or (right.owner and keeper == "b"),
            (left, right)[keeper == "b"].order,
        )
        if kind == "JOIN":
            owner = left.owner or right.owner
        keys = []
        if owner:
            held = keeper if (left, right)[keeper == "b"].owner else ("b" if keeper == "a" else "a")
            bare = f"COALESCE(a.{OWNER}, b.{OWNER})" if kind == "FULL JOIN" and how == "ON" else f"{held}.{OWNER}"
            keys.append(f"{bare} AS {OWNER}" if not (how != "ON" and key == OWNER) else OWNER)
        chain = chain and kind != "FULL JOIN"
        if chain:
            keys.append(ORDER if how != "ON" and key == ORDER else f"{keeper}.{ORDER}")
        tie = {"ON": f" ON a.{key} = b.{key}", "USING": f" USING ({key})", "NATURAL": ""}[how]
        if how == "ON" and self.draw.random() < 0.3 and (test := self.condition(right, "b", 1)) is not None:
            tie += f" AND {test}"
        self.used |= {
            f"{kind} of owned relations",
            f"owner equality by {how}" if key == OWNER else f"chain key by {how}",
        }
        word = f"NATURAL {kind}" if how == "NATURAL" else kind
        sql = f"(SELECT {', '.join([*keys, *listed])} FROM {left.sql} a {word} {right.sql} b{tie})"
        unit = left.unit and right.unit and not order and kind != "FULL JOIN"
        once = order and left.once and right.once and chain
        return Relation(sql, columns, owner=owner, order=chain, unit=unit, once=once)

    def of_itself(self, depth: int) -> Relation | None:
        """Return a WITH query that is joined to itself."""
        order = self.draw.random() < 0.5
        source, key = self.single(depth - 1, order=order), ORDER if order else OWNER
        view = self.name("w")
        self.views.append(f"{view} AS (SELECT * FROM {source.sql} a)")
        self.used |= {"WITH used twice", "self join"}
        columns, listed = self._renamed([*source.of("a"), *source.of("b")], 6)
        sql = f"(SELECT {', '.join([*source.keys('a'), *listed])} FROM {view} a JOIN {view} b ON a.{key} = b.{key})"
        return replace(source, sql=sql, columns=columns)

    def set_of(self, depth: int) -> Relation | None:
        """Return UNION [ALL], EXCEPT or INTERSECT with the owner among the columns."""
        left, right = self.owned(depth - 1), self.owned(self.draw.randint(0, depth - 1))
        column = self.draw.choice(left.columns)
        same = [c for c in right.columns if c.kind == column.kind]
        kind = self.draw.choice(("UNION ALL", "UNION ALL", "UNION", "EXCEPT", "INTERSECT"))
        grouped = kind != "UNION ALL"
        uses = column.uses
        if same:
            other = self.draw.choice(same)
            uses = "".join(u for u in uses if u in other.uses)
            value = f"b.{other.name}"
        else:
            value = {"whole": "3", "exact": "2.50", "float": "0.5e0", "text": "'x'", "date": "DATE '1997-05-05'", "truth": "TRUE",
                     "moment": "TIMESTAMP '1997-05-05 00:00:00'"}[column.kind]  # fmt: skip
        if not uses or (grouped and (column.kind not in ("whole", "text", "date", "truth") or GROUP not in uses)):
            return None
        self.used.add(f"{kind} with the owner")
        made = Column(self.name("q"), column.kind, uses)
        sql = f"(SELECT a.{OWNER}, a.{column.name} AS {made.name} FROM {left.sql} a {kind} SELECT b.{OWNER}, {value} FROM {right.sql} b)"
        return Relation(sql, (made,))

    # -- subqueries --------------------------------------------------------------------------------------------------

    def tested(self, depth: int) -> Relation | None:
        source = self.owned(depth - 1)
        other = self.owned(self.draw.randint(0, depth - 1))
        test = self.condition(other, "b", 1)
        extra = f" AND {test}" if test is not None else ""
        shape = self.draw.choice(
            ("EXISTS", "NOT EXISTS", "IN", "NOT IN", "correlated IN", "SEMI", "ANTI", "EXISTS in OR")
        )
        self.used.add(f"{shape} of the owner")
        inside = f"SELECT 1 FROM {other.sql} b WHERE b.{OWNER} = a.{OWNER}{extra}"
        if shape in ("EXISTS", "NOT EXISTS"):
            return self.kept(source, f" WHERE {shape} ({inside})")
        if shape in ("IN", "NOT IN"):
            where = f" WHERE {test}" if test is not None else ""
            return self.kept(source, f" WHERE a.{OWNER} {shape} (SELECT b.{OWNER} FROM {other.sql} b{where})")
        if shape in ("SEMI", "ANTI"):
            return self.kept(source, f" {shape} JOIN {other.sql} b ON b.{OWNER} = a.{OWNER}{extra}")
        if shape == "EXISTS in OR":
            outer = self.condition(source, "a", 1)
            return self.kept(source, f" WHERE {outer} OR EXISTS ({inside})") if outer is not None else None
        kind = self.draw.choice(("whole", "text", "date"))
        mine, theirs = (self.values.value(s.of(x), kind, FILTER, 0) for s, x in ((source, "a"), (other, "b")))
        if mine is None or theirs is None:
            return None
        word = self.draw.choice(("IN", "NOT IN"))
        return self.kept(
            source, f" WHERE {mine} {word} (SELECT {theirs} FROM {other.sql} b WHERE b.{OWNER} = a.{OWNER})"
        )

    def by_scalar(self, depth: int) -> Relation | None:
        source, other = self.owned(depth - 1), self.owned(self.draw.randint(0, depth - 1))
        call = self.one_of(other, "b")
        if call is None:
            return None
        column = Column(self.name("q"), call[1], call[2])
        inside = f"SELECT {call[0]} AS v FROM {other.sql} b WHERE b.{OWNER} = a.{OWNER}"
        if self.draw.random() < 0.5:
            self.used.add("scalar subquery of the owner")
            return self.kept(source, "", added=(f"({inside})", column))
        self.used.add("LATERAL")
        word = self.draw.choice((", LATERAL ({}) l", " LEFT JOIN LATERAL ({}) l ON TRUE", " CROSS JOIN LATERAL ({}) l"))
        return self.kept(source, word.format(inside), added=("l.v", column))

    # -- public and released rows ------------------------------------------------------------------------------------

    def beside_public(self, depth: int) -> Relation | None:
        source = self.relation(depth - 1)
        days = [c for c in source.of("a") if c.kind == "date" and JOIN in c.uses]
        if not days:
            return None
        day = self.draw.choice(days).name
        shape = self.draw.choice(
            ("JOIN", "LEFT JOIN", "RIGHT", "VALUES", "IN", "NOT IN", "EXISTS", "scalar", "one row")
        )
        self.used.add(f"public by {shape}")
        label = Column(self.name("q"), self.draw.choice(("text", "whole")), "gfaj")
        picked = "k.quarter" if label.kind == "text" else "k.weekday"
        clauses = {
            "JOIN": f" JOIN calendar k ON k.day = {day}",
            "LEFT JOIN": f" LEFT JOIN calendar k ON k.day = {day}",
            "IN": f" WHERE {day} IN (SELECT day FROM calendar WHERE weekday < 4)",
            "NOT IN": f" WHERE {day} NOT IN (SELECT day FROM calendar WHERE quarter = '1997-Q2')",
            "EXISTS": f" WHERE EXISTS (SELECT 1 FROM calendar k WHERE k.day = {day} AND k.weekday > 2)",
            "scalar": f" WHERE {day} > (SELECT MIN(day) FROM calendar WHERE weekday = 3)",
            "one row": f" JOIN (SELECT MAX(day) AS d FROM calendar WHERE quarter = '1998-Q1') k ON {day} <= k.d",
        }
        if shape in ("JOIN", "LEFT JOIN"):
            return self.kept(source, clauses[shape], added=(picked, label))
        if shape == "RIGHT":
            made = self.kept(source, "", added=(picked, label))
            return replace(
                made,
                sql=made.sql.replace(
                    f"FROM {source.sql} a", f"FROM calendar k RIGHT JOIN {source.sql} a ON k.day = {day}"
                ),
            )
        if shape == "VALUES":
            rows = "(VALUES (DATE '1997-03-03', 1), (DATE '1997-04-04', 2), (DATE '1997-05-05', 3)) v(d, x)"
            listed = f"(SELECT d, MIN(x) AS x FROM {rows} GROUP BY d)"
            added = (f"{self.draw.choice(('COALESCE(k.x, 0)', 'k.x'))}", Column(label.name, "whole", "gfa"))
            return self.kept(source, f" LEFT JOIN {listed} k ON k.d = {day}", added=added)
        return self.kept(source, clauses[shape])

    def staged(self, depth: int) -> Relation | None:
        source, other = self.relation(depth - 1), self.relation(self.draw.randint(0, depth - 1))
        mine = self.values.value(source.of("a"), "whole", FILTER, 1)
        theirs = self.values.value(other.of("b"), "whole", AGGREGATE, 1)
        if self.draw.random() < 0.5:
            if mine is None or theirs is None:
                return None
            self.used.add("staged value")
            # the fraction keeps what is compared away from the noise
            return self.kept(source, f" WHERE {mine} > (SELECT AVG({theirs}) + 0.0137 FROM {other.sql} b)")
        how = self.draw.choice((FILTER, JOIN))
        kind = self.draw.choice(("whole", "truth") if how == FILTER else ("text", "date"))
        mine, key = (self.values.value(s.of(x), kind, u, 0) for s, x, u in ((source, "a", how), (other, "b", GROUP)))
        if mine is None or key is None:
            return None
        self.used.add("staged keys" if how == FILTER else "staged rows joined")
        having = f"GROUP BY {key} HAVING COUNT(*) > {self.draw.choice((0.5, 3.5, 9.5))}"
        if how == FILTER:
            return self.kept(source, f" WHERE {mine} IN (SELECT {key} FROM {other.sql} b {having})")
        column = Column(self.name("q"), "whole", "gfa")
        return self.kept(
            source,
            f" JOIN (SELECT {key} AS k, COUNT(*) AS n FROM {other.sql} b {having}) r ON r.k = {mine}",
            added=("r.n", column),
        )


OPERATORS: tuple[Callable[[Relations, int], Relation | None], ...] = (
    Relations.filtered,
    Relations.computed,
    Relations.computed,
    Relations.windowed,
    Relations.grouped,
    Relations.grouped,
    Relations.distinct,
    Relations.joined,
    Relations.joined,
    Relations.joined,
    Relations.of_itself,
    Relations.set_of,
    Relations.tested,
    Relations.tested,
    Relations.by_scalar,
    Relations.beside_public,
    Relations.beside_public,
    Relations.staged,
    Relations.staged,
)
