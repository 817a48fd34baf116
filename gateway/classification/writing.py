"""A proposal as the text of a policy file, every guess with its reason as a comment. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from json import dumps

from gateway.classification.model import Guess, Place, TableGuess
from gateway.classification.proposing import confirmations

WIDTH = 118

_PLAIN = re.compile(r"[A-Za-z\u3400-\u9fff](?:[A-Za-z0-9_.\u3400-\u9fff-]*[A-Za-z0-9_\u3400-\u9fff])?")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_NAMEABLE = re.compile(r"[^\x00-\x1f/]{1,128}")


@dataclass(frozen=True, slots=True)
class Heading:
    """What a proposal says beside its tables: `engine` is the policy's entry, as (key, value), `notes` are comments."""

    dataset: str
    organisation: str
    engine: tuple[tuple[str, str], ...]
    unit: Place
    why: str
    from_values: bool
    notes: tuple[str, ...] = ()


def write(heading: Heading, guesses: Sequence[TableGuess]) -> str:
    """Return the text of a policy that is refused until every line of its `confirm` is taken away."""
    named = [guess for guess in guesses if _NAMEABLE.fullmatch(guess.table.name)]
    lines = [*_head(heading), *_standing(heading), "tables:"]
    for guess in named:
        lines += _table(guess)
    strange = [guess.table.name for guess in guesses if guess not in named]
    lines += [f"  # {_comment(name)}: no policy can name it: rename the table" for name in strange]
    lines += ["", *_confirm(heading, named), "", *_GRANTS]
    return "\n".join(lines) + "\n"


def _head(heading: Heading) -> Iterator[str]:
    yield "# A proposal: guessed from names and types" + (", and from values." if heading.from_values else ".")
    yield "# Nobody is served by it while anything stands under `confirm`. Look at each place there, correct it, take"
    yield "# its line away, and say `gateway policy check` with this file."
    yield "# Everything in a policy is public, its bounds, values and sizes too."
    if heading.from_values:
        yield "# WARNING: what says `from values` tells of the data, if only a magnitude, or that many have a value."
        yield "# Write in its place what everybody may know."
    yield from (f"# {_comment(note)}" for note in heading.notes)


def _standing(heading: Heading) -> Iterator[str]:
    engine = ", ".join(f"{key}: {text(value)}" for key, value in heading.engine)
    yield f"dataset: {text(heading.dataset)}"
    yield 'title: ""'
    yield f"provider: {{organisation: {text(heading.organisation)}}}"
    yield f"engine: {{{engine}}}"
    yield "compliance:"
    yield "  source: to be written"
    yield "  legal_basis: to be written"
    yield "  # reviewed_by: whoever reviews it, and is not its provider"
    yield "privacy:"
    table, key = heading.unit
    yield f"  unit: {{table: {text(table)}, key: {text(key)}}}   # {_comment(heading.why)}"
    yield "  budget: {epsilon: 10, delta: 1.0e-6}   # everyone together"
    yield "  per_organisation: {epsilon: 5}"
    yield "  per_buyer: {epsilon: 3}"
    yield "  per_query: {default_epsilon: 0.25, max_epsilon: 0.4}"
    yield "  min_units: 10"


def _table(guess: TableGuess) -> Iterator[str]:
    name, why = text(guess.table.name), dict(guess.unsure)
    if guess.left_out:
        yield f"  # {_comment(guess.table.name)}: left out: {_comment(guess.left_out)}"
        return
    yield f"  {name}:"
    if guess.public:
        yield f"    public: true   # {_comment(why['public'])}"
    yield f"    rows: {guess.rows:_}   # {_comment(why['rows'])}"
    if guess.unique:
        keys = ", ".join("[" + ", ".join(map(text, key)) + "]" for key in guess.unique)
        yield f"    unique: [{keys}]" + (f"   # {_comment(why['unique'])}" if "unique" in why else "")
    if guess.step is not None:
        target = text(f"{guess.step.target}.{guess.step.key}")
        yield f"    unit_path: {{{text(guess.step.column)}: {target}}}   # {_comment(why['unit_path'])}"
    if guess.per_unit is not None:
        rows, groups = guess.per_unit
        yield f"    per_unit: {{rows: {rows}, groups: {groups}}}   # {_comment(why['per_unit'])}"
    if not guess.public:
        yield "    columns:"
        for column, one in guess.columns.items():
            yield from _column(column, one)


def _column(name: str, guess: Guess) -> Iterator[str]:
    """Yield a column's entry with its reason: behind it where there is room, else above it."""
    if not _NAMEABLE.fullmatch(name):
        yield f"      # {_comment(name)}: no policy can name it: rename the column"
        return
    entry = f"      {text(name)}: {{{', '.join(_members(guess))}}}"
    reason = f"# {_comment(guess.why)}"
    if len(entry) + 3 + len(reason) <= WIDTH:
        yield f"{entry}   {reason}"
    else:
        yield f"      {reason}"
        yield entry


def _members(guess: Guess) -> Iterator[str]:
    yield f"class: {guess.data_class.value}"
    if guess.use:
        yield f"use: [{', '.join(use.value for use in guess.use)}]"
    if guess.values is not None:
        yield f"values: [{', '.join(map(text, guess.values))}]"
    if guess.bounds is not None:
        yield f"bounds: [{', '.join(map(text, guess.bounds))}]"
    if guess.granularity is not None:
        yield f"granularity: {guess.granularity:f}"
    if guess.not_null:
        yield "nullable: false"


def _confirm(heading: Heading, guesses: Sequence[TableGuess]) -> Iterator[str]:
    yield "confirm:   # take a line away once its place says what is so; with any left, nothing is served"
    yield "  - provider"
    yield "  - compliance"
    yield f"  - privacy.unit   # {_comment(heading.why)}"
    yield "  - privacy.budget   # what all together, an organisation and a buyer may learn"
    for place, what in confirmations(guesses):
        yield f"  - {text(place)}" + (f"   # {what}" if what else "")


_GRANTS = (
    "# Nobody may ask before somebody is granted it:",
    "# grants:",
    "#   - {to: {organisation: whoever-buys}, mode: authorised, purposes: [research], price_plan: standard}",
    "# prices:",
    "#   standard: {currency: CNY, per_query: 0.50, per_epsilon: 20.00}",
)


def text(value: object) -> str:
    """Return a value as YAML that reads back as itself: numbers and dates plain, texts quoted unless plain words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    plain = _PLAIN.fullmatch(str(value)) and str(value).lower() not in _WORDS
    if plain:
        return str(value)
    # a policy reads no anchors and aliases, and takes a word that begins like one for one
    return dumps(str(value), ensure_ascii=False).replace("&", "\\u0026").replace("*", "\\u002a")


def _comment(words: str) -> str:
    """Return words as one line: names may hold anything."""
    return "".join(letter if letter.isprintable() and letter not in "&*" else "?" for letter in words)
