"""Tables as an engine tells of them, to the tables of a policy: every guess with its reason. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from gateway.catalog.inspection import EngineColumn, EngineTable
from gateway.catalog.model import DataClass, Use
from gateway.catalog.scalars import sql_type
from gateway.catalog.types import Cell, TypeKind
from gateway.classification import rounding
from gateway.classification.model import Facts, Guess, Link, Looks, Seen, Shape, TableGuess
from gateway.classification.rules import propose
from gateway.classification.shapes import DECLARED, VALUES
from gateway.classification.words import joined, prefix_of, without, words_of

LEAST_PEOPLE = 20
"""A value that fewer have is not proposed as one of a list: the list is public."""

MANY_ROWS = 10_000
CROWD = 10
"""What is proposed of sizes where no values were read."""

LARGEST_CROWD = 1000


@dataclass(frozen=True, slots=True)
class Known:
    """All that a proposal is made from. `enforcing`: the engine takes no promise that it does not keep itself."""

    tables: Sequence[EngineTable]
    shape: Shape
    facts: Facts
    looks: Looks
    enforcing: bool


def proposals(known: Known) -> tuple[TableGuess, ...]:
    """Return each table's proposal: those that lead to the unit, then open ones, then those that are left out."""
    open_tables = frozenset(_open(known))
    private = [_private(known, table, open_tables) for table in known.tables if known.shape.leads(table.name)]
    others = [_other(known, t, open_tables) for t in known.tables if not known.shape.leads(t.name)]
    private.sort(key=lambda guess: guess.table.name != known.shape.unit[0])
    return (*private, *sorted(others, key=lambda guess: bool(guess.left_out)))


def _open(known: Known) -> Iterator[str]:
    """Yield the tables that may be open: rows of others lead to them, and nothing of a person is in them."""
    shape = known.shape
    keys = {shape.unit[1].casefold()}
    keys |= {name.casefold() for step in shape.steps.values() for name in (step.column, step.key)}
    led_to = {link.target for link in shape.links}
    lookups = {
        table.name
        for table in known.tables
        if not shape.leads(table.name)
        and table.kind == "table"
        and (table.name in led_to or _calendar(table))
        and not any(column.name.casefold() in keys for column in table.columns)
        and not any(_guess(known, table, column, frozenset()).identifying for column in table.columns)
    }
    by_name = {table.name: table for table in known.tables}
    while True:  # an open table refers to open ones alone
        kept = {name for name in lookups if all(target in lookups for _, target in by_name[name].references)}
        if kept == lookups:
            yield from sorted(kept)
            return
        lookups = kept


def _calendar(table: EngineTable) -> bool:
    return (
        bool({"calendar", "date", "dates", "day", "days", "rili"} & set(words_of(table.name))) or "日历" in table.name
    )


def _guess(known: Known, table: EngineTable, column: EngineColumn, open_tables: frozenset[str]) -> Guess:
    place = (table.name, column.name)
    words = without(prefix_of([c.name for c in table.columns]), column.name)
    described = known.facts.described.get(place, "")
    key, look = known.shape.keys.get(table.name), known.looks.tables.get(table.name)
    link = next((one for one in known.shape.links if (one.table, one.column) == place), None)
    apart = {(name,) for name in _unique_columns(known, table)}
    seen = Seen(
        table=table.name,
        name=column.name,
        type=sql_type(column.type_text),
        words=joined(words),
        text=f"{column.name} {described}".lower(),
        nullable=column.nullable,
        rows=None if look is None else look.rows,
        look=known.looks.column(*place),
        personal=place in known.facts.personal,
        link=link,
        links_to_public=link is not None and link.target in open_tables,
        identifies=(column.name,) in apart or (key is not None and key.column == column.name),
    )
    return _filled(known, table, seen, propose(seen))


def _unique_columns(known: Known, table: EngineTable) -> frozenset[str]:
    declared = {key[0] for key in table.unique if len(key) == 1}
    return frozenset(declared | {k[0] for name, k in known.facts.unique if name == table.name and len(k) == 1})


def _filled(known: Known, table: EngineTable, seen: Seen, guess: Guess) -> Guess:
    """Return a guess with bounds, values and NULLs: those that somebody wrote, else those that the data show."""
    said = _fitting(known.facts.values.get((seen.table, seen.name)), seen.type.kind)
    if guess.use:
        if said is not None and Use.GROUP in guess.use:
            guess = replace(guess, values=said, bounds=None, why=f"{guess.why}; values as the imported file lists them")
            guess = replace(guess, unsure=(*guess.unsure, "values"))
        elif seen.look is not None:
            guess = _of_values(seen, guess)
    return _not_null(known, table, seen, guess)


def _fitting(values: tuple[Cell, ...] | None, kind: TypeKind) -> tuple[Cell, ...] | None:
    """Return values that somebody wrote as a column of a type holds them; None where they are of another."""
    if values is None:
        return None
    if kind is TypeKind.TEXT:
        return tuple(dict.fromkeys(str(value) for value in values if value is not None))
    whole = kind is TypeKind.INTEGER and all(str(value).lstrip("-").isdigit() for value in values)
    return tuple(dict.fromkeys(int(str(value)) for value in values)) if whole else None


def _of_values(seen: Seen, guess: Guess) -> Guess:
    look = seen.look
    assert look is not None  # INVARIANT: asked where values were read
    if seen.type.kind is TypeKind.TEXT and look.common is not None and Use.GROUP in guess.use:
        many = tuple(value for value, people in look.common if people >= LEAST_PEOPLE)
        if not many:
            return guess
        fewer = "" if len(many) == len(look.common) else f"; those that fewer than {LEAST_PEOPLE} have are left out"
        why = f"{guess.why}; listed from values{fewer}"
        return replace(guess, values=tuple(sorted(many, key=str)), why=why, unsure=(*guess.unsure, "values"))
    if guess.bounds is None and look.low is not None and look.high is not None:
        bounds = rounding.outward(look.low, look.high)
        if bounds is not None:
            why = f"{guess.why}; bounds from values, rounded outward"
            return replace(guess, bounds=bounds, why=why, unsure=(*guess.unsure, "bounds"))
    return guess


def _not_null(known: Known, table: EngineTable, seen: Seen, guess: Guess) -> Guess:
    """Return a guess that promises no NULL, where an import says so or none was seen, and the engine does not."""
    if not seen.nullable or not guess.use:
        return guess
    said = (table.name, seen.name) in known.facts.not_null
    empty = seen.look is not None and seen.look.nulls == 0 and seen.rows is not None and seen.rows > 0
    if not (said or empty):
        return guess
    how = "as the imported file says" if said else "from values"
    if known.enforcing:
        return replace(guess, why=f"{guess.why}; no NULL, {how}: SET NOT NULL, and write nullable: false")
    return replace(guess, not_null=True, why=f"{guess.why}; no NULL, {how}", unsure=(*guess.unsure, "nullable"))


def _rows(known: Known, table: EngineTable) -> tuple[int, tuple[str, str]]:
    look = known.looks.tables.get(table.name)
    if look is None:
        return MANY_ROWS, ("rows", "no values were read: write a public order of magnitude")
    return rounding.magnitude(look.rows), ("rows", "from values, to one digit: a public order of magnitude")


def _private(known: Known, table: EngineTable, open_tables: frozenset[str]) -> TableGuess:
    shape = known.shape
    columns = {}
    for column in table.columns:
        if shape.is_key((table.name, column.name)):
            why = "the key of the people protected" if (table.name, column.name) == shape.unit else "leads to them"
            columns[column.name] = Guess(f"{why}: never shown, joined on and counted", DataClass.CORE)
        else:
            columns[column.name] = _guess(known, table, column, open_tables)
    rows, unsure = _rows(known, table)
    step = shape.steps.get(table.name)
    unique, doubts = _unique(known, table)
    crowd = _crowd(known, table, step)
    notes = [unsure, *doubts]
    if step is not None:
        notes.append(("unit_path", _why_step(known, step)))
    if crowd is not None:
        how = "from values: " if table.name in known.looks.crowd else ""
        notes.append(("per_unit", f"{how}what counts of one person: it decides accuracy more than epsilon does"))
    return TableGuess(table, rows, columns, unique, step, crowd, unsure=tuple(notes))


def _why_step(known: Known, step: Link) -> str:
    why = "declared elsewhere" if step.declared else "by names"
    strays = ((step.table, step.column), (step.target, step.key)) in known.looks.strays
    return f"{why}; some rows lead to nobody, and are never read" if strays else why


def _crowd(known: Known, table: EngineTable, step: Link | None) -> tuple[int, int] | None:
    """Return how many rows and groups of one person are to count; None for a table of one row each."""
    key = known.shape.keys.get(table.name)
    alone = step is None and key is not None and key.column == known.shape.unit[1] and _relied(known, table, key.column)
    if alone:
        return None
    most = known.looks.crowd.get(table.name)
    if most is None:
        return CROWD, CROWD
    rounded = min(int(rounding.above(Decimal(max(most, 1)))), LARGEST_CROWD)
    return rounded, min(rounded, CROWD)


def _relied(known: Known, table: EngineTable, column: str) -> bool:
    return (column,) in _unique(known, table)[0]


def _unique(known: Known, table: EngineTable) -> tuple[tuple[tuple[str, ...], ...], list[tuple[str, str]]]:
    """Return the keys that a policy declares, and the doubts about them."""
    names = {column.name.casefold(): column.name for column in table.columns}
    said = [key for name, key in sorted(known.facts.unique) if name == table.name]
    declared = [tuple(names.get(c.casefold(), c) for c in key) for key in (*table.unique, *said)]
    found = dict.fromkeys(declared)
    doubts = []
    if said and known.enforcing and not set(declared) <= set(table.unique):
        doubts.append(("unique", "as the imported file says: only a constraint of the server is taken"))
    key = known.shape.keys.get(table.name)
    if key is not None and key.how != DECLARED and (key.column,) not in found and _wanted(known, table, key.column):
        found[key.column,] = None
        how = "from values" if key.how == VALUES else "by its name: checked when it is published"
        doubts.append(("unique", f"{how}, and a constraint has to keep it" if known.enforcing else how))
    return tuple(found), doubts


def _wanted(known: Known, table: EngineTable, column: str) -> bool:
    """Tell whether somebody relies on a key: the unit's own table, a path, or a join with an open table."""
    shape = known.shape
    led_to = any((link.target, link.key) == (table.name, column) for link in shape.links)
    return (table.name, column) == shape.unit or led_to or not shape.leads(table.name)


def _other(known: Known, table: EngineTable, open_tables: frozenset[str]) -> TableGuess:
    rows, unsure = _rows(known, table)
    if table.name in open_tables:
        unique, doubts = _unique(known, table)
        why = "nothing leads from it to a person, and it looks like a list of things: every row may be read"
        return TableGuess(table, rows, {}, unique, public=True, unsure=(("public", why), unsure, *doubts))
    if table.kind != "table":
        return TableGuess(table, rows, {}, left_out="a view: name base tables")
    holding = [c.name for c in table.columns if _guess(known, table, c, open_tables).identifying]
    reason = f"holds {', '.join(holding[:3])}" if holding else "nothing is known of whom it speaks"
    why = f"no column leads to {'.'.join(known.shape.unit)}, and {reason}: give it a unit_path, or public: true"
    return TableGuess(table, rows, {}, left_out=why)


def confirmations(guesses: Sequence[TableGuess]) -> Iterator[tuple[str, str]]:
    """Yield (place in the policy, what of it or why) for everything of some tables that somebody has to confirm."""
    for guess in guesses:
        if guess.left_out:
            continue
        path = f"tables.{guess.table.name}"
        yield from ((f"{path}.{key}", "") for key, _ in guess.unsure)
        if not guess.public:
            yield f"{path}.columns", "classes and uses"
        for name, column in guess.columns.items():
            if column.unsure:
                yield f"{path}.columns.{name}", ", ".join(column.unsure)
