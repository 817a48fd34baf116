"""Relations tested or computed by subqueries of the same owner."""

from support.generated.relations import Relations
from support.generated.rows import one_of
from support.generated.tables import OWNER, Relation
from support.generated.values import FILTER, Column


def tested(rows: Relations, depth: int) -> Relation | None:
    source = rows.owned(depth - 1)
    other = rows.owned(rows.draw.randint(0, depth - 1))
    test = rows.condition(other, "b", 1)
    extra = f" AND {test}" if test is not None else ""
    shape = rows.draw.choice(("EXISTS", "NOT EXISTS", "IN", "NOT IN", "correlated IN", "SEMI", "ANTI", "EXISTS in OR"))
    rows.used.add(f"{shape} of the owner")
    inside = f"SELECT 1 FROM {other.sql} b WHERE b.{OWNER} = a.{OWNER}{extra}"
    if shape in ("EXISTS", "NOT EXISTS"):
        return rows.kept(source, f" WHERE {shape} ({inside})")
    if shape in ("IN", "NOT IN"):
        where = f" WHERE {test}" if test is not None else ""
        return rows.kept(source, f" WHERE a.{OWNER} {shape} (SELECT b.{OWNER} FROM {other.sql} b{where})")
    if shape in ("SEMI", "ANTI"):
        return rows.kept(source, f" {shape} JOIN {other.sql} b ON b.{OWNER} = a.{OWNER}{extra}")
    if shape == "EXISTS in OR":
        outer = rows.condition(source, "a", 1)
        return rows.kept(source, f" WHERE {outer} OR EXISTS ({inside})") if outer is not None else None
    kind = rows.draw.choice(("whole", "text", "date"))
    mine, theirs = (rows.values.value(s.of(x), kind, FILTER, 0) for s, x in ((source, "a"), (other, "b")))
    if mine is None or theirs is None:
        return None
    word = rows.draw.choice(("IN", "NOT IN"))
    return rows.kept(source, f" WHERE {mine} {word} (SELECT {theirs} FROM {other.sql} b WHERE b.{OWNER} = a.{OWNER})")


def by_scalar(rows: Relations, depth: int) -> Relation | None:
    source, other = rows.owned(depth - 1), rows.owned(rows.draw.randint(0, depth - 1))
    call = one_of(rows, other, "b")
    if call is None:
        return None
    column = Column(rows.name("q"), call[1], call[2])
    inside = f"SELECT {call[0]} AS v FROM {other.sql} b WHERE b.{OWNER} = a.{OWNER}"
    if rows.draw.random() < 0.5:
        rows.used.add("scalar subquery of the owner")
        return rows.kept(source, "", added=(f"({inside})", column))
    rows.used.add("LATERAL")
    word = rows.draw.choice((", LATERAL ({}) l", " LEFT JOIN LATERAL ({}) l ON TRUE", " CROSS JOIN LATERAL ({}) l"))
    return rows.kept(source, word.format(inside), added=("l.v", column))
