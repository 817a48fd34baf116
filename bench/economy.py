"""`python -m bench economy`: how many questions one budget answers at equal error, by each thing that saves.

Nothing is executed: what is charged is known from policy and SQL. Every row of a table answers the same questions with
the same noise in every cell, or less in some; rows differ in what they pay for it.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sqlglot import exp

from bench.accuracy import cdnow
from gateway.catalog.model import Accounting, Dataset
from gateway.ledger.model import Held
from gateway.planning import plan
from gateway.privacy import accounting
from gateway.privacy.bounding import Bounded, bound
from gateway.privacy.measurement import Measurement, Primitive, Program
from gateway.privacy.ownership import analyse
from gateway.privacy.relations import Measure
from gateway.privacy.reuse import reuse
from gateway.programs import PlanJob
from gateway.request import Caller, Request
from gateway.sql.parse import parse
from gateway.sql.select import resolve
from tests.support import tpch

PAGE = Path(__file__).resolve().parent.parent / "docs" / "economy.md"
BEGIN, END = "<!-- figures: python -m bench economy --write -->", "<!-- end of figures -->"
CALLER = Caller("ana", "widget-analytics", frozenset({"buyer"}), "market-research", "CN")
GLANCE, LOOK = "0.2", "0.4"
"""What a tile of a dashboard asks with, and what a report does that is made of the same figures."""

LINES = "lineitem JOIN orders ON l_orderkey = o_orderkey"
REVENUE = "sum(l_extendedprice * (1 - l_discount))"

TPCH = (
    (GLANCE, "SELECT count(*) AS n FROM orders"),
    (GLANCE, "SELECT count(*) AS n, sum(o_totalprice) AS s, avg(o_totalprice) AS a FROM orders"),
    (GLANCE, "SELECT o_orderpriority, count(*) AS n FROM orders GROUP BY 1"),
    (
        GLANCE,
        "SELECT o_orderpriority, count(*) AS n, sum(o_totalprice) AS s, avg(o_totalprice) AS a FROM orders GROUP BY 1",
    ),
    (GLANCE, "SELECT o_orderstatus, count(*) AS n, sum(o_totalprice) AS s FROM orders GROUP BY 1"),
    (GLANCE, "SELECT date_trunc('month', o_orderdate) AS m, count(*) AS n FROM orders GROUP BY 1"),
    (
        GLANCE,
        "SELECT date_trunc('month', o_orderdate) AS m, count(*) AS n, sum(o_totalprice) AS s FROM orders GROUP BY 1",
    ),
    (GLANCE, "SELECT date_trunc('month', o_orderdate) AS m, count(DISTINCT o_custkey) AS n FROM orders GROUP BY 1"),
    (
        GLANCE,
        (
            "SELECT o_orderpriority, o_orderstatus, count(*) AS n FROM orders "
            "GROUP BY GROUPING SETS ((o_orderpriority, o_orderstatus), (o_orderpriority), ())"
        ),
    ),
    (GLANCE, "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY o_totalprice) AS m FROM orders"),
    (
        GLANCE,
        (
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY o_totalprice) AS m, "
            "percentile_cont(0.9) WITHIN GROUP (ORDER BY o_totalprice) AS p, min(o_totalprice) AS least FROM orders"
        ),
    ),
    (GLANCE, "SELECT c_mktsegment, count(*) AS n FROM customer GROUP BY 1"),
    (GLANCE, "SELECT c_mktsegment, count(*) AS n, avg(c_acctbal) AS a FROM customer GROUP BY 1"),
    (GLANCE, "SELECT c_mktsegment, avg(c_acctbal) AS a, stddev_samp(c_acctbal) AS d FROM customer GROUP BY 1"),
    (GLANCE, f"SELECT l_returnflag, l_linestatus, count(*) AS n FROM {LINES} GROUP BY 1, 2"),
    (
        GLANCE,
        (
            "SELECT l_returnflag, l_linestatus, sum(l_quantity) AS q, sum(l_extendedprice) AS p, avg(l_quantity) AS a, "
            f"avg(l_extendedprice) AS b, avg(l_discount) AS d, count(*) AS n FROM {LINES} GROUP BY 1, 2"
        ),
    ),
    (GLANCE, f"SELECT l_returnflag, l_linestatus, {REVENUE} AS rev FROM {LINES} GROUP BY 1, 2"),
    (LOOK, "SELECT o_orderpriority, count(*) AS n, sum(o_totalprice) AS s FROM orders GROUP BY 1"),
    (LOOK, "SELECT c_mktsegment, count(*) AS n FROM customer GROUP BY 1"),
    (LOOK, "SELECT date_trunc('month', o_orderdate) AS m, count(DISTINCT o_custkey) AS n FROM orders GROUP BY 1"),
)
"""A shop's dashboards: tiles over orders, customers and lines, and a report that looks closer at three of them."""

COHORTS = "purchases p JOIN customers c ON c.customer_id = p.customer_id"

CDNOW = (
    (GLANCE, "SELECT count(*) AS n FROM purchases"),
    (GLANCE, "SELECT count(*) AS n, sum(amount) AS s, avg(amount) AS a FROM purchases"),
    (GLANCE, "SELECT count(*) AS n, sum(amount) AS s, sum(quantity) AS q FROM purchases"),
    (GLANCE, "SELECT date_trunc('month', purchased_on) AS m, count(*) AS n FROM purchases GROUP BY 1"),
    (
        GLANCE,
        "SELECT date_trunc('month', purchased_on) AS m, count(*) AS n, sum(amount) AS s FROM purchases GROUP BY 1",
    ),
    (GLANCE, "SELECT date_trunc('month', purchased_on) AS m, avg(amount) AS a FROM purchases GROUP BY 1"),
    (
        GLANCE,
        "SELECT date_trunc('month', purchased_on) AS m, count(DISTINCT customer_id) AS n FROM purchases GROUP BY 1",
    ),
    (
        GLANCE,
        "SELECT date_trunc('quarter', purchased_on) AS q, count(*) AS n, sum(amount) AS s FROM purchases GROUP BY 1",
    ),
    (GLANCE, "SELECT cohort, count(*) AS n FROM customers GROUP BY 1"),
    (GLANCE, f"SELECT c.cohort, count(*) AS n FROM {COHORTS} GROUP BY 1"),
    (GLANCE, f"SELECT c.cohort, count(*) AS n, sum(p.amount) AS s, avg(p.amount) AS a FROM {COHORTS} GROUP BY 1"),
    (GLANCE, f"SELECT c.cohort, count(DISTINCT p.customer_id) AS n, sum(p.quantity) AS q FROM {COHORTS} GROUP BY 1"),
    (GLANCE, "SELECT quantity, count(*) AS n FROM purchases GROUP BY 1"),
    (GLANCE, "SELECT basket, count(*) AS n FROM purchases GROUP BY 1"),
    (
        GLANCE,
        "SELECT basket, count(*) AS n, sum(amount) AS s, count(DISTINCT customer_id) AS u FROM purchases GROUP BY 1",
    ),
    (GLANCE, "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS m, max(amount) AS x FROM purchases"),
    (GLANCE, f"SELECT c.cohort, avg(p.amount) AS a, stddev_samp(p.amount) AS d FROM {COHORTS} GROUP BY 1"),
    (LOOK, "SELECT count(*) AS n, sum(amount) AS s FROM purchases"),
    (LOOK, "SELECT date_trunc('month', purchased_on) AS m, count(*) AS n FROM purchases GROUP BY 1"),
    (LOOK, f"SELECT c.cohort, sum(p.amount) AS s FROM {COHORTS} GROUP BY 1"),
)
"""The same of the demo's purchases, where small cells are hidden and one key is private."""

RELOADS = 5
"""How often a tile is loaded before the data is refreshed."""

NAIVE = "each aggregate drawn by itself, equal shares"
SIZED = "+ shares by declared sizes"
SHARED = "+ primitives shared within a question"
STORED = "+ earlier releases"
ROWS = (NAIVE, SIZED, SHARED, STORED)


@dataclass(slots=True)
class Spent:
    """Ledger units of one pass through all questions."""

    rho: int = 0
    delta: int = 0

    def add(self, rho: int, delta: int) -> None:
        self.rho += rho
        self.delta += delta


def draws_of(bounded: Bounded, measurement: Measurement) -> list[tuple[Primitive, int]]:
    """Return (primitive, delta) of every draw where each aggregate makes its own.

    Its threshold, or the count that hides its small cells, among them.
    """
    by_name = {primitive.name: primitive for primitive in measurement.primitives}
    chosen = measurement.selection.primitive if measurement.selection is not None else measurement.suppress_by
    found: list[tuple[Primitive, int]] = []
    for output in bounded.outputs:
        read = {column.name.partition("_")[0] for column in output.expression.find_all(exp.Column)}
        read |= {chosen} if chosen is not None else set()
        found += [(by_name[name], measurement.delta if name == chosen else 0) for name in sorted(read)]
    return found


def passed(questions: Iterable[tuple[str, str]], dataset: Dataset) -> dict[str, Spent]:
    """Return what one pass through the questions costs, by row."""
    spent = {row: Spent() for row in ROWS}
    stored: dict[str, bytes] = {}
    held: dict[str, Held] = {}
    for epsilon, sql in questions:
        request = Request(sql=sql, epsilon=Decimal(epsilon))
        program = plan(PlanJob(dataset, CALLER, request, tpch.NOW, dataset.grants[0])).program
        apart = _apart(sql, dataset, program)
        # the worst relative error is the same where each of them has as much as the one that needs most
        spent[NAIVE].add(len(apart) * max(p.charge for p, _ in apart), sum(delta for _, delta in apart))
        spent[SIZED].add(sum(p.charge for p, _ in apart), sum(delta for _, delta in apart))
        spent[SHARED].add(*_due(program, {}))
        reused = reuse(program, stored, held)
        spent[STORED].add(*_due(reused.program, {**stored, **reused.served}))
        _keep(reused.program, reused.served, stored, held)
    return spent


def _apart(sql: str, dataset: Dataset, program: Program) -> list[tuple[Primitive, int]]:
    steps = analyse(resolve(parse(sql, "duckdb"), dataset), dataset).steps
    bounded = {step.name: bound(step, dataset) for step in steps if isinstance(step, Measure)}
    return [draw for one in program.measurements for draw in draws_of(bounded[one.name], one)]


def _due(program: Program, stored: Mapping[str, bytes]) -> tuple[int, int]:
    """Return (rho, delta) of what is not stored, each draw once."""
    due = {p.digest: p for m in program.measurements for p in m.primitives if p.digest not in stored}
    deltas = sum(
        m.delta for m in program.measurements if any(p.digest in due for p in m.primitives) and m.selection is not None
    )
    return sum(primitive.charge for primitive in due.values()), deltas


def _keep(program: Program, served: Mapping[str, bytes], stored: dict[str, bytes], held: dict[str, Held]) -> None:
    """Keep what a question released: a search is taken to have found the bound that is expected."""
    stored |= served
    for primitive in (p for m in program.measurements for p in m.primitives if p.digest not in stored):
        bound_found = primitive.earlier.bound if primitive.earlier is not None else len(primitive.candidates) // 2
        content = json.dumps({"columns": [{"bound": bound_found}]}).encode()
        stored[primitive.digest] = content
        if primitive.series and (primitive.series not in held or held[primitive.series].worth < primitive.worth):
            held[primitive.series] = Held(primitive.digest, primitive.worth, content)


def markdown(name: str, questions: tuple[tuple[str, str], ...], dataset: Dataset) -> str:
    """Return the table of one list of questions."""
    spent = passed(questions, dataset)
    budget = dataset.privacy.budget
    rho, delta = accounting.limits(budget.epsilon, budget.delta, dataset.privacy.accounting)
    lines = [
        f"**{name}**: {len(questions)} questions; the budget is epsilon {budget.epsilon:f}, delta {budget.delta}.",
        "",
        f"| | rho of one pass | questions in one budget | each asked {RELOADS} times |",
        "|---|---|---|---|",
    ]
    first: dict[int, float] = {}
    for row in ROWS:
        one = spent[row]
        cells = []
        for times in (1, RELOADS):
            paid = 1 if row == STORED else times  # a repeat is stored whole
            passes = min(rho / (one.rho * paid), delta / (one.delta * paid) if one.delta else math.inf)
            answered = passes * times * len(questions)
            cells.append(f"{answered:,.0f} ({answered / first.setdefault(times, answered):.1f} x)")
        lines.append(f"| {row} | {one.rho * 1e-12:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Print the tables; with --write, put them into docs/economy.md too."""
    parser = argparse.ArgumentParser("python -m bench economy", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/economy.md")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        _, purchases = cdnow(Path(folder), Accounting.ZCDP)
        parts = [
            markdown("TPC-H, scale factor 0.1", TPCH, tpch.dataset("0.1")),
            markdown("CDNOW purchases", CDNOW, purchases),
        ]
    tables = "\n\n".join(parts)
    print(tables)
    if asked.write:
        text = PAGE.read_text()
        PAGE.write_text(f"{text.split(BEGIN)[0]}{BEGIN}\n\n{tables}\n\n{END}{text.split(END)[1]}")
