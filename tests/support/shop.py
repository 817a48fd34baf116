"""A small dataset of every shape that the rules speak of, and databases that fit it. Written by hand, no policy file."""

import random
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as D
from pathlib import Path

import duckdb
import pyarrow as pa

from gateway.catalog.model import (
    Budget,
    Column,
    Compliance,
    DataClass,
    Dataset,
    Grant,
    Hop,
    PricePlan,
    Privacy,
    Table,
    Use,
)
from gateway.catalog.types import BOOLEAN, DATE, DOUBLE, INTEGER, TEXT, decimal
from gateway.planning import Planned, plan
from gateway.ports import Source
from gateway.programs import PlanJob
from gateway.request import Caller, Request

G, F, A, J = Use.GROUP, Use.FILTER, Use.AGGREGATE, Use.JOIN
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CALLER = Caller("ana", "widget-analytics", frozenset({"buyer"}), "market-research", "CN")


def column(name, type_, use=(), *, nullable=False, data_class=DataClass.GENERAL, **known):
    return Column(name, type_, nullable, data_class, frozenset(use), **known)


def key(name):
    return column(name, INTEGER, data_class=DataClass.CORE)


CUSTOMERS = Table(
    "customers",
    public=False,
    rows=25_000,
    columns=(key("customer_id"), column("cohort", TEXT, (G, F, J), values=("1997-01", "1997-02", "1997-03"))),
    unique=(("customer_id",),),
    owner="customer_id",
)
PURCHASES = Table(
    "purchases",
    public=False,
    rows=70_000,
    columns=(
        key("customer_id"),
        column("purchased_on", DATE, (G, F, J), bounds=(date(1997, 1, 1), date(1998, 6, 30))),
        column("quantity", INTEGER, (G, F, A), bounds=(0, 50)),
        column("basket", TEXT, (G, F)),
        column(
            "amount",
            decimal(10, 2),
            (A,),
            data_class=DataClass.IMPORTANT,
            bounds=(D(0), D(500)),
            granularity=D("0.01"),
            per_unit_sum=(D(0), D(500)),
        ),
        column("score", DOUBLE, (A, F), nullable=True, bounds=(D(0), D(1))),
        column("gift", BOOLEAN, (G, F), nullable=True),
        column("weight", DOUBLE, (G, F, A), nullable=True),
        column("secret", TEXT),
    ),
    owner="customer_id",
    per_unit_rows=5,
    per_unit_groups=6,
)
CALENDAR = Table(
    "calendar",
    public=True,
    rows=546,
    columns=(
        column("day", DATE, (G, F, A, J)),
        column(
            "quarter",
            TEXT,
            (G, F, A, J),
            public_values=("1997-Q1", "1997-Q2", "1997-Q3", "1997-Q4", "1998-Q1", "1998-Q2"),
        ),
        column("weekday", INTEGER, (G, F, A, J), public_values=(1, 2, 3, 4, 5, 6, 7)),
    ),
    unique=(("day",),),
)
COHORTS = Table(
    "cohorts",
    public=True,
    rows=3,
    columns=(
        column("cohort", TEXT, (G, F, A, J), public_values=("1997-01", "1997-02", "1997-03")),
        column("label", TEXT, (G, F, A, J), public_values=("first", "second", "third")),
    ),
    unique=(("cohort",),),
)
ORDERS = Table(
    "orders",
    public=False,
    rows=50_000,
    columns=(key("order_id"), key("customer_id"), column("status", TEXT, (G, F), values=("open", "paid"))),
    unique=(("order_id",),),
    owner="customer_id",
    per_unit_rows=3,
    per_unit_groups=2,
)
LINES = Table(
    "lines",
    public=False,
    rows=100_000,
    columns=(
        key("order_id"),
        column("price", decimal(12, 2), (A, F), bounds=(D(0), D(1000))),
        column("discount", DOUBLE, (A,), bounds=(D(0), D("0.1")), granularity=D("0.01")),
        column("flag", BOOLEAN, (G, F), nullable=True),
    ),
    hop=Hop("order_id", "orders", "order_id"),
    per_unit_rows=10,
    per_unit_groups=3,
)
PLAN = PricePlan(
    "standard",
    "sha256:plan",
    "CNY",
    D("0.50"),
    D(20),
    D("0.10"),
    ((DataClass.GENERAL, D(1)), (DataClass.IMPORTANT, D(2))),
    (("acme", D("0.85")), ("exchange", D("0.15"))),
)
GRANT = Grant(
    "grant-1",
    "widget-analytics",
    None,
    "authorised",
    frozenset({"market-research"}),
    frozenset({"CN", "SG"}),
    date(2026, 1, 1),
    date(2026, 12, 31),
    10_000,
    None,
    None,
    "standard",
)
SHOP = Dataset(
    name="shop",
    title="A shop",
    provider="acme",
    source=Source("duckdb", "shop.duckdb"),
    compliance=Compliance("reviewer@exchange.example", date(2027, 12, 31)),
    privacy=Privacy(
        unit_table="customers",
        unit_key="customer_id",
        account="acme/customers.customer_id",
        budget=Budget(D(10), D("1e-6")),
        per_organisation=Budget(D(5), D("1e-6")),
        per_buyer=Budget(D(3), D("1e-6")),
        default_epsilon=D("0.2"),
        max_epsilon=D("0.4"),
        min_units=10,
        max_cells=10_000,
    ),
    tables=(CUSTOMERS, PURCHASES, CALENDAR, COHORTS, ORDERS, LINES),
    grants=(GRANT,),
    prices=(PLAN,),
    policy_version="sha256:policy",
    data_version="2026-11-24.1",
    stamp="1:2:3",
)


def unlimited(min_units: int = 1, groups: int | None = None, rows: int | None = None) -> Dataset:
    """The shop with a huge budget: noise all but vanishes; bounds may be widened so that nothing is cut."""
    tables = tuple(
        t
        if t.public
        else replace(t, per_unit_groups=groups or t.per_unit_groups, per_unit_rows=rows or t.per_unit_rows)
        for t in SHOP.tables
    )
    huge = replace(
        SHOP.privacy,
        budget=Budget(D(10) ** 9, D("1e-6")),
        per_organisation=None,
        per_buyer=None,
        default_epsilon=D(10)
        ** 8,  # at ten times the noise, a sum without rows that falls back to its widest bound shows
        max_epsilon=D(10) ** 9,
        min_units=min_units,
    )
    return replace(SHOP, privacy=huge, tables=tables)


def planned(sql: str, dialect: str = "duckdb", dataset: Dataset = SHOP, epsilon: D | None = None) -> Planned:
    return plan(PlanJob(dataset, CALLER, Request(sql, epsilon=epsilon, dialect=dialect), NOW, dataset.grants[0]))


_DDL = """
CREATE TABLE customers(customer_id INTEGER PRIMARY KEY, cohort VARCHAR);
CREATE TABLE purchases(customer_id INTEGER, purchased_on DATE, quantity INTEGER, basket VARCHAR, amount DECIMAL(10,2),
    score DOUBLE, gift BOOLEAN, weight DOUBLE, secret VARCHAR);
CREATE TABLE calendar(day DATE PRIMARY KEY, quarter VARCHAR, weekday INTEGER);
CREATE TABLE orders(order_id INTEGER PRIMARY KEY, customer_id INTEGER, status VARCHAR);
CREATE TABLE lines(order_id INTEGER, price DECIMAL(12,2), discount DOUBLE, flag BOOLEAN);
CREATE TABLE cohorts(cohort VARCHAR PRIMARY KEY, label VARCHAR);
INSERT INTO cohorts VALUES ('1997-01', 'first'), ('1997-02', 'second'), ('1997-03', 'third');
INSERT INTO calendar SELECT CAST(d AS DATE), year(d) || '-Q' || quarter(d), isodow(d)
    FROM range(TIMESTAMP '1997-01-01', TIMESTAMP '1998-07-01', INTERVAL 1 DAY) t(d);
"""


def empty_database(path: str | Path = ":memory:") -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path))
    for statement in _DDL.split(";"):
        if statement.strip():
            connection.execute(statement)
    return connection


def fill(connection: duckdb.DuckDBPyConnection, seed: int, units: int, *, rows: int = 5) -> None:
    """Rows within the declared bounds, at most `rows` purchases and one order of three lines a unit."""
    draw = random.Random(seed)
    customers, purchases, orders, lines = [], [], [], []
    for unit in range(1, units + 1):
        customers.append((unit, draw.choice(("1997-01", "1997-02", "1997-03"))))
        for _ in range(draw.randint(0, rows)):
            day = date.fromordinal(date(1997, 1, 1).toordinal() + draw.randint(0, 545))
            purchases.append(
                (
                    unit,
                    day,
                    draw.randint(0, 9),
                    draw.choice(("3", "4.5", "small", "large")),
                    D(draw.randint(0, 9000)) / 100,
                    draw.choice((None, draw.randint(0, 1000) / 1000)),
                    draw.choice((None, True, False)),
                    draw.choice((None, draw.random() * 9, -1.5)),
                    "x",
                )
            )
        orders.append((unit * 10, unit, draw.choice(("open", "paid"))))
        lines += [
            (unit * 10, D(draw.randint(0, 99999)) / 100, draw.randint(0, 10) / 100, draw.choice((None, True, False)))
            for _ in range(3)
        ]
    for table, values in (("customers", customers), ("purchases", purchases), ("orders", orders), ("lines", lines)):
        insert(connection, table, values)


MANY = 20
"""Rows from which on they are inserted as Arrow: what that takes to begin is saved by then."""


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[tuple]) -> None:
    """Insert rows: many as Arrow, where each column has values of one kind; else in statements with many placeholders."""
    if len(rows) >= MANY:
        with suppress(pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            columns = [pa.array(values) for values in zip(*rows, strict=True)]
            connection.register("arriving", pa.table(columns, names=[f"c{i}" for i in range(len(columns))]))
            connection.execute(f"INSERT INTO {table} SELECT * FROM arriving")
            connection.unregister("arriving")
            return
    for start in range(0, len(rows), 200):
        part = rows[start : start + 200]
        marks = ", ".join(f"({', '.join('?' * len(row))})" for row in part)
        connection.execute(f"INSERT INTO {table} VALUES {marks}", [value for row in part for value in row])
