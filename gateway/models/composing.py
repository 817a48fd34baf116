"""A model as SQL: the sums that it is fitted from, over features that are scaled by what is declared of them.

The SQL is planned, refused, priced and noised like any other. It has the buyer's own SELECT in it, which is read by
itself before, so that no text of theirs ends anything but their own query.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from gateway.catalog.model import Dataset
from gateway.catalog.types import TypeKind
from gateway.errors import GatewayError
from gateway.models import elimination
from gateway.models.asked import Kind, Model
from gateway.models.elimination import bounded, entry
from gateway.sql.parse import parse
from gateway.sql.plan import Field
from gateway.sql.select import resolve

DIALECT = "duckdb"

STEEPEST = 30
"""The largest logit that is told from certainty: EXP of no more than this overflows nowhere."""

RAREST = 0.005
"""A share that a logistic regression begins from lies so far from 0 and 1 at least."""

FLOORS = {"first": 1e-4, "later": 1e-5}
"""The least pivot of a system, by the row: features that say the same give no larger ones."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A column of the source as a number: `middle` and `half` take its values into [-1, 1]; a share stays in [0, 1]."""

    name: str
    lowest: float
    highest: float
    middle: float
    half: float
    nullable: bool
    boolean: bool

    @property
    def number(self) -> str:
        """SQL of the column as a DOUBLE; NULL where it has no value."""
        if self.boolean:
            return f"CASE WHEN {_quoted(self.name)} THEN 1.0 WHEN NOT {_quoted(self.name)} THEN 0.0 END"
        return f"CAST({_quoted(self.name)} AS DOUBLE)"


def compose(model: Model, dataset: Dataset) -> str:
    """Return the SQL whose answer a model is fitted from.

    Raises GatewayError: what the source's SQL is refused with, `unknown_column`, `type_mismatch`, `no_bounds`.
    """
    source = _source(model)
    if model.kind is Kind.CONTINGENCY:
        keys = ", ".join(_quoted(name) for name in model.features)
        _fields(model, source, dataset)
        numbers = ", ".join(str(i + 1) for i in range(len(model.features)))
        return f"{source}\nSELECT {keys}, COUNT(*) AS cell_count FROM model_source GROUP BY {keys} ORDER BY {numbers}"
    variables = [
        _variable(field, model, share=model.kind is Kind.LOGISTIC and index == len(model.features))
        for index, field in enumerate(_fields(model, source, dataset))
    ]
    parts = [source, *(f"{name} AS ({select})" for name, select in _scaled(variables))]
    scales = [f"CAST({_written(v.middle)} AS DOUBLE) AS middle_{i}" for i, v in enumerate(variables, 1)]
    scales += [f"CAST({_written(v.half)} AS DOUBLE) AS half_{i}" for i, v in enumerate(variables, 1)]
    if model.kind is Kind.LOGISTIC:
        sums = _logistic(model)
        parts += [f"{name} AS ({select})" for name, select in sums.queries]
        shown, read = sums.shown, sums.read
    else:
        gram = _gram(len(variables))
        parts.append(f"moments AS (SELECT {', '.join(f'{sql} AS {name}' for name, sql in gram)} FROM scaled)")
        shown, read = [f"moments.{name}" for name, _ in gram], "moments"
    return ",\n".join(parts) + f"\nSELECT {', '.join([*shown, *scales])} FROM {read}"


def located(error: GatewayError, model: Model) -> GatewayError:
    """Return a refusal with its place in the text of `from`; without one where it lies elsewhere."""
    place, lines = error.position, len(model.source.strip().splitlines())
    inside = place is not None and 1 < place.line <= lines + 1 and not model.source.strip().isidentifier()
    error.position = replace(place, line=place.line - 1) if place is not None and inside else None
    return error


# -- the source -------------------------------------------------------------------------------------------------------


def _source(model: Model) -> str:
    text = model.source.strip()
    if text.isidentifier():
        text = f"SELECT * FROM {_quoted(text)}"
    parse(text, DIALECT)  # by itself: what does not close its own brackets is refused here
    return f"WITH model_source AS (\n{text}\n)"


def _fields(model: Model, source: str, dataset: Dataset) -> tuple[Field, ...]:
    """Return what is known of the columns that are named: the features, then the target."""
    named = [*model.features, *([model.target] if model.target is not None else [])]
    chosen = ", ".join(f"{_quoted(name)} AS {_quoted(f'v{i}')}" for i, name in enumerate(named))
    tree = parse(f"{source}\nSELECT {chosen} FROM model_source", DIALECT)
    try:
        return tuple(resolve(tree, dataset).fields)
    except GatewayError as error:
        raise located(error, model) from None


def _variable(field: Field, model: Model, *, share: bool) -> Variable:
    index, term = int(field.name[1:]), field.term
    name = model.features[index] if index < len(model.features) else (model.target or "")
    boolean, kind = term.type.kind is TypeKind.BOOLEAN, model.kind.value.replace("_", " ")
    if not boolean and not term.type.numeric:
        detail = f"'{name}' is no number: a {kind} takes numbers and booleans."
        raise GatewayError("type_mismatch", detail, "Make a number of it in `from`, for example with CASE.")
    lowest, highest = (0.0, 1.0) if boolean else _bounds(field, name, most=1 if share else 100)
    if share and not 0 <= lowest <= highest <= 1:
        detail = f"'{name}' may lie outside 0 and 1: a {kind} has a target of yes and no."
        hint = f"Make a condition of it in `from`, for example {name} > {_written(lowest)} AS {name}."
        raise GatewayError("type_mismatch", detail, hint)
    if model.intercept and not share:
        middle, half = (lowest + highest) / 2, (highest - lowest) / 2
    else:
        middle, half = 0.0, max(abs(lowest), abs(highest))
    if half == 0 or (share and lowest == highest):
        detail = f"'{name}' has one value alone: a {kind} has nothing to find of it."
        raise GatewayError("type_mismatch", detail, "Leave it out, or widen what `from` says of it.")
    half = 1.0 if share else half
    return Variable(name, lowest, highest, middle, half, term.nullable, boolean=boolean)


def _bounds(field: Field, name: str, *, most: int) -> tuple[float, float]:
    lowest, highest = field.term.range.lo, field.term.range.hi
    known = [Fraction(str(cell)) for cell in field.term.domain or () if cell is not None]
    if (lowest is None or highest is None) and known:
        lowest, highest = min(known), max(known)
    if lowest is None or highest is None:
        detail = f"Where the values of '{name}' lie is not known."
        hint = f"Say it in `from`: LEAST(GREATEST({name}, 0), {most}) AS {name}."
        raise GatewayError("no_bounds", detail, hint)
    return float(lowest), float(highest)


def _scaled(variables: list[Variable]) -> Iterator[tuple[str, str]]:
    """Yield the queries that make z1.. of the columns, within [-1, 1], and `one`.

    All of them are NULL where any column is: zero times the others is added. A condition would say the same, but the
    policy may let a column be aggregated that it does not let be tested.
    """
    yield "numbers", f"SELECT {', '.join(f'{v.number} AS n{i}' for i, v in enumerate(variables, 1))} FROM model_source"
    nullable = [f"n{i}" for i, v in enumerate(variables, 1) if v.nullable]
    whole = f" + 0 * ({' + '.join(nullable)})" if nullable else ""
    columns = []
    for i, v in enumerate(variables, 1):
        clamped = f"LEAST(GREATEST(n{i}, {_written(v.lowest)}), {_written(v.highest)})"
        columns.append(f"({clamped} - {_written(v.middle)}) / {_written(v.half)}{whole} AS z{i}")
    yield "scaled", f"SELECT {', '.join(columns)}, CAST(1 AS DOUBLE){whole} AS one FROM numbers"


def _gram(count: int) -> list[tuple[str, str]]:
    """Return the sums of (1, z1, ..) with one another, by name: m0_0 counts the rows."""
    names = ["one", *(f"z{i}" for i in range(1, count + 1))]
    return [
        (entry("m", i, j), f"SUM({names[j]})" if i == 0 else f"SUM({names[i]} * {names[j]})")
        for i in range(count + 1)
        for j in range(i, count + 1)
    ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _written(value: float) -> str:
    """Return a number without an exponent, as every dialect reads it."""
    text = f"{Decimal(repr(value)):f}"
    return text if "." in text else f"{text}.0"


# -- logistic regression ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sums:
    queries: list[tuple[str, str]]
    shown: list[str]
    read: str


def _logistic(model: Model) -> _Sums:
    """Return the queries of a logistic regression: moments, then Newton's steps, each at coefficients made of the last.

    It begins at the share of ones, without any feature (docs/design/modelling.md).
    """
    count = len(model.features)
    first = _gram(count)
    first += [(f"t{i}", f"SUM({'one' if i == 0 else f'z{i}'} * z{count + 1})") for i in range(count + 1)]
    queries = [("moments", f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in first)} FROM scaled")]
    shown, read = [f"moments.{name}" for name, _ in first], ["moments"]
    queries += _begun(model)
    for number in range(1, model.rounds + 1):
        sums = _sums_of_round(model, number)
        queries += sums
        names = _names_of_round(model, number)
        shown += [f"sums_{number}.{name}" for name in names]
        read.append(f"sums_{number}")
        if number < model.rounds:
            queries += _moved(model, number)
    return _Sums(queries, shown, " CROSS JOIN ".join(read))


def dimensions(model: Model) -> list[int]:
    """Return what the coefficients stand for: 0 the intercept, i the i-th feature."""
    return [*([0] if model.intercept else []), *range(1, len(model.features) + 1)]


def _begun(model: Model) -> Iterator[tuple[str, str]]:
    """Yield the first step: from the share of ones alone to coefficients b_1 (c0..)."""
    dims = dimensions(model)
    share = f"LEAST(GREATEST(t0 / GREATEST(m0_0, 1), {RAREST}), {1 - RAREST})" if model.intercept else "0.5"
    yield "share_0", f"SELECT *, {share} AS share FROM moments"
    weight = "share * (1 - share)"
    system = [
        f"{entry('m', dims[i], dims[j])} * {weight}{_ridge(model, dims, i, j)} AS a0_{i}_{j}"
        for i in range(len(dims))
        for j in range(i, len(dims))
    ]
    system += [f"t{d} - share * {entry('m', 0, d)} AS r0_{i}" for i, d in enumerate(dims)]
    floor = f"{FLOORS['first']} * GREATEST(m0_0, 1) AS floor"
    yield "system_0", f"SELECT {', '.join(system)}, {floor}, share FROM share_0"
    yield from elimination.steps("system_0", len(dims), lambda i: f"solve_0_{i}", ["share"])
    begun = {d: " + LN(share / (1 - share))" if d == 0 else "" for d in dims}
    found = [f"{elimination.unknown(i, len(dims))}{begun[d]} AS c{i}" for i, d in enumerate(dims)]
    yield "at_1", f"SELECT {', '.join(found)} FROM solve_0_{len(dims) - 1}"


def _sums_of_round(model: Model, number: int) -> Iterator[tuple[str, str]]:
    """Yield the queries of one round's sums: the slope and the curvature of the likelihood at its coefficients."""
    dims, at = dimensions(model), f"at_{number}"
    logit = " + ".join(f"{at}.c{i}" if d == 0 else f"{at}.c{i} * scaled.z{d}" for i, d in enumerate(dims))
    columns = ", ".join([*(f"scaled.z{i}" for i in range(1, len(model.features) + 2)), "scaled.one"])
    expected = f"1.0 / (1.0 + EXP(-LEAST(GREATEST({logit}, {-STEEPEST}), {STEEPEST})))"
    yield f"rows_{number}", f"SELECT {columns}, {expected} AS q FROM scaled CROSS JOIN {at}"
    target = f"z{len(model.features) + 1}"
    term = {d: "one" if d == 0 else f"z{d}" for d in dims}
    sums = [f"SUM({term[d]} * ({target} - q)) AS g{number}_{i}" for i, d in enumerate(dims)]
    sums += [
        f"SUM({term[dims[i]]} * {term[dims[j]]} * (q * (1 - q))) AS {entry(f'h{number}_', i, j)}"
        for i in range(len(dims))
        for j in range(i, len(dims))
    ]
    yield f"sums_{number}", f"SELECT {', '.join(sums)} FROM rows_{number}"


def _names_of_round(model: Model, number: int) -> list[str]:
    size = len(dimensions(model))
    slopes = [f"g{number}_{i}" for i in range(size)]
    return slopes + [entry(f"h{number}_", i, j) for i in range(size) for j in range(i, size)]


def _moved(model: Model, number: int) -> Iterator[tuple[str, str]]:
    """Yield the step of one round: coefficients at_(number + 1) of those before and the round's sums."""
    dims, at, sums = dimensions(model), f"at_{number}", f"sums_{number}"
    held = [f"{at}.c{i}" for i in range(len(dims))]
    system = [
        f"{sums}.{entry(f'h{number}_', i, j)}{_ridge(model, dims, i, j)} AS a0_{i}_{j}"
        for i in range(len(dims))
        for j in range(i, len(dims))
    ]
    pulled = [f" - {_written(model.ridge)} * {at}.c{i}" if d and model.ridge else "" for i, d in enumerate(dims)]
    system += [f"{sums}.g{number}_{i}{pulled[i]} AS r0_{i}" for i in range(len(dims))]
    floor = f"{FLOORS['later']} * GREATEST(moments.m0_0, 1) AS floor"
    read = f"moments CROSS JOIN {at} CROSS JOIN {sums}"
    yield f"system_{number}", f"SELECT {', '.join([*system, floor, *held])} FROM {read}"
    carried = [f"c{i}" for i in range(len(dims))]
    yield from elimination.steps(f"system_{number}", len(dims), lambda i: f"solve_{number}_{i}", carried)
    found = ", ".join(f"{bounded(f'c{i} + {elimination.unknown(i, len(dims))}')} AS c{i}" for i in range(len(dims)))
    yield f"at_{number + 1}", f"SELECT {found} FROM solve_{number}_{len(dims) - 1}"


def _ridge(model: Model, dims: list[int], i: int, j: int) -> str:
    return f" + {_written(model.ridge)}" if model.ridge and i == j and dims[i] else ""
