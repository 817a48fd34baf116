"""What changes from one policy to another, in words: who gains or loses what. Pure.

Both are laid out as paths with values, and each path that differs has a sentence: of its own where its place has words
for it, else that the one value becomes the other. So no key is left out, also none that a later gateway adds.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.catalog.document import PolicyDocument

Path = tuple[str, ...]

ANY = "*"
"""A part of a pattern that a policy's writer names: a table, a column, a grant, a price plan, a payee."""

NONE = object()
"""Where a path is not there at all: its table, column, grant, plan or payee is not."""

SETS = frozenset({"use", "values", "purposes", "jurisdictions", "unique"})
"""Lists of which each member stands for itself."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of a policy that is another, and what that means."""

    path: str
    words: str


def differences(old: PolicyDocument, new: PolicyDocument) -> tuple[Difference, ...]:
    """Return what changes from one policy to another; nothing where their versions are one."""
    return compared(*(one.model_dump(mode="json", by_alias=True) for one in (old, new)))


def compared(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return the same of policies in the canonical form that their versions are hashes of."""
    before, after = _laid_out(old), _laid_out(new)
    found: list[Difference] = []
    told: set[Path] = set()
    for path in [*before, *(path for path in after if path not in before)]:
        was, now = before.get(path, NONE), after.get(path, NONE)
        if was == now or _opens_out(path, before if was is NONE else after):
            continue
        whole = _whole(path, before, after)
        if whole is None:
            found += [Difference(".".join(path), words) for words in _said(path, was, now)]
        elif whole not in told:  # a table, column, grant or plan that comes or goes is one sentence
            told.add(whole)
            gone = whole in before
            found.append(Difference(".".join(whole), _come_or_gone(whole, _under(whole, before | after), gone=gone)))
    return (*found, *_order(old, new))


# -- laying a policy out ----------------------------------------------------------------------------------------------


def _laid_out(content: Mapping[str, Any]) -> dict[Path, Any]:
    return dict(_paths((), {**content, "grants": {_grant(one): one for one in content["grants"]}}))


def _grant(entry: Mapping[str, Any]) -> str:
    """Return the name of a grant, as catalog/entries.py gives it."""
    to = entry["to"]
    return str(entry["name"] or to["organisation"] + (f":{to['subject']}" if to["subject"] is not None else ""))


def _order(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Say that grants which both policies have stand in another order: the first that covers a request is taken."""
    were, are = [_grant(one) for one in old["grants"]], [_grant(one) for one in new["grants"]]
    stood, stand = [name for name in were if name in are], [name for name in are if name in were]
    if stood == stand:
        return []
    words = f"Grants stand as {_shown(stand)}, and stood as {_shown(stood)}: the first that covers a request is taken."
    return [Difference("grants", words)]


def _paths(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        if len(path) in (2, 4) and path[0] in NAMED:
            yield path, {}  # it is there, whatever it says
        for key, inner in value.items():
            yield from _paths((*path, str(key)), inner)
    else:
        yield path, value


NAMED = {"tables": 2, "grants": 2, "prices": 2}
"""Parts whose members a policy's writer names, and how long the path of such a member is."""


def _opens_out(path: Path, other: Mapping[Path, Any]) -> bool:
    """Tell whether what one policy says nothing of has parts in the other, each with a sentence of its own."""
    return path not in other and any(one[: len(path)] == path for one in other)


def _whole(path: Path, before: Mapping[Path, Any], after: Mapping[Path, Any]) -> Path | None:
    """Return the table, column, grant or plan around a path that only one of the policies has."""
    if path[0] not in NAMED:
        return None
    lengths = [2, 4] if path[0] == "tables" and path[2:3] == ("columns",) else [2]
    for length in lengths:
        around = path[:length]
        if len(around) == length and (around in before) is not (around in after):
            return around
    return None


def _under(whole: Path, laid: Mapping[Path, Any]) -> dict[str, Any]:
    return {".".join(path[len(whole) :]): value for path, value in laid.items() if path[: len(whole)] == whole}


# -- sentences --------------------------------------------------------------------------------------------------------


def _come_or_gone(whole: Path, side: Mapping[str, Any], *, gone: bool) -> str:
    name = whole[1]
    if whole[0] == "grants":
        who = _recipient(side)
        if gone:
            return f"{who} loses its grant '{name}' ({_terms(side)})."
        return f"{who} gains a grant '{name}': {_terms(side)}."
    if whole[0] == "prices":
        said = _listed(side)
        return f"The price plan '{name}' is gone." if gone else f"There is a new price plan '{name}': {said}."
    if len(whole) == 4:
        column = f"{name}.{whole[3]}"
        uses = ", ".join(side.get("use") or ()) or "nothing"
        if gone:
            return f"Buyers lose the column {column}, which they might {uses} by."
        return f"Buyers gain the column {column}, of class {side.get('class')}: {_listed(side)}."
    shown = "public" if side.get("public") else "private"
    return f"Buyers lose the table {name}." if gone else f"Buyers gain the {shown} table {name}: {_listed(side)}."


def _recipient(side: Mapping[str, Any]) -> str:
    subject = side.get("to.subject")
    return f"{side.get('to.organisation')}" + (f" ({subject})" if subject else "")


def _terms(side: Mapping[str, Any]) -> str:
    return _listed({key: value for key, value in side.items() if key and not key.startswith("to.")})


def _listed(side: Mapping[str, Any]) -> str:
    """Return what is said of a part, without what is not."""
    said = [f"{key} {_shown(value)}" for key, value in side.items() if key and value not in (None, [], {}, "", False)]
    return ", ".join(said) or "nothing is said of it"


def _shown(value: Any) -> str:
    if value is None or value is NONE:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_shown(one) for one in value)}]"
    if isinstance(value, dict):
        return "{}" if not value else ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
    return str(value)


def _said(path: Path, was: Any, now: Any) -> list[str]:
    if path[-1] in SETS and isinstance(was, list | None) and isinstance(now, list | None):
        return _of_set(path, was, now)
    words = next((words for pattern, words in WORDS if _matches(pattern, path)), None)
    return [words(path, was, now) if words is not None else _plainly(path, was, now)]


def _matches(pattern: Path, path: Path) -> bool:
    return len(pattern) == len(path) and all(p in (ANY, part) for p, part in zip(pattern, path, strict=True))


def _plainly(path: Path, was: Any, now: Any) -> str:
    return f"{'.'.join(path)}: {_shown(was)} becomes {_shown(now)}."


def _of_set(path: Path, was: list[Any] | None, now: list[Any] | None) -> list[str]:
    """Say what a list gains and loses; where neither, that it is another all the same."""
    if was is None or now is None or (path[0] == "grants" and not (was and now)):
        return [_opened(path, was, now)]
    gained, lost = [one for one in now if one not in was], [one for one in was if one not in now]
    subject = _subject(path)
    said = [f"{subject} gains {path[-1]} {_shown(one)}." for one in gained]
    said += [f"{subject} loses {path[-1]} {_shown(one)}." for one in lost]
    return said or [f"{subject}: {path[-1]} stands in another order: {_shown(now)}."]


def _opened(path: Path, was: list[Any] | None, now: list[Any] | None) -> str:
    """Say of a list that is not there what that means: a grant without purposes is for any."""
    if path[0] == "grants":
        if not now:
            return f"{_subject(path)} gains: it is no longer held to {path[-1]} {_shown(was)}."
        return f"{_subject(path)} loses: it is held to {path[-1]} {_shown(now)}."
    return f"{_subject(path)}: {path[-1]} {_shown(was)} becomes {_shown(now)}."


def _subject(path: Path) -> str:
    if path[0] == "grants":
        return f"The grant '{path[1]}'"
    if path[0] == "tables" and len(path) == 5:
        return f"The column {path[1]}.{path[3]}"
    return f"The table {path[1]}" if path[0] == "tables" else ".".join(path[:-1])


def _rise(was: Any, now: Any) -> bool | None:
    """Tell whether a number grew; None is no limit, and so more than any. None where they do not compare."""
    was, now = (None if one is NONE else one for one in (was, now))
    if was is None or now is None:
        return now is None
    try:
        return Decimal(str(now)) > Decimal(str(was))
    except InvalidOperation:
        return None


def _limit(what: str) -> Callable[[Path, Any, Any], str]:
    """Return words for a limit: who may have more of it gains."""

    def words(path: Path, was: Any, now: Any) -> str:
        inherits = path[-1] == "delta" and any(one in (None, NONE) for one in (was, now))
        grew = None if inherits else _rise(was, now)
        who = _subject(path) if path[0] == "grants" else "Buyers"
        verb = {True: "gain", False: "lose", None: "see a change"}[grew] + ("s" if who != "Buyers" else "")
        return f"{who} {verb.replace('see a changes', 'sees a change')}: {what} {_shown(was)} becomes {_shown(now)}."

    return words


def _price(path: Path, was: Any, now: Any) -> str:
    grew = _rise(was, now)
    verb = {True: "costs more", False: "costs less", None: "costs otherwise"}[grew]
    what = ".".join(path[2:])
    return f"The price plan '{path[1]}' {verb}: {what} {_shown(was)} becomes {_shown(now)}."


def _share(path: Path, was: Any, now: Any) -> str:
    share = "0" if now is NONE else _shown(now)
    before = "0" if was is NONE else _shown(was)
    return f"{path[3]} is paid {share} of what the price plan '{path[1]}' takes, and was paid {before}."


def _class(path: Path, was: Any, now: Any) -> str:
    return f"The column {path[1]}.{path[3]} is of class {_shown(now)}, and was of class {_shown(was)}."


def _of_column(what: str) -> Callable[[Path, Any, Any], str]:
    def words(path: Path, was: Any, now: Any) -> str:
        return f"The column {path[1]}.{path[3]}: {what} {_shown(was)} becomes {_shown(now)}."

    return words


def _of_table(what: str) -> Callable[[Path, Any, Any], str]:
    def words(path: Path, was: Any, now: Any) -> str:
        return f"The table {path[1]}: {what} {_shown(was)} becomes {_shown(now)}."

    return words


def _review(path: Path, was: Any, now: Any) -> str:
    what = {"reviewed_by": "reviewer that the policy states", "valid_until": "last day"}[path[1]]
    return f"The {what} is {_shown(now)}, and was {_shown(was)}."


def _days(path: Path, was: Any, now: Any) -> str:
    who = {"query_texts": "The provider reads queries' SQL", "answers": "Buyers fetch their answers again"}[path[1]]
    return f"{who} for {_shown(now)} days, and did for {_shown(was)}."


_BUDGET = ("budget", "per_organisation", "per_buyer")
_LEARNT = {"budget": "everyone together", "per_organisation": "an organisation", "per_buyer": "a buyer"}

WORDS: tuple[tuple[Path, Callable[[Path, Any, Any], str]], ...] = (
    (("grants", ANY, "uses"), _limit("the number of uses")),
    (("grants", ANY, "at_once"), _limit("how many queries may run at once")),
    (("grants", ANY, "budget"), _limit("its own privacy budget")),
    (("grants", ANY, "budget", "epsilon"), _limit("the epsilon of its own budget")),
    (("grants", ANY, "budget", "delta"), _limit("the delta of its own budget")),
    (("grants", ANY, "spend", "amount"), _limit("the most money")),
    *(
        (("privacy", level, part), _limit(f"the {part} of {_LEARNT[level]}"))
        for level in _BUDGET
        for part in ("epsilon", "delta")
    ),
    *((("privacy", level), _limit(f"the budget of {_LEARNT[level]}")) for level in _BUDGET[1:]),
    (("privacy", "per_query", "max_epsilon"), _limit("the most epsilon of one query")),
    (("privacy", "max_cells"), _limit("the most cells of an answer")),
    (("tables", ANY, "columns", ANY, "class"), _class),
    (("tables", ANY, "columns", ANY, "bounds"), _of_column("its bounds")),
    (("tables", ANY, "columns", ANY, "granularity"), _of_column("the step of its sums")),
    (("tables", ANY, "columns", ANY, "per_unit_sum"), _of_column("the bounds of one unit's sum")),
    (("tables", ANY, "columns", ANY, "nullable"), _of_column("whether it may be NULL,")),
    (("tables", ANY, "rows"), _of_table("its declared rows")),
    (("tables", ANY, "per_unit"), _of_table("the bounds of one unit's contribution")),
    (("tables", ANY, "per_unit", "rows"), _of_table("the rows of one unit that count in a group")),
    (("tables", ANY, "per_unit", "groups"), _of_table("the groups that one unit counts in")),
    (("tables", ANY, "public"), _of_table("whether its rows may be read as they are,")),
    (("prices", ANY, "income_split", ANY), _share),
    (("prices", ANY, "per_query"), _price),
    (("prices", ANY, "per_epsilon"), _price),
    (("prices", ANY, "per_million_rows"), _price),
    (("prices", ANY, "minimum"), _price),
    (("prices", ANY, "class_factor", ANY), _price),
    (("compliance", "reviewed_by"), _review),
    (("compliance", "valid_until"), _review),
    (("retention", "query_texts"), _days),
    (("retention", "answers"), _days),
)
"""Places with words of their own; every other place is said plainly."""
