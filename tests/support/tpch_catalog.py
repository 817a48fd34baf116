"""The tables of TPC-H as a dataset written by hand from its specification: for resolving, not for privacy."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

from gateway.catalog.model import Hop, Table, Use
from gateway.catalog.types import DATE, INTEGER, TEXT, decimal
from support.shop import SHOP, column, key

ALL = (Use.GROUP, Use.FILTER, Use.AGGREGATE, Use.JOIN)
MONEY = decimal(15, 2)
DAYS = (date(1992, 1, 1), date(1998, 12, 31))


def _text(name, **known):
    return column(name, TEXT, ALL, **known)


def _money(name, low, high):
    return column(name, MONEY, ALL, bounds=(D(low), D(high)), granularity=D("0.01"))


def _day(name):
    return column(name, DATE, ALL, bounds=DAYS)


def _number(name):
    return column(name, INTEGER, ALL)


NATIONS = (
    "ALGERIA", "ARGENTINA", "BRAZIL", "CANADA", "CHINA", "EGYPT", "ETHIOPIA", "FRANCE", "GERMANY", "INDIA", "INDONESIA",
    "IRAN", "IRAQ", "JAPAN", "JORDAN", "KENYA", "MOROCCO", "MOZAMBIQUE", "PERU", "ROMANIA", "RUSSIA", "SAUDI ARABIA",
    "UNITED KINGDOM", "UNITED STATES", "VIETNAM",
)  # fmt: skip

TPCH = replace(
    SHOP,
    name="tpch",
    tables=(
        Table("region", True, 5, (_number("r_regionkey"), _text("r_name", public_values=("AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"))), unique=(("r_regionkey",),)),
        Table("nation", True, 25, (_number("n_nationkey"), _text("n_name", public_values=NATIONS), _number("n_regionkey")), unique=(("n_nationkey",),)),
        Table("supplier", True, 1_000, (_number("s_suppkey"), _text("s_name"), _text("s_address"), _number("s_nationkey"), _text("s_phone"), _money("s_acctbal", "-999.99", "9999.99"), _text("s_comment")), unique=(("s_suppkey",),)),
        Table("part", True, 20_000, (_number("p_partkey"), _text("p_name"), _text("p_mfgr"), _text("p_brand"), _text("p_type"), _number("p_size"), _text("p_container"), _money("p_retailprice", "900", "2100")), unique=(("p_partkey",),)),
        Table("partsupp", True, 80_000, (_number("ps_partkey"), _number("ps_suppkey"), column("ps_availqty", INTEGER, ALL, bounds=(1, 9999)), _money("ps_supplycost", "1", "1000")), unique=(("ps_partkey", "ps_suppkey"),)),
        Table("customer", False, 15_000, (key("c_custkey"), _text("c_name"), _text("c_address"), _number("c_nationkey"), _text("c_phone"), _money("c_acctbal", "-999.99", "9999.99"), _text("c_mktsegment"), _text("c_comment")), unique=(("c_custkey",),), owner="c_custkey"),
        Table("orders", False, 150_000, (key("o_orderkey"), key("o_custkey"), _text("o_orderstatus", values=("F", "O", "P")), _money("o_totalprice", "850", "600000"), _day("o_orderdate"), _text("o_orderpriority", values=("1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW")), _number("o_shippriority"), _text("o_comment")), unique=(("o_orderkey",),), owner="o_custkey", per_unit_rows=40, per_unit_groups=40),
        Table("lineitem", False, 600_000, (key("l_orderkey"), _number("l_partkey"), _number("l_suppkey"), _number("l_linenumber"), _money("l_quantity", "1", "50"), _money("l_extendedprice", "900", "105000"), _money("l_discount", "0", "0.10"), _money("l_tax", "0", "0.08"), _text("l_returnflag", values=("A", "N", "R")), _text("l_linestatus", values=("F", "O")), _day("l_shipdate"), _day("l_commitdate"), _day("l_receiptdate"), _text("l_shipinstruct"), _text("l_shipmode")), hop=Hop("l_orderkey", "orders", "o_orderkey"), per_unit_rows=200, per_unit_groups=100),
    ),
)  # fmt: skip
