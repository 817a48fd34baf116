"""Relations made of one relation: filtered, computed, windowed, or aggregated by its owner."""

from dataclasses import replace

from support.generated.relations import Relations
from support.generated.tables import ORDER, OWNER, Relation
from support.generated.values import AGGREGATE, FILTER, GROUP, Column


def filtered(rows: Relations, depth: int) -> Relation | None:
    source = rows.relation(depth - 1)
    test = rows.condition(source, "a")
    return None if test is None else rows.kept(source, f" WHERE {test}")


def computed(rows: Relations, depth: int) -> Relation | None:
    source = rows.relation(depth - 1)
    kind, use = (
        rows.draw.choice(("whole", "exact", "text", "date", "truth", "float")),
        rows.draw.choice((GROUP, AGGREGATE)),
    )
    value = rows.values.value(source.of("a"), kind, use, 2)
    if value is None:
        return None
    uses = GROUP + FILTER if use == GROUP else AGGREGATE
    return rows.kept(source, "", added=(value, Column(rows.name("q"), kind, uses)))


def windowed(rows: Relations, depth: int) -> Relation | None:
    source = rows.owned(depth - 1)
    order = rows.values.value(source.of("a"), rows.draw.choice(("whole", "date")), FILTER, 1)
    number = rows.values.value(source.of("a"), "whole", AGGREGATE, 1)
    if order is None or number is None:
        return None
    shape = rows.draw.choice(("rank", "rank", "number", "number", "qualify"))
    by = f"PARTITION BY a.{OWNER}"
    if rows.draw.random() < 0.3 and (key := rows.values.value(source.of("a"), "truth", FILTER, 1)) is not None:
        by = f"PARTITION BY {key}, a.{OWNER}"
    down = rows.draw.choice(("", " DESC"))
    if shape == "qualify":
        rows.used.add("QUALIFY per owner")
        call = rows.draw.choice(("ROW_NUMBER", "RANK", "DENSE_RANK"))
        once = source.unit or (call == "ROW_NUMBER" and by == f"PARTITION BY a.{OWNER}")
        made = rows.kept(source, f" QUALIFY {call}() OVER ({by} ORDER BY {order}{down}) = 1")
        # which of a unit's rows is the first, where they tie, SQL leaves open
        rows.values.tame = rows.values.tame and call != "ROW_NUMBER"
        return replace(made, unit=once)
    rows.used.add("window per owner")
    frame = rows.draw.choice(("", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW"))
    text, tame = {
        "rank": rows.draw.choice(
            (("RANK()", True), ("DENSE_RANK()", True), ("ROW_NUMBER()", False), ("NTILE(3)", False), ("COUNT(*)", True))
        ),
        "number": rows.draw.choice(
            ((f"SUM({number})", True), (f"MAX({number})", True), (f"LAG({number})", False), (f"LEAD({number}, 2)", False),
             (f"FIRST_VALUE({number})", False), (f"MIN({number})", True), (f"NTH_VALUE({number}, 2)", False))
        ),
    }[shape]  # fmt: skip
    if "VALUE" in text:
        frame = " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
    elif not text.startswith(("SUM", "MAX", "MIN", "COUNT")):
        frame = ""
    rows.values.tame = rows.values.tame and tame and not frame
    use = "gfaj" if shape == "rank" else AGGREGATE
    return rows.kept(
        source,
        "",
        added=(f"{text} OVER ({by} ORDER BY {order}{down}{frame})", Column(rows.name("q"), "whole", use)),
    )


def one_of(rows: Relations, source: Relation, alias: str) -> tuple[str, str, str] | None:
    """Return an aggregate of one owner's rows, exact to the bit; its kind; and what may be done with it."""
    number = rows.values.value(source.of(alias), "whole", AGGREGATE, 1)
    exact = rows.values.value(source.of(alias), "exact", AGGREGATE, 1)
    test = rows.values.value([c for c in source.of(alias) if AGGREGATE in c.uses], "truth", FILTER, 1)
    pool = [("COUNT(*)", "whole", "gfaj")]
    if number is not None:
        pool += [(f"{call}({number})", "whole", AGGREGATE) for call in ("SUM", "MIN", "MAX", "COUNT")]
    if exact is not None:
        pool += [(f"{call}({exact})", "exact", AGGREGATE) for call in ("SUM", "MAX", "MIN")]
    if test is not None:
        pool += [(f"COUNT(*) FILTER (WHERE {test})", "whole", "gfa"), (f"BOOL_OR({test})", "truth", FILTER)]
    return rows.draw.choice(pool)


def grouped(rows: Relations, depth: int) -> Relation | None:
    """Return aggregates for each owner, or for each owner and key, or for each order."""
    source = rows.relation(depth - 1)
    chained = not source.owner or (source.order and rows.draw.random() < 0.3)
    call = one_of(rows, source, "a")
    if call is None:
        return None
    column = Column(rows.name("q"), call[1], call[2])
    by, items, columns, key = f"a.{ORDER}" if chained else f"a.{OWNER}", [], [column], None
    if not chained and rows.draw.random() < 0.4:
        key = rows.values.value(source.of("a"), rows.draw.choice(("whole", "truth", "text")), GROUP, 1)
    if key is not None:
        columns.append(Column(rows.name("q"), "text", GROUP + FILTER))
        items.append(f"CAST({key} AS VARCHAR) AS {columns[-1].name}")
        by += f", {columns[-1].name}"
    rows.used.add("aggregate per order" if chained else "aggregate per owner")
    having = ""
    if rows.draw.random() < 0.3:
        rows.used.add("HAVING per owner")
        having = f" HAVING COUNT(*) {rows.draw.choice(('> 1', '<= 3', '< 4'))}"
    sql = f"(SELECT {', '.join([by.split(',')[0], *items])}, {call[0]} AS {column.name} FROM {source.sql} a GROUP BY {by}{having})"
    return Relation(
        sql, tuple(columns), owner=not chained, order=chained, unit=not chained and key is None, once=chained
    )


def distinct(rows: Relations, depth: int) -> Relation | None:
    source = rows.owned(depth - 1)
    value = rows.values.value(source.of("a"), rows.draw.choice(("whole", "truth", "text")), GROUP, 1)
    if value is None:
        return None
    rows.used.add("DISTINCT with the owner")
    column = Column(rows.name("q"), "text", GROUP + FILTER)
    return Relation(
        f"(SELECT DISTINCT a.{OWNER}, CAST({value} AS VARCHAR) AS {column.name} FROM {source.sql} a)", (column,)
    )
