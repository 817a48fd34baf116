"""Functions that the parser knows by name alone, written as the nodes that the table of functions has."""

from collections.abc import Callable

from sqlglot import exp

from gateway.sql.parse import dialect_of

Arguments = list[exp.Expr]


def _extract(arguments: Arguments) -> exp.Expr:
    unit, argument = arguments
    return exp.Extract(
        this=exp.Var(this=unit.name.upper() if isinstance(unit, exp.Literal) else "?"), expression=argument
    )


def _field(name: str) -> Callable[[Arguments], exp.Expr]:
    return lambda arguments: exp.Extract(this=exp.Var(this=name), expression=arguments[0])


def _binary(kind: type[exp.Expr]) -> Callable[[Arguments], exp.Expr]:
    return lambda arguments: kind(this=arguments[0], expression=arguments[1])


def _cast(name: str) -> Callable[[Arguments], exp.Expr]:
    return lambda arguments: exp.Cast(this=arguments[0], to=exp.DataType.build(name, dialect="duckdb"))


def _is_null(arguments: Arguments) -> exp.Expr:
    return exp.Is(this=arguments[0], expression=exp.Null())


def _remainder(arguments: Arguments) -> exp.Expr:
    """Return pmod(a, b) of spark: ((a % b) + b) % b."""
    a, b = arguments
    inner = exp.Add(this=exp.paren(exp.Mod(this=a, expression=b.copy())), expression=b.copy())
    return exp.Mod(this=exp.paren(inner), expression=b.copy())


_ANY = ("duckdb", "postgres", "trino", "spark")
_SPELLINGS: dict[str, tuple[int, tuple[str, ...], Callable[[Arguments], exp.Expr]]] = {
    "date_part": (2, ("duckdb", "spark"), _extract),
    "datepart": (2, ("duckdb", "spark"), _extract),
    "weekday": (1, ("duckdb",), _field("DOW")),
    "isoyear": (1, ("duckdb",), _field("ISOYEAR")),
    "make_date": (3, _ANY, lambda a: exp.DateFromParts(year=a[0], month=a[1], day=a[2])),
    "prefix": (2, ("duckdb",), _binary(exp.StartsWith)),
    "suffix": (2, ("duckdb",), _binary(exp.EndsWith)),
    "btrim": (2, ("spark",), lambda a: exp.Trim(this=a[0], expression=a[1])),
    "is_infinite": (1, ("trino",), lambda a: exp.IsInf(this=a[0])),
    "isnull": (1, ("spark",), _is_null),
    "isnotnull": (1, ("spark",), lambda a: exp.Not(this=_is_null(a))),
    "nullifzero": (1, ("spark",), lambda a: exp.Nullif(this=a[0], expression=exp.Literal.number(0))),
    "zeroifnull": (1, ("spark",), lambda a: exp.Coalesce(this=a[0], expressions=[exp.Literal.number(0)])),
    "pmod": (2, ("spark",), _remainder),
    "bigint": (1, ("spark",), _cast("BIGINT")),
    "smallint": (1, ("spark",), _cast("SMALLINT")),
    "tinyint": (1, ("spark",), _cast("TINYINT")),
}
SPELLED = tuple(sorted(_SPELLINGS))


def spelled(node: exp.Anonymous) -> exp.Expr | None:
    """Return the node that a call by name means in its dialect, its arguments copied; None for any other call."""
    count, dialects, build = _SPELLINGS.get(node.name.lower(), (-1, (), _is_null))
    dialect = dialect_of(node)
    arguments = [argument.copy() for argument in node.expressions]
    if len(arguments) != count or dialect not in dialects:
        return None
    built = build(arguments)
    for part in built.walk():
        part.meta.setdefault("dialect", dialect)
    return built
