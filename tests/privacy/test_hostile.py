"""Hostile statements, in named categories: each is refused by a stable code with a hint, and no engine is asked."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support.queries import ANSWERED
from support.shop import CALLER, SHOP
from support.unasked import refusal

from gateway import pipeline
from gateway.errors import CODES, GatewayError
from gateway.planning import plan
from gateway.request import Request

CORPUS = YAML(typ="safe").load((Path(__file__).parent / "hostile" / "statements.yaml").read_text(encoding="utf-8"))
STATEMENTS = [
    (category, sql.replace("NINES5000", "9" * 5_000).replace("NINES400", "9" * 400))
    for category, entry in CORPUS.items()
    for sql in entry["sql"]
]
GENERATED = {
    "nested parentheses": ("SELECT " + "(" * 200 + "1" + ")" * 200 + " FROM purchases", "sql_too_deep"),
    "lateral aliases": ("SELECT quantity AS a0, " + ", ".join(f"a{i}+a{i} AS a{i + 1}" for i in range(20)) + " FROM purchases", "lateral_alias"),
    "a long IN": ("SELECT COUNT(*) FROM purchases WHERE quantity IN (" + ",".join(map(str, range(100_000))) + ")", "sql_too_long"),
    "an IN of 1,001": ("SELECT COUNT(*) FROM purchases WHERE quantity IN (" + ",".join(["1"] * 1_001) + ")", "sql_too_long"),
    "ten thousand ANDs": ("SELECT COUNT(*) FROM purchases WHERE " + " AND ".join(["gift"] * 10_000), "sql_too_long"),
    "many words": ("SELECT " + "+".join(["1"] * 2_600) + " FROM purchases", "sql_too_long"),
    "70 KiB": ("SELECT COUNT(*) FROM purchases WHERE basket = '" + "x" * 70_000 + "'", "sql_too_long"),
    "NOT NOT NOT": ("SELECT COUNT(*) FROM purchases WHERE " + "NOT " * 400 + "gift", "sql_too_deep"),
    "minus minus": ("SELECT COUNT(*) FROM purchases WHERE quantity = " + "- " * 400 + "1", "sql_too_deep"),
    "a chain of plus": ("SELECT COUNT(*) FROM purchases WHERE quantity = 1" + " + 1" * 300, "sql_too_deep"),
    "a chain of casts": ("SELECT COUNT(*) FROM purchases WHERE quantity" + "::INT" * 300 + " = 1", "sql_too_deep"),
    "nested CASE": ("SELECT COUNT(*) FROM purchases WHERE " + "CASE WHEN gift THEN " * 50 + "gift" + " END" * 50, "sql_too_deep"),
    "nested derived tables": ("SELECT COUNT(*) FROM " + "(SELECT * FROM " * 40 + "purchases" + ") t" * 40, "sql_too_deep"),
    "CTEs that double": (
        "WITH t0 AS (SELECT quantity, customer_id FROM purchases), "
        + ", ".join(f"t{i + 1} AS (SELECT a.quantity, a.customer_id FROM t{i} a JOIN t{i} b ON a.customer_id = b.customer_id)" for i in range(20))
        + " SELECT COUNT(*) FROM t20",
        "sql_too_complex",
    ),
    "texts that double": (
        "WITH t0 AS (SELECT basket AS x FROM purchases), "
        + ", ".join(f"t{i + 1} AS (SELECT x || x AS x FROM t{i})" for i in range(8))
        + " SELECT COUNT(*) FROM t8 WHERE x = 'y'",
        "sql_too_complex",
    ),
    "a pattern of many wildcards": ("SELECT COUNT(*) FROM purchases WHERE basket LIKE '%a%a%a%a%a%a%b'", "sql_too_complex"),
    "an open quote": ("SELECT 'x", "sql_syntax"),
    "an open comment": ("SELECT /* x", "sql_syntax"),
    "a NUL": ("SELECT COUNT(*) FROM purchases WHERE basket = 'a\x00b' AND x", "unknown_column"),
}  # fmt: skip


def test_the_corpus_is_large():
    assert len(STATEMENTS) >= 260
    assert len({sql for _, sql in STATEMENTS}) == len(STATEMENTS)
    assert all(code in CODES for entry in CORPUS.values() for code in entry["codes"])


@pytest.mark.parametrize(("category", "sql"), STATEMENTS, ids=[f"{c}: {s[:70]}" for c, s in STATEMENTS])
async def test_hostile(category, sql):
    error = await refusal(sql)
    assert error.code in CORPUS[category]["codes"], f"{error.code}: {error.detail}"


@pytest.mark.parametrize("name", GENERATED)
async def test_hostile_by_size(name):
    sql, code = GENERATED[name]
    assert (await refusal(sql)).code == code


def _mutations(seed, count):
    draw = random.Random(seed)
    pool = [sql for _, sql in STATEMENTS] + list(ANSWERED.values())
    words = [word for sql in pool for word in sql.split()]
    for _ in range(count):
        text = draw.choice(pool).split()
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(text) + 1)
            action = draw.random()
            if action < 0.4:
                text.insert(at, draw.choice(words))
            elif action < 0.7 and text:
                text[min(at, len(text) - 1)] = draw.choice(words)
            elif text:
                del text[min(at, len(text) - 1)]
        yield " ".join(text)


def _fuzz(seed, count):
    """Whatever comes in, a plan or a refusal comes out: no other exception, no 5xx."""
    answered = 0
    for sql in _mutations(seed, count):
        try:
            made = plan(
                pipeline.PlanJob(SHOP, CALLER, Request(sql), datetime(2026, 11, 24, tzinfo=UTC), SHOP.grants[0])
            )
        except GatewayError as error:
            assert CODES[error.code].status < 500, sql
        else:
            answered += 1
            assert all(m.primitives for m in made.program.measurements)
    return answered


@pytest.mark.parametrize(
    ("seed", "count", "answered"),
    [
        (1, 500, 1),
        pytest.param(1, 1_500, 3, marks=pytest.mark.long),
        pytest.param(2, 10_000, 70, marks=pytest.mark.long),
    ],
)
def test_mutations(seed, count, answered):
    assert _fuzz(seed, count) > answered
