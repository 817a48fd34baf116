"""Tables of hostile rows and small ones, scans of them, and the SQL that plans over them become."""

import sqlglot
from sqlglot import exp

from gateway.catalog.model import Table
from gateway.catalog.types import BOOLEAN, DATE, DOUBLE, INTEGER, TEXT, TIMESTAMP, UUID, decimal
from gateway.compile.relations import select
from gateway.sql.plan import Field, Scan
from gateway.sql.terms import Origin, Term

MONEY = decimal(38, 2)
TYPES = {"i": INTEGER, "x": DOUBLE, "m": MONEY, "t": TEXT, "d": DATE, "b": BOOLEAN, "ts": TIMESTAMP, "u": UUID}
HOSTILE = """
CREATE TABLE hostile (i BIGINT, x DOUBLE, m DECIMAL(38,2), t VARCHAR, d DATE, b BOOLEAN, ts TIMESTAMP, u UUID);
INSERT INTO hostile VALUES
 (9223372036854775807, 1e308, 999999999999999999999999999999999999.99, '', 'infinity', TRUE, 'infinity', NULL),
 (9223372036854775807, -1e308, 999999999999999999999999999999999999.99, 'a''b', '290000-01-01', FALSE, '290000-01-01', uuid()),
 (-9223372036854775808, 'nan', -999999999999999999999999999999999999.99, chr(0), '-infinity', NULL, '-infinity', NULL),
 (0, 'inf', 0, 'é', '2020-02-29', TRUE, '2020-02-29 23:59:59.999999', NULL),
 (1, '-inf', 0.01, NULL, '0001-01-01 (BC)', FALSE, NULL, NULL),
 (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE orders (okey BIGINT, ckey BIGINT, total INTEGER);
INSERT INTO orders VALUES (1, 10, 5), (2, 10, 7), (3, NULL, 9), (4, 20, 1);
CREATE TABLE lines (okey BIGINT, price DECIMAL(12,2));
INSERT INTO lines VALUES (1, 2.50), (1, 3.50), (2, NULL), (3, 9.99), (NULL, 1.00);
"""


def declared(name: str, **known) -> Table:
    facts = {"name": name, "public": True, "owner": None, "hop": None, "columns": (), "unique": (), "rows": 10}
    table = object.__new__(Table)
    for field in Table.__dataclass_fields__:
        object.__setattr__(table, field, {**facts, **known}.get(field))
    return table


def scan(name: str, ids: dict[str, tuple[str, object]], **known) -> Scan:
    fields = tuple(
        Field(column, Term(exp.column(new), type_, nullable=True, origin=Origin(name, column)))
        for new, (column, type_) in ids.items()
    )
    return Scan(declared(name), fields, None, **known)


def hostile() -> Scan:
    return scan("hostile", {f"c_{c}": (c, t) for c, t in TYPES.items()})


def text_of(query: exp.Select) -> str:
    """Return a SELECT's text. INVARIANT of what an engine is given: it reads back as it was written."""
    text = query.sql("duckdb")
    assert sqlglot.parse_one(text, read="duckdb").sql("duckdb") == text
    return text


def rows(engine, plan, *names: str):
    query = exp.select(*names).from_(select(plan, names).subquery("q"))
    return engine.execute(text_of(query)).fetchall()
