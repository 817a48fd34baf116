"""Relations made of two private ones whose owners are equal: joins, and sets of rows with their owner."""

from dataclasses import replace
from functools import partial

from support.generated.relations import Relations
from support.generated.rows import grouped
from support.generated.tables import CUSTOMERS, ORDER, ORDERS, OWNER, Relation
from support.generated.values import GROUP, Column


def single(rows: Relations, depth: int, *, order: bool) -> Relation:
    """Return a relation with one row for each owner, or for each order."""
    fits = (lambda made: made.once) if order else (lambda made: made.unit and made.owner)
    for _ in range(4):
        made = rows.attempted(partial(rows.relation, depth), fits)
        if made is not None:
            return made
    if order:
        return ORDERS
    return (rows.attempted(partial(grouped, rows, depth), fits) if depth > 0 else None) or CUSTOMERS


def joined(rows: Relations, depth: int) -> Relation | None:
    source = rows.relation(depth - 1)
    order = not source.owner or (source.order and rows.draw.random() < 0.5)
    other = single(rows, rows.draw.randint(0, depth - 1), order=order)
    key = ORDER if order else OWNER
    swapped = rows.draw.random() < 0.5
    left, right = (other, source) if swapped else (source, other)
    kind = rows.draw.choice(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"))
    if kind == "FULL JOIN" and order:
        kind = "JOIN"  # of a chain's FULL join the owner is either side's
    how = rows.draw.choice(("ON", "USING", "NATURAL"))
    shared = {OWNER, ORDER} if left.order and right.order and left.owner and right.owner else {key}
    if how == "NATURAL" and (shared != {key} or {c.name for c in left.columns} & {c.name for c in right.columns}):
        how = "ON"
    columns, listed = rows.renamed([*left.of("a"), *right.of("b")], 7)
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
    if how == "ON" and rows.draw.random() < 0.3 and (test := rows.condition(right, "b", 1)) is not None:
        tie += f" AND {test}"
    rows.used |= {
        f"{kind} of owned relations",
        f"owner equality by {how}" if key == OWNER else f"chain key by {how}",
    }
    word = f"NATURAL {kind}" if how == "NATURAL" else kind
    sql = f"(SELECT {', '.join([*keys, *listed])} FROM {left.sql} a {word} {right.sql} b{tie})"
    unit = left.unit and right.unit and not order and kind != "FULL JOIN"
    once = order and left.once and right.once and chain
    return Relation(sql, columns, owner=owner, order=chain, unit=unit, once=once)


def of_itself(rows: Relations, depth: int) -> Relation | None:
    """Return a WITH query that is joined to itself."""
    order = rows.draw.random() < 0.5
    source, key = single(rows, depth - 1, order=order), ORDER if order else OWNER
    view = rows.name("w")
    rows.views.append(f"{view} AS (SELECT * FROM {source.sql} a)")
    rows.used |= {"WITH used twice", "self join"}
    columns, listed = rows.renamed([*source.of("a"), *source.of("b")], 6)
    sql = f"(SELECT {', '.join([*source.keys('a'), *listed])} FROM {view} a JOIN {view} b ON a.{key} = b.{key})"
    return replace(source, sql=sql, columns=columns)


def set_of(rows: Relations, depth: int) -> Relation | None:
    """Return UNION [ALL], EXCEPT or INTERSECT with the owner among the columns."""
    left, right = rows.owned(depth - 1), rows.owned(rows.draw.randint(0, depth - 1))
    column = rows.draw.choice(left.columns)
    same = [c for c in right.columns if c.kind == column.kind]
    kind = rows.draw.choice(("UNION ALL", "UNION ALL", "UNION", "EXCEPT", "INTERSECT"))
    grouped = kind != "UNION ALL"
    uses = column.uses
    if same:
        other = rows.draw.choice(same)
        uses = "".join(u for u in uses if u in other.uses)
        value = f"b.{other.name}"
    else:
        value = {"whole": "3", "exact": "2.50", "float": "0.5e0", "text": "'x'", "date": "DATE '1997-05-05'", "truth": "TRUE",
                 "moment": "TIMESTAMP '1997-05-05 00:00:00'"}[column.kind]  # fmt: skip
    if not uses or (grouped and (column.kind not in ("whole", "text", "date", "truth") or GROUP not in uses)):
        return None
    rows.used.add(f"{kind} with the owner")
    made = Column(rows.name("q"), column.kind, uses)
    sql = f"(SELECT a.{OWNER}, a.{column.name} AS {made.name} FROM {left.sql} a {kind} SELECT b.{OWNER}, {value} FROM {right.sql} b)"
    return Relation(sql, (made,))
