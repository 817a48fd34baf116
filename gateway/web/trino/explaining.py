"""EXPLAIN and DESCRIBE of prepared statements: told of the gateway's own quote, never of an engine's plan."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.errors import GatewayError
from gateway.web.trino.pages import Results, results
from gateway.web.trino.words import Words

Columns = Sequence[tuple[str, str]]
"""Names, and Trino's names of their types."""

_TEXTS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_SEEN = re.compile(r"[^\n]")


class Told(StrEnum):
    """What an EXPLAIN is to tell: the quote in words, as a document, or that the query would be answered."""

    TEXT = "TEXT"
    JSON = "JSON"
    VALID = "VALIDATE"


@dataclass(frozen=True, slots=True)
class Explain:
    """What a query would be: its text with blanks before it, so that places in errors are the statement's."""

    sql: str
    told: Told
    parameters: str | None = None


@dataclass(frozen=True, slots=True)
class Describe:
    """A prepared statement by its name: its parameters (`inputs`) or its columns."""

    name: str
    inputs: bool


def explain(words: Words) -> Explain:
    """Read what follows EXPLAIN. Raises GatewayError `sql_syntax`, `sql_not_select` for what is not explained."""
    if words.take("ANALYZE"):
        hint = "EXPLAIN tells of cost and error beforehand; what a query costs an engine is its provider's to see."
        raise GatewayError("sql_not_select", "Queries are not analysed as they run.", hint)
    told = Told.TEXT
    if words.take("("):
        told = _options(words)
    rest = words.rest
    if not rest.strip("; \n\t"):
        raise words.wrong("A query is expected here.")
    before = words.text[: len(words.text) - len(rest)]
    return Explain(_SEEN.sub(" ", before) + rest, told)


def _options(words: Words) -> Told:
    given = {"TYPE": "LOGICAL", "FORMAT": "TEXT"}
    while True:
        name = next((one for one in given if words.take(one)), None)
        if name is None:
            raise words.wrong("TYPE or FORMAT is expected here.")
        given[name] = words.name().upper()
        if not words.take(","):
            break
    words.expect(")")
    if given["TYPE"] == "VALIDATE":
        return Told.VALID
    if given["TYPE"] not in ("LOGICAL", "DISTRIBUTED") or given["FORMAT"] not in ("TEXT", "JSON"):
        hint = "Write EXPLAIN, EXPLAIN (TYPE VALIDATE) or EXPLAIN (FORMAT JSON)."
        raise GatewayError("sql_not_select", "This is not explained.", hint)
    return Told(given["FORMAT"])


def of_quote(quote: Mapping[str, Any], told: Told) -> Results:
    """Return what an EXPLAIN tells of a quote: one row of one column, as Trino's has."""
    if told is Told.JSON:
        return _plan(json.dumps(quote, ensure_ascii=False, indent=2))
    return _valid() if told is Told.VALID else _plan("\n".join(_lines(quote)))


def of_look_up(told: Told) -> Results:
    """Return what an EXPLAIN tells of a question of the catalogue."""
    if told is Told.VALID:
        return _valid()
    text = "A question of the catalogue: answered from policies alone, and free."
    return _plan(text if told is Told.TEXT else json.dumps({"catalogue": True, "price": None}))


def _plan(text: str) -> Results:
    return results([("Query Plan", "VARCHAR")], [[text]])


def _valid() -> Results:
    return results([("Valid", "BOOLEAN")], [[True]])


def _lines(quote: Mapping[str, Any]) -> Iterator[str]:
    privacy, price, expected = quote["privacy"], quote["price"], quote["expected"]
    yield "Answered with noise, and charged once:"
    cost = "nothing: it is stored" if privacy["stored"] else f"rho {privacy['rho']:g}, delta {privacy['delta']:g}"
    yield f"  privacy: {cost}, of epsilon {privacy['epsilon_asked']} asked for"
    yield f"  price: {price['amount']} {price['currency']}"
    cells = "known from the answer alone" if expected["cells"] is None else f"{expected['cells']:,}"
    yield f"  cells: {cells}, keys {expected['partitions']}"
    for name, width in expected["half_width"].items():
        told = "seen with the answer" if width is None else f"± {width:,.4g}"
        yield f"  error of {name} at {expected['confidence']:.4g}: {told}"
    yield "Columns:"
    yield from (f"  {one['name']}: {one['type']}" for one in quote["columns"])
    for name, reasons in quote["reasons"].items():
        yield f"Measured as {name}:"
        yield from (f"  {reason}" for reason in reasons)
    yield from (f"Notice: {notice}" for notice in quote["notices"])


def inputs_of(sql: str) -> Results:
    """Return the parameters of a prepared statement; of which type each is, its constant says."""
    count = _TEXTS.sub(" ", sql).count("?")
    return results([("Position", "BIGINT"), ("Type", "VARCHAR")], [[at, "unknown"] for at in range(count)])


def outputs_of(columns: Columns) -> Results:
    """Return the columns of a prepared statement. Which table each is of is not told: most are computed."""
    told = [("Column Name", "VARCHAR"), ("Catalog", "VARCHAR"), ("Schema", "VARCHAR"), ("Table", "VARCHAR"),
            ("Type", "VARCHAR"), ("Type Size", "BIGINT"), ("Aliased", "BOOLEAN")]  # fmt: skip
    return results(told, [[name, "", "", "", type_, 0, True] for name, type_ in columns])
