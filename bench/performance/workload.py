"""W1 to W8 on TPC-H: what a buyer asks, and the bounded query that a careful person would write by hand for it.

A hand-written query aggregates per customer, clamps each part, keeps at most so many groups of a customer where it
could reach more, and adds up. It draws no noise and its clamps are round figures: it is there to be timed. All
answers of ours come from the same policy as everybody's (policies/tpch/tpch.yaml at its scale).
"""

from dataclasses import dataclass

from bench.accuracy import TPCH

_CENTS = "CAST(least(greatest(s, 0), 100000000) AS BIGINT)"
_REVENUE = "sum(l_extendedprice * (1 - l_discount))"
_GROUPS = 40


def _held(inner: str, keys: str, columns: str) -> str:
    """Return the sum over customers of what each has in at most _GROUPS groups."""
    picked = f"SELECT *, row_number() OVER (PARTITION BY u ORDER BY hash({keys})) AS place FROM ({inner})"
    return f"SELECT {keys}, {columns} FROM ({picked}) WHERE place <= {_GROUPS} GROUP BY {keys}"


HAND: dict[str, str | None] = {
    "W1": "SELECT c_mktsegment, sum(least(n, 1)) FROM"
    " (SELECT c_custkey AS u, c_mktsegment, count(*) AS n FROM customer GROUP BY 1, 2) GROUP BY c_mktsegment",
    "W2": f"SELECT o_orderpriority, sum({_CENTS}), sum(least(n, 20)) FROM"
    " (SELECT o_custkey AS u, o_orderpriority, sum(o_totalprice) * 100 AS s, count(*) AS n FROM orders GROUP BY 1, 2)"
    " GROUP BY o_orderpriority",
    "W3": f"SELECT l_returnflag, l_linestatus, sum({_CENTS}) FROM"
    f" (SELECT o_custkey AS u, l_returnflag, l_linestatus, {_REVENUE} * 100 AS s"
    " FROM lineitem JOIN orders ON l_orderkey = o_orderkey GROUP BY 1, 2, 3) GROUP BY l_returnflag, l_linestatus",
    "W4": _held("SELECT DISTINCT o_custkey AS u, date_trunc('month', o_orderdate) AS m FROM orders", "m", "count(*)"),
    "W5": "SELECT sum(least(n, 300)), sum(least(q, 10000)), sum(least(qq, 500000)) FROM"
    " (SELECT o_custkey AS u, count(*) AS n, sum(l_quantity) AS q, sum(l_quantity * l_quantity) AS qq"
    " FROM lineitem JOIN orders ON l_orderkey = o_orderkey GROUP BY 1)",
    "W6": None,
    "W7": _held(
        "SELECT c_custkey AS u, c_nationkey, o_orderdate, least(count(*), 2) AS n"
        " FROM orders JOIN customer ON o_custkey = c_custkey GROUP BY c_custkey, c_nationkey, o_orderdate",
        "c_nationkey, o_orderdate",
        "sum(n)",
    ),
    "W7m": _held(
        "SELECT c_custkey AS u, c_nationkey, date_trunc('month', o_orderdate) AS m, least(count(*), 5) AS n"
        " FROM orders JOIN customer ON o_custkey = c_custkey GROUP BY 1, 2, 3",
        "c_nationkey, m",
        "sum(n)",
    ),
    "W8": f"SELECT n_name, sum({_CENTS}) FROM"
    f" (SELECT c_custkey AS u, n_name, {_REVENUE} * 100 AS s FROM customer JOIN orders ON c_custkey = o_custkey"
    " JOIN lineitem ON l_orderkey = o_orderkey JOIN nation ON c_nationkey = n_nationkey GROUP BY 1, 2) GROUP BY n_name",
}
"""None: nobody writes a private median by hand."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One query: as it is asked, and as it would be written by hand."""

    name: str
    sql: str
    hand: str | None


WORKLOAD = tuple(Asked(one.name, one.sql, HAND[one.name]) for one in TPCH)

PEERS_MS: dict[str, tuple[str, ...]] = {
    "W1": ("1.3", "194", "461", "627", "1,008*", "159*"),
    "W2": ("59", "1,491", "4,815", "2,862", "3,144*", "739*"),
    "W3": ("238", "6,015 (joined by hand)", "23,114", "3,417 (joined by hand)", "3,060*", "1,561*"),
    "W4": ("225", "1,657 (a view)", "fails", "2,528", "2,118*", "1,606*"),
    "W5": ("135", "4,701 (joined by hand)", "fails", "3,083 (average alone)", "20,737*", "939*"),
    "W6": ("-", "fails", "fails", "1,143", "8,695*", "383*"),
    "W7": ("497", "23,313", "12,237", "3,413", "11,996*", "2,133*"),
    "W7m": ("370", "-", "-", "3,245", "3,991*", "3,675*"),
    "W8": ("124", "7,120 (joined by hand)", "16,729", "3,356 (joined by hand)", "3,660*", "927*"),
}
"""Milliseconds of other systems on 2 cores, measured 2026-11-23 (bench/peers.py); *: at a tenth of the size."""
