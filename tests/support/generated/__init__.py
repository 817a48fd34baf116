"""Queries made at random from everything that is answered, nested to any depth; and near-misses of them."""

from dataclasses import dataclass
from random import Random

from support.generated.answers import SHAPES, Answers, Item
from support.generated.flaws import ASKED, FLAWS, Flaw
from support.generated.operators import OPERATORS
from support.generated.relations import Relations
from support.generated.values import Values

CONSTRUCTS = (
    "JOIN of owned relations", "LEFT JOIN of owned relations", "RIGHT JOIN of owned relations",
    "FULL JOIN of owned relations", "owner equality by ON", "owner equality by USING", "owner equality by NATURAL",
    "chain key by ON", "chain key by USING", "chain key by NATURAL", "JOIN along a chain", "self join", "WITH used twice",
    "public by JOIN", "public by LEFT JOIN", "public by RIGHT", "public by VALUES", "public by IN", "public by NOT IN",
    "public by EXISTS", "public by scalar", "public by one row", "public LEFT JOIN private",
    "EXISTS of the owner", "NOT EXISTS of the owner", "IN of the owner", "NOT IN of the owner", "EXISTS in OR of the owner",
    "correlated IN of the owner", "SEMI of the owner", "ANTI of the owner", "scalar subquery of the owner", "LATERAL",
    "UNION ALL with the owner", "UNION with the owner", "EXCEPT with the owner", "INTERSECT with the owner",
    "DISTINCT with the owner", "DISTINCT releases keys", "aggregate per owner", "aggregate per order", "HAVING per owner",
    "window per owner", "QUALIFY per owner", "staged value", "staged keys", "staged rows joined",
    "ROLLUP", "CUBE", "GROUPING SETS", "histogram by width_bucket", "WITH of released rows used twice", "FILTER",
    "post-processing: HAVING", "post-processing: LIMIT", "post-processing: share", "post-processing: running",
    "post-processing: CASE", "post-processing: joined", "post-processing: union", "post-processing: again",
    "post-processing: QUALIFY", "post-processing: scalar",
    "COUNT", "COUNT_IF", "COUNT(DISTINCT)", "APPROX_COUNT_DISTINCT", "SUM", "AVG", "VAR_POP", "VAR_SAMP", "VARIANCE",
    "STDDEV_POP", "STDDEV_SAMP", "STDDEV", "COVAR_POP", "COVAR_SAMP", "CORR", "REGR_SLOPE", "REGR_INTERCEPT", "REGR_R2",
    "REGR_COUNT", "REGR_AVGX", "REGR_AVGY", "REGR_SXX", "REGR_SYY", "REGR_SXY", "MEDIAN", "QUANTILE_CONT",
    "QUANTILE_DISC", "PERCENTILE_CONT", "PERCENTILE_DISC", "APPROX_QUANTILE", "MIN", "MAX", "BOOL_AND", "BOOL_OR", "MODE",
    "APPROX_TOP_K",
)  # fmt: skip
"""What queries are made of: every one of these is somewhere among those that are accepted."""

ATTEMPTS = 3_000


@dataclass(frozen=True, slots=True)
class Query:
    """A query, the columns of its answer, and the constructs that it is made of.

    `comparable`: plain SQL gives the same at a huge budget. `flawed`: the flaw that was asked for is in it.
    """

    sql: str
    items: tuple[Item, ...]
    used: frozenset[str]
    functions: frozenset[str]
    comparable: bool
    flawed: bool


def query(seed: int, flaw: str | None = None) -> Query:
    """Return the query of a seed; with a flaw the same query with it in one place.

    Each seed has a construct in turn that has to be in its query.
    """
    wanted = CONSTRUCTS[seed % len(CONSTRUCTS)]
    for attempt in range(ATTEMPTS):
        made = _made(f"{seed}/{attempt}", wanted, None)
        if made is not None and wanted in made.used:
            return made if flaw is None else _made(f"{seed}/{attempt}", wanted, flaw) or made
    raise AssertionError(f"{wanted} is in no query of seed {seed}")


def _made(seed: str, wanted: str, flaw: str | None) -> Query | None:
    draw = Random(seed)
    depth = draw.choice((0, 1, 1, 2, 2, 3))
    values = Values(draw, wild=draw.choice((0.0, 0.0, 0.6)))
    planted = Flaw(flaw, place=draw.randrange(3) if depth > 1 else 0)
    rows = Relations(draw, values, planted, OPERATORS)
    answers = Answers(rows, depth, wanted)
    shape = draw.choice(SHAPES)
    if flaw in ASKED:
        asked = answers.flawed(flaw)
        return (
            None
            if asked is None
            else Query(_with(rows, asked), (), frozenset(), frozenset(), comparable=False, flawed=True)
        )
    made = shape(answers)
    if made is None:
        return None
    sql, items = made
    return Query(
        sql=_with(rows, sql),
        items=tuple(items),
        used=frozenset(rows.used | answers.used),
        functions=frozenset(values.functions),
        comparable=values.tame and answers.whole,
        flawed=planted.done,
    )


def _with(rows: Relations, sql: str) -> str:
    return f"WITH {', '.join(rows.views)} {sql}" if rows.views else sql


__all__ = ["CONSTRUCTS", "FLAWS", "Query", "query"]
