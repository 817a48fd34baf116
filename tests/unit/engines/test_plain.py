"""A finish that computes nothing gives, without DuckDB, the very answer that the post-processor gives."""

import random
from dataclasses import replace
from functools import cache

import pytest
from pydantic import TypeAdapter
from support.constructs import FAMILIES
from support.queries import ANSWERED
from support.shop import planned

from gateway.catalog.types import TypeKind
from gateway.engines.plain import FEW_CELLS, plain_rows
from gateway.engines.post import PostProcessor
from gateway.engines.shown import FinishedRows
from gateway.privacy.measurement import Copied, Noise, NoisyColumn, NoisyTable

FINISHED = TypeAdapter(FinishedRows)
SORTED = {
    f"sorted {number}": f"SELECT cohort, p.purchased_on, COUNT(*) AS n, SUM(amount) AS s FROM purchases p"
    f" JOIN customers c ON p.customer_id = c.customer_id GROUP BY 1, 2 ORDER BY {order}"
    for number, order in enumerate(
        (
            "n",
            "n DESC",
            "1 DESC NULLS FIRST, n",
            "2 NULLS FIRST, 1 DESC",
            "s DESC, 2 DESC, 1 NULLS FIRST",
        )
    )
}
ASKED = {
    **ANSWERED,
    **SORTED,
    **{f"{family}: {name}": sql for family, cases in FAMILIES.items() for name, sql in cases.items()},
}

TEXTS = ("", "a", "ä", "\uffff", "Z", "\U0001f600", "NULL", "0", "1997-01-01", "' \"\n")
CELLS = {
    TypeKind.TEXT: TEXTS,
    TypeKind.INTEGER: (0, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)),
    TypeKind.BOOLEAN: (True, False),
    TypeKind.DATE: ("0001-01-01", "1997-02-28", "2000-02-29", "9999-12-31"),
    TypeKind.DECIMAL: ("0", "1", "-1"),
    TypeKind.TIMESTAMP: ("1997-01-01 00:00:00", "1997-01-01 12:30:00.5"),
}
NUMBERS = (0, 1, -1, 9, -10, 99, 10**12, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63))


@cache
def plain_plans():
    """Return the programs of all answered questions that show one measurement's cells as they are."""
    found = {}
    for name, sql in ASKED.items():
        program = planned(sql).program
        if program.finish.plain is not None:
            found[name] = program
    return found


def released(measurement, rng: random.Random, cells: int) -> NoisyTable:
    """Return a table of a measurement with NULL and the extremes of each type among its cells."""
    rows = tuple(tuple(rng.choice((None, *CELLS[key.type.kind])) for key in measurement.keys) for _ in range(cells))
    columns = tuple(
        NoisyColumn(primitive.name, tuple(rng.choice(NUMBERS) for _ in rows), rng.choice((0.0, 0.4, 12.5, 1e9)), noise)
        for primitive, noise in ((p, rng.choice(list(Noise))) for p in measurement.primitives if p.tree is None)
    )
    return NoisyTable(measurement.name, rows, columns)


def written(finished: FinishedRows) -> bytes:
    return FINISHED.dump_json(finished)


def test_the_same_bytes_as_the_post_processor_over_all_plans():
    post, rng, seen = PostProcessor(), random.Random(7), set()
    assert len(plain_plans()) > 30
    for name, program in plain_plans().items():
        measurements = list(program.measurements)
        for limit in (None, 1, 3, 8):
            tables = [released(m, rng, 7) for m in measurements]
            found = plain_rows(tables, measurements, program.finish, limit)
            if found is None:  # of keys that are read by the post-processor alone
                assert {key.type.kind for m in measurements for key in m.keys} & {TypeKind.DECIMAL, TypeKind.TIMESTAMP}
                continue
            assert written(found) == written(post.finish(tables, {}, measurements, program.finish, 1, limit)), name
            seen |= {key.type.kind for m in measurements for key in m.keys}
            seen |= {copied.scale for copied in program.finish.plain.columns}
    assert [name for name in SORTED if name in plain_plans()] == list(SORTED)
    assert seen >= {TypeKind.TEXT, TypeKind.INTEGER, TypeKind.BOOLEAN, TypeKind.DATE, None, 2}


@pytest.mark.parametrize("name", ["count_by_day", "sum_decimal"])
def test_no_cell_at_all_and_as_many_as_are_few(name):
    program, post, rng = plain_plans()[name], PostProcessor(), random.Random(3)
    measurements = list(program.measurements)
    for cells in (0, 1, FEW_CELLS, FEW_CELLS + 1):
        tables = [released(m, rng, cells) for m in measurements]
        found = plain_rows(tables, measurements, program.finish, None)
        if cells > FEW_CELLS:
            assert found is None
            found = plain_rows(tables, measurements, program.finish, None, cells)
        assert written(found) == written(post.finish(tables, {}, measurements, program.finish, 1, None))


def test_cells_below_the_minimum_are_not_shown():
    program = plain_plans()["count_by_day"]
    (measurement,) = program.measurements
    first = measurement.primitives[0].name
    hiding = replace(measurement, suppress_by=first, suppress_below=10)
    table = replace(
        released(measurement, random.Random(5), 3), columns=(NoisyColumn(first, (9, 10, 11), 2.0, Noise.GAUSSIAN),)
    )
    found = plain_rows([table], [hiding], program.finish, None)
    assert written(found) == written(PostProcessor().finish([table], {}, [hiding], program.finish, 1, None))
    assert len(found.rows) == 2


@pytest.mark.parametrize(
    ("type_", "cell"),
    [(TypeKind.DATE, "1997-02-30"), (TypeKind.DATE, "1997-W01-1"), (TypeKind.DATE, 5), (TypeKind.TEXT, 5),
     (TypeKind.INTEGER, True), (TypeKind.INTEGER, "5"), (TypeKind.BOOLEAN, "true"), (TypeKind.TIMESTAMP, "1997-01-01")],
)  # fmt: skip
def test_a_cell_that_is_not_of_its_key_in_its_own_form_is_left_to_the_post_processor(type_, cell):
    program = plain_plans()["count_by_day"]
    (measurement,) = program.measurements
    other = replace(
        measurement, keys=tuple(replace(key, type=replace(key.type, kind=type_)) for key in measurement.keys)
    )
    table = replace(released(measurement, random.Random(5), 1), keys=((cell,) * len(other.keys),))
    assert plain_rows([table], [other], program.finish, None) is None


NOT_PLAIN = {
    "ordered by what is computed": "SELECT basket, COUNT(*) AS n FROM purchases GROUP BY 1 ORDER BY n * 2",
    "filtered": "SELECT basket, COUNT(*) AS n FROM purchases GROUP BY basket HAVING COUNT(*) > 5",
    "computed": "SELECT COUNT(*) * 2 AS n FROM purchases",
    "an average": "SELECT AVG(quantity) AS a FROM purchases",
    "limited": "SELECT basket, COUNT(*) AS n FROM purchases GROUP BY basket LIMIT 2",
    "of two": "SELECT COUNT(*) AS n FROM purchases UNION ALL SELECT COUNT(*) AS n FROM customers",
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_computes_filters_sorts_or_joins_is_not_plain(name):
    assert planned(NOT_PLAIN[name]).program.finish.plain is None


def test_a_scaled_sum_is_read_off_its_own_tree():
    (total,) = plain_plans()["sum_decimal"].finish.plain.columns
    assert total == Copied(total.column, 1, 2)
    assert plain_plans()["count_by_day"].finish.plain.columns == (Copied("k0"), Copied("p0"))
