"""Private relations beside public rows, and beside rows that are released before."""

from dataclasses import replace

from support.generated.relations import Relations
from support.generated.tables import Relation
from support.generated.values import AGGREGATE, FILTER, GROUP, JOIN, Column


def beside_public(rows: Relations, depth: int) -> Relation | None:
    source = rows.relation(depth - 1)
    days = [c for c in source.of("a") if c.kind == "date" and JOIN in c.uses]
    if not days:
        return None
    day = rows.draw.choice(days).name
    shape = rows.draw.choice(("JOIN", "LEFT JOIN", "RIGHT", "VALUES", "IN", "NOT IN", "EXISTS", "scalar", "one row"))
    rows.used.add(f"public by {shape}")
    label = Column(rows.name("q"), rows.draw.choice(("text", "whole")), "gfaj")
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
        return rows.kept(source, clauses[shape], added=(picked, label))
    if shape == "RIGHT":
        made = rows.kept(source, "", added=(picked, label))
        return replace(
            made,
            sql=made.sql.replace(f"FROM {source.sql} a", f"FROM calendar k RIGHT JOIN {source.sql} a ON k.day = {day}"),
        )
    if shape == "VALUES":
        listing = "(VALUES (DATE '1997-03-03', 1), (DATE '1997-04-04', 2), (DATE '1997-05-05', 3)) v(d, x)"
        listed = f"(SELECT d, MIN(x) AS x FROM {listing} GROUP BY d)"
        added = (f"{rows.draw.choice(('COALESCE(k.x, 0)', 'k.x'))}", Column(label.name, "whole", "gfa"))
        return rows.kept(source, f" LEFT JOIN {listed} k ON k.d = {day}", added=added)
    return rows.kept(source, clauses[shape])


def staged(rows: Relations, depth: int) -> Relation | None:
    source, other = rows.relation(depth - 1), rows.relation(rows.draw.randint(0, depth - 1))
    mine = rows.values.value(source.of("a"), "whole", FILTER, 1)
    theirs = rows.values.value(other.of("b"), "whole", AGGREGATE, 1)
    if rows.draw.random() < 0.5:
        if mine is None or theirs is None:
            return None
        rows.used.add("staged value")
        # the fraction keeps what is compared away from the noise
        return rows.kept(source, f" WHERE {mine} > (SELECT AVG({theirs}) + 0.0137 FROM {other.sql} b)")
    how = rows.draw.choice((FILTER, JOIN))
    kind = rows.draw.choice(("whole", "truth") if how == FILTER else ("text", "date"))
    mine, key = (rows.values.value(s.of(x), kind, u, 0) for s, x, u in ((source, "a", how), (other, "b", GROUP)))
    if mine is None or key is None:
        return None
    rows.used.add("staged keys" if how == FILTER else "staged rows joined")
    having = f"GROUP BY {key} HAVING COUNT(*) > {rows.draw.choice((0.5, 3.5, 9.5))}"
    if how == FILTER:
        return rows.kept(source, f" WHERE {mine} IN (SELECT {key} FROM {other.sql} b {having})")
    column = Column(rows.name("q"), "whole", "gfa")
    return rows.kept(
        source,
        f" JOIN (SELECT {key} AS k, COUNT(*) AS n FROM {other.sql} b {having}) r ON r.k = {mine}",
        added=("r.n", column),
    )
