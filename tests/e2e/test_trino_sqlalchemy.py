"""SQLAlchemy with Trino's dialect, and pandas, at a real gateway."""

from decimal import Decimal

import pandas as pd
import pytest
import sqlalchemy as sa
from support.trino_clients import engine


@pytest.fixture(scope="module")
def db(gateway):
    made = engine(gateway)
    yield made
    made.dispose()


def test_the_inspector_sees_what_the_policy_shows(db):
    inspector = sa.inspect(db)
    assert inspector.get_schema_names() == ["shop", "information_schema"]
    assert sorted(inspector.get_table_names("shop")) == ["calendar", "customers", "purchases"]
    assert inspector.get_view_names("shop") == []
    columns = {column["name"]: column for column in inspector.get_columns("purchases", "shop")}
    assert isinstance(columns["purchased_on"]["type"], sa.DATE)
    assert (columns["amount"]["type"].precision, columns["amount"]["type"].scale) == (10, 2)
    assert columns["quantity"]["comment"] == "use: aggregate, filter, group; bounds: 0 to 50"
    assert inspector.get_pk_constraint("purchases", "shop")["constrained_columns"] == []
    assert inspector.get_foreign_keys("purchases", "shop") == []
    assert inspector.get_indexes("purchases", "shop") == []
    assert inspector.get_table_comment("calendar", "shop") == {"text": "public"}
    assert inspector.has_table("purchases")
    assert not inspector.has_table("nope")
    with pytest.raises(sa.exc.NoSuchTableError):
        inspector.get_columns("nope", "shop")


def test_a_reflected_table_is_asked(db):
    purchases = sa.Table("purchases", sa.MetaData(), autoload_with=db, schema="shop")
    asked = (
        sa.select(purchases.c.quantity, sa.func.count().label("n"), sa.func.sum(purchases.c.amount).label("spent"))
        .where(purchases.c.quantity.between(1, 4))
        .group_by(purchases.c.quantity)
        .order_by(purchases.c.quantity)
    )
    with db.connect() as connection:
        rows = connection.execute(asked).all()
    asked_for = [row.quantity for row in rows]
    assert asked_for == sorted(asked_for)
    assert {1, 2, 3, 4} >= set(asked_for), "a cell of few people may be hidden"
    assert all(isinstance(row.n, int) and isinstance(row.spent, Decimal) for row in rows)


def test_a_join_of_reflected_tables_is_asked(db):
    metadata = sa.MetaData()
    purchases = sa.Table("purchases", metadata, autoload_with=db, schema="shop")
    customers = sa.Table("customers", metadata, autoload_with=db, schema="shop")
    joined = purchases.join(customers, purchases.c.customer_id == customers.c.customer_id)
    asked = sa.select(customers.c.cohort, sa.func.count().label("n")).select_from(joined).group_by(customers.c.cohort)
    with db.connect() as connection:
        assert len(connection.execute(asked).all()) == 3


def test_pandas_reads_a_frame(db):
    sql = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort ORDER BY cohort"
    frame = pd.read_sql(sql, db)
    assert list(frame.columns) == ["cohort", "n"]
    assert frame["n"].dtype.kind == "i"
    assert list(frame["cohort"]) == ["1997-01", "1997-02", "1997-03"]
    some = pd.read_sql(sa.text("SELECT COUNT(*) AS n FROM purchases WHERE quantity < :most"), db, params={"most": 4})
    assert len(some) == 1
