"""Post-processing: with the noise as it is, an answer equals plain SQL; every redraw equals the answer of its noise."""

import contextlib
import datetime as dt
import math
import random

import duckdb
import pyarrow as pa
import pytest
from support import released_plans as rp

from gateway.compile.finishing import compile_finish
from gateway.engines.post import PostProcessor
from gateway.privacy.relations import Released

DRAWS = 4


def ipc(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


def public_rows() -> pa.Table:
    k, x, y, d = zip(*rp.PUBLIC_ROWS, strict=True)
    days = [None if day is None else dt.date.fromisoformat(day) for day in d]
    return pa.table(
        {"k": pa.array(k), "x": pa.array(x, pa.int64()), "y": pa.array(y), "d": pa.array(days, pa.date32())}
    )


def load(connection, tables) -> None:
    """Make the released tables as the finisher does."""
    t0 = public_rows()
    t0 = t0.append_column("__row", pa.array(range(t0.num_rows), pa.int64()))
    connection.register("arriving", t0)
    connection.execute("CREATE OR REPLACE TABLE t0 AS SELECT * FROM arriving")
    for table in tables:
        rows = {"__cell": pa.array(range(len(table.keys)), pa.int64())}
        for index in range(len(table.keys[0])):
            rows[f"k{index}"] = pa.array([key[index] for key in table.keys])
        for column in table.columns:
            rows[column.name] = pa.array(column.values, pa.int64())
        connection.register("arriving", pa.table(rows))
        connection.execute(f"CREATE OR REPLACE TABLE {table.name} AS SELECT * FROM arriving")


def same(a, b) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(a) and math.isnan(b))
    return a == b


def alike(first, second) -> bool:
    """Tell whether two results hold the same rows, NaN being what a statistic without a value is to an engine."""

    def clean(row):
        return tuple(None if isinstance(v, float) and math.isnan(v) else v for v in row)

    def order(row):
        return tuple((v is None, f"{v:.6g}" if isinstance(v, float) else str(v)) for v in row)

    left, right = sorted(map(clean, first), key=order), sorted(map(clean, second), key=order)
    return len(left) == len(right) and all(
        all(same(x, y) for x, y in zip(a, b, strict=True)) for a, b in zip(left, right, strict=True)
    )


def random_query(seed: int):
    generator = rp.Generator(random.Random(seed))
    top = generator.relation(generator.rng.randint(1, 5))
    plan = top.plan
    return generator, top, compile_finish(Released(plan, frozenset()), generator.leaves)


@pytest.mark.parametrize("block", range(5))
def test_an_answer_equals_plain_sql_over_the_same_tables(block):
    with duckdb.connect() as connection:
        load(connection, rp.tables(random.Random(block)))
        found = 0
        for seed in range(block * 40, block * 40 + 40):
            generator, top, finish = random_query(seed)
            got = [row[: len(finish.columns)] for row in connection.execute(finish.sql).fetchall()]
            wanted = connection.execute(generator.sql(top)).fetchall()
            found += len(wanted)
            assert alike(got, wanted), f"seed {seed}\n{finish.sql}\n{generator.sql(top)}\n{got}\n{wanted}"
    assert found > 120


@pytest.mark.parametrize("block", range(3))
def test_each_redraw_is_the_answer_over_its_own_noise(block):
    """Rows of an answer over one draw's tables are found in the redraw, under their identity, with their values."""
    compared = 0
    draws = [rp.tables(random.Random(1000 * block + draw)) for draw in range(DRAWS)]
    with contextlib.ExitStack() as stack:
        single = [stack.enter_context(duckdb.connect()) for _ in draws]
        for connection, tables in zip(single, draws, strict=True):
            load(connection, tables)
        together = stack.enter_context(duckdb.connect())
        load_draws(together, single)
        for seed in range(block * 50, block * 50 + 50):
            compared += compare_draws(seed, single, together)
    assert compared > 300


def compare_draws(seed, single, together) -> int:
    _, _, finish = random_query(seed)
    if finish.redraw_sql is None:
        return 0
    width, answers = len(finish.columns), {}
    derived = [i for i, c in enumerate(finish.columns) if c.noisy and c.direct is None]
    for draw, connection in enumerate(single):
        for row in connection.execute(finish.sql).fetchall():
            answers[(draw, *row[width:])] = [row[i] for i in derived]
    found = together.execute(finish.redraw_sql).fetchall()
    redrawn = {row[: finish.identity + 1]: row[finish.identity + 1 :] for row in found}
    assert len(redrawn) == len(found)
    for identity, values in answers.items():
        assert identity in redrawn, f"seed {seed}: {identity}\n{finish.sql}\n{finish.redraw_sql}"
        assert alike([values], [redrawn[identity]]), (
            f"seed {seed}: {identity} {values} {redrawn[identity]}\n{finish.sql}\n{finish.redraw_sql}"
        )
    return len(answers)


def load_draws(together, single) -> None:
    load(together, [])
    for name in ("m0", "m1"):
        parts = [c.sql(f"SELECT {draw} AS __draw, * FROM {name}").to_arrow_table() for draw, c in enumerate(single)]
        together.register("arriving", pa.concat_tables(parts))
        together.execute(f"CREATE TABLE {name} AS SELECT * FROM arriving")
    together.execute(f"CREATE TABLE __draws AS SELECT * FROM range({len(single)}) AS r(__draw)")


def test_identities_tell_rows_apart():
    with duckdb.connect() as connection:
        load(connection, rp.tables(random.Random(5)))
        told = 0
        for seed in range(80):
            _, _, finish = random_query(seed)
            if finish.redraw_sql is None:
                continue
            rows = [row[len(finish.columns) :] for row in connection.execute(finish.sql).fetchall()]
            assert len(set(rows)) == len(rows), f"seed {seed}"
            told += len(rows)
    assert told > 100


def test_the_processor_runs_every_random_query():
    processor = PostProcessor()
    for seed in range(30):
        _, _, finish = random_query(seed)
        names = {name for name in ("m0", "m1") if name in finish.sql}
        pairs = [(m, t) for m, t in zip((rp.M0, rp.M1), rp.tables(random.Random(seed)), strict=True) if t.name in names]
        reads = {"t0": ipc(public_rows())} if "t0" in finish.sql else {}
        finished = processor.finish([t for _, t in pairs], reads, [m for m, _ in pairs], finish, seed, None)
        for column in finish.columns:
            if column.noisy:
                assert len(finished.intervals[column.name]) == len(finished.rows)


def test_no_released_value_makes_an_answer_fail():
    """Integers at the ends of their type, in every cell: sums, windows and joins over them end at bounds or are NULL."""
    rng = random.Random(3)
    extremes = (2**63 - 1, -(2**63), 2**62, -(2**62), 0, 1, -1)
    tables = [
        rp.noisy(t.name, t.keys, **{c.name: ([rng.choice(extremes) for _ in t.keys], c.scale) for c in t.columns})
        for t in rp.tables(rng)
    ]
    with duckdb.connect() as connection:
        load(connection, tables)
        for seed in range(80):
            _, _, finish = random_query(seed)
            connection.execute(finish.sql).fetchall()
