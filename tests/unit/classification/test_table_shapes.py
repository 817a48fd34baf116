"""How tables hang together: keys, links, and whom to protect. Declared first, then values, then names."""

from dataclasses import replace

import pytest

from gateway.catalog.inspection import EngineColumn, EngineTable
from gateway.classification.model import ColumnLook, Facts, Looks, TableLook
from gateway.classification.shapes import DECLARED, NAMES, VALUES, shape
from gateway.errors import GatewayError


def table(name, columns, unique=(), references=()):
    """Columns are written `name` for a whole number, `name:TYPE` for others."""
    made = []
    for one in columns.split():
        column, _, type_ = one.partition(":")
        made.append(EngineColumn(column, type_ or "INTEGER", nullable=True))
    return EngineTable(name, "table", tuple(made), unique, references)


CUSTOMERS = table("customers", "customer_id city:VARCHAR")
ORDERS = table("orders", "order_id customer_id amount:DOUBLE")
LINES = table("order_lines", "order_id product_id quantity")
PRODUCTS = table("products", "id title:VARCHAR")
TPCH = (
    table("customer", "c_custkey c_name:VARCHAR c_nationkey"),
    table("orders", "o_orderkey o_custkey o_total:DOUBLE"),
    table("lineitem", "l_orderkey l_partkey l_suppkey l_linenumber"),
    table("part", "p_partkey p_name:VARCHAR p_size"),
    table("supplier", "s_suppkey s_name:VARCHAR s_nationkey"),
    table("nation", "n_nationkey n_name:VARCHAR n_regionkey"),
    table("region", "r_regionkey r_name:VARCHAR r_comment:VARCHAR"),
    table("partsupp", "ps_partkey ps_suppkey ps_cost:DOUBLE"),
)


def shaped(*tables, facts=None, looks=None, unit=None):
    return shape(tables, facts or Facts(), looks or Looks(), unit)


def steps(found):
    return {name: (step.column, f"{step.target}.{step.key}") for name, step in found.steps.items()}


def test_names_alone_lead_to_the_people():
    found = shaped(CUSTOMERS, ORDERS, LINES, PRODUCTS)
    assert found.unit == ("customers", "customer_id")
    assert steps(found) == {
        "orders": ("customer_id", "customers.customer_id"),
        "order_lines": ("order_id", "orders.order_id"),
    }
    assert ("order_lines", "product_id", "products", "id") in {
        (k.table, k.column, k.target, k.key) for k in found.links
    }
    assert {key.how for key in found.keys.values()} == {NAMES}


def test_prefixes_of_columns_are_left_aside():
    found = shaped(*TPCH)
    assert found.unit == ("customer", "c_custkey")
    assert steps(found) == {
        "orders": ("o_custkey", "customer.c_custkey"),
        "lineitem": ("l_orderkey", "orders.o_orderkey"),
    }
    assert {name: key.column for name, key in found.keys.items()} == {
        "customer": "c_custkey", "orders": "o_orderkey", "part": "p_partkey", "supplier": "s_suppkey",
        "nation": "n_nationkey", "region": "r_regionkey",
    }  # fmt: skip


def test_chinese_names():
    found = shaped(table("客户", "客户编号 城市:VARCHAR"), table("订单", "订单编号 客户编号 金额:DOUBLE"))
    assert found.unit == ("客户", "客户编号")
    assert steps(found) == {"订单": ("客户编号", "客户.客户编号")}


def test_a_chinese_key_is_of_the_table_that_ends_with_its_word():
    found = shaped(table("客户基本信息表", "客户编号 城市:VARCHAR"), table("客户订单", "客户编号 订单编号 金额:DOUBLE"))
    assert found.keys["客户订单"].column == "订单编号"
    assert steps(found) == {"客户订单": ("客户编号", "客户基本信息表.客户编号")}


def test_what_is_declared_goes_before_names():
    orders = table("orders", "order_id buyer customer_id", references=((("buyer",), "customers"),))
    customers = replace(CUSTOMERS, unique=(("customer_id",),))
    found = shaped(customers, orders)
    assert steps(found) == {"orders": ("buyer", "customers.customer_id")}
    assert found.keys["customers"].how == DECLARED


def test_what_somebody_wrote_down_counts_as_declared():
    facts = Facts(unique=frozenset({("people_2024", ("pid",))}), references={("visits", "who"): ("people_2024", "pid")})
    found = shaped(table("people_2024", "pid age"), table("visits", "who day:DATE"), facts=facts)
    assert steps(found) == {"visits": ("who", "people_2024.pid")}


def test_columns_of_two_types_do_not_lead_to_each_other():
    found = shaped(CUSTOMERS, table("orders", "order_id customer_id:VARCHAR"))
    assert found.steps == {}


def looks(**tables):
    """Values of tables: rows, and how many different ones each column has."""
    return Looks({
        name: TableLook(rows, {column: ColumnLook(0, distinct) for column, distinct in columns.items()})
        for name, (rows, columns) in tables.items()
    })  # fmt: skip


def test_values_tell_keys_that_names_do_not():
    planes = table("planes", "tailnum:VARCHAR seats")
    flights = table("flights", "tailnum:VARCHAR day")
    found = shaped(
        planes, flights, looks=looks(planes=(10, {"tailnum": 10, "seats": 10}), flights=(50, {"tailnum": 9}))
    )
    assert found.unit == ("planes", "tailnum")
    assert found.keys["planes"].how == VALUES
    assert steps(found) == {"flights": ("tailnum", "planes.tailnum")}


def test_values_unmake_a_key_that_names_make():
    found = shaped(CUSTOMERS, looks=looks(customers=(10, {"customer_id": 9, "city": 10})))
    assert found.keys["customers"].how == NAMES
    assert found.unit == ("customers", "customer_id")
    assert "called like a person's key" in found.why


def test_a_table_without_its_people_is_of_those_that_its_key_names():
    found = shaped(table("visits", "visit_id user_id day:DATE"))
    assert found.unit == ("visits", "user_id")


def test_people_go_before_what_belongs_to_them():
    found = shaped(table("vehicles", "vehicle_id driver_id"), table("drivers", "driver_id age"))
    assert found.unit == ("drivers", "driver_id")
    assert steps(found) == {"vehicles": ("driver_id", "drivers.driver_id")}


def test_the_unit_is_said():
    assert shaped(CUSTOMERS, ORDERS, unit="Orders.ORDER_ID").unit == ("orders", "order_id")
    for unit in ("orders.nothing", "nothing.order_id", "orders"):
        with pytest.raises(GatewayError) as caught:
            shaped(CUSTOMERS, ORDERS, unit=unit)
        assert caught.value.code == "settings_invalid"
        assert "TABLE.KEY" in caught.value.hint


def test_nothing_tells_whom_to_protect():
    with pytest.raises(GatewayError) as caught:
        shaped(table("readings", "a:DOUBLE b:DOUBLE"))
    assert "--unit" in caught.value.hint


def test_tables_that_lead_in_a_circle_end():
    a = table("users", "user_id order_id")
    b = table("orders", "order_id user_id")
    assert steps(shaped(a, b)) == {"orders": ("user_id", "users.user_id")}
