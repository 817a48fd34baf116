"""Windows below measurements as DuckDB SQL: total on any rows, their frames as they should be."""

import pytest
import sqlglot
from sqlglot import exp
from support.hostile import TYPES, hostile, rows, scan
from support.released_plans import fld, term

from gateway.catalog.types import BOOLEAN, DOUBLE, INTEGER
from gateway.compile.relations import select
from gateway.errors import GatewayError
from gateway.sql.plan import AggregateKind, SortKey, Window, WindowCall, WindowKind

FRAMES = (
    None,
    "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    "RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING",
)


def frame(text: str | None) -> exp.WindowSpec | None:
    if text is None:
        return None
    return sqlglot.parse_one(f"SELECT SUM(x) OVER (ORDER BY y {text})", read="duckdb").find(exp.WindowSpec)


WINDOWED = (
    *WindowKind,
    AggregateKind.COUNT_ROWS,
    AggregateKind.COUNT,
    AggregateKind.SUM,
    AggregateKind.AVG,
    AggregateKind.MIN,
    AggregateKind.MAX,
)


@pytest.mark.parametrize("kind", WINDOWED)
@pytest.mark.parametrize("spec", FRAMES)
def test_every_window_is_total(engine, kind, spec):
    for column in ("i", "x", "m"):
        type_ = TYPES[column]
        value_ = (term(f"c_{column}", type_),)
        match kind:
            case WindowKind.NTILE:
                arguments, type_ = (term("c_i", INTEGER),), INTEGER
            case WindowKind.LAG | WindowKind.LEAD | WindowKind.NTH_VALUE:
                arguments = (*value_, term("c_i", INTEGER))
            case WindowKind.FIRST_VALUE | WindowKind.LAST_VALUE:
                arguments = value_
            case WindowKind.PERCENT_RANK | WindowKind.CUME_DIST:
                arguments, type_ = (), DOUBLE
            case AggregateKind.COUNT:
                arguments, type_ = value_, INTEGER
            case AggregateKind.SUM | AggregateKind.AVG | AggregateKind.MIN | AggregateKind.MAX:
                arguments, type_ = value_, DOUBLE if kind is AggregateKind.AVG else type_
            case _:
                arguments, type_ = (), INTEGER
        for down in (False, True):
            key = SortKey(term(f"c_{column}", TYPES[column]), down, nulls_first=True)
            call = WindowCall(
                kind, arguments, None, (term("c_b", BOOLEAN),), (key,), frame(spec), fld("w", type_), None
            )
            plan = Window(hostile(), (call,), None)
            if spec is not None and "RANGE" in spec and column == "m":
                with pytest.raises(GatewayError, match="unsupported_sql"):  # 38 digits and 1 more
                    select(plan, ["w"])
                continue
            assert len(rows(engine, plan, "w")) == 6


def test_range_frames_count_as_they_should(engine):
    engine.execute("CREATE OR REPLACE TEMP TABLE steps AS SELECT unnest([1, 2, 2, 4, 9]) AS i")
    plan = scan("steps", {"c": ("i", INTEGER)})
    key = SortKey(term("c", INTEGER), False, nulls_first=False)
    call = WindowCall(AggregateKind.COUNT_ROWS, (), None, (), (key,), frame(FRAMES[-1]), fld("w", INTEGER), None)
    assert sorted(rows(engine, Window(plan, (call,), None), "c", "w")) == [(1, 3), (2, 3), (2, 3), (4, 1), (9, 1)]


def test_ntile_of_no_buckets_is_null(engine):
    key = SortKey(term("c", INTEGER), False, nulls_first=False)
    plan = scan("hostile", {"c": ("i", INTEGER)})
    for text, wanted in (("0 - 1", None), ("1", 1)):
        call = WindowCall(WindowKind.NTILE, (term(text, INTEGER),), None, (), (key,), None, fld("w", INTEGER), None)
        assert {row[0] for row in rows(engine, Window(plan, (call,), None), "w")} == {wanted}


def test_a_filter_on_a_rank_is_refused():
    call = WindowCall(WindowKind.RANK, (), term("c_b", BOOLEAN), (), (), None, fld("w", INTEGER), None)
    with pytest.raises(GatewayError, match="unsupported_sql"):
        select(Window(hostile(), (call,), None))
