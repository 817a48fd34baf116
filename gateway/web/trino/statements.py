"""Which statement a text is. Queries stay text: what they mean is read in a worker."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.web.trino.explaining import Describe, Explain, explain
from gateway.web.trino.showing import Shown, shown
from gateway.web.trino.words import Words


@dataclass(frozen=True, slots=True)
class Query:
    """A query, with the text behind USING where it has parameters."""

    sql: str
    parameters: str | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """Another schema, and if it is named another catalogue."""

    catalog: str | None
    schema: str


@dataclass(frozen=True, slots=True)
class SetSession:
    """A session property, its value as text; None puts it back."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Prepare:
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Execute:
    """A prepared statement by its name, with the text behind USING."""

    name: str
    parameters: str | None


@dataclass(frozen=True, slots=True)
class Immediate:
    """A statement in a text, with the text behind USING."""

    sql: str
    parameters: str | None


@dataclass(frozen=True, slots=True)
class Deallocate:
    name: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """START TRANSACTION, COMMIT or ROLLBACK: nothing is ever written, so that they change nothing."""

    words: str


@dataclass(frozen=True, slots=True)
class Kill:
    query_id: str


Spoken = (
    Query
    | Shown
    | Use
    | SetSession
    | Prepare
    | Execute
    | Immediate
    | Deallocate
    | Transaction
    | Kill
    | Explain
    | Describe
)


def spoken(text: str) -> Spoken:
    """Return which statement a text is; what is no command is a query, or is refused as one. Raises `sql_syntax`."""
    words = Words(text)
    for first, read in _COMMANDS.items():
        if words.take(first):
            return read(words)
    return _described(words) or shown(words) or Query(text)


def _described(words: Words) -> Describe | None:
    """Read DESCRIBE INPUT or OUTPUT of a prepared statement; of a table with either name no other name follows."""
    for inputs, word in ((True, "INPUT"), (False, "OUTPUT")):
        ahead = Words(words.rest)
        if ahead.take("DESCRIBE", word) and not ahead.rest.startswith(".") and ahead.rest.strip("; \n\t"):
            words.take("DESCRIBE", word)
            name = words.name()
            words.end()
            return Describe(name, inputs)
    return None


def _use(words: Words) -> Use:
    names = words.names(2)
    words.end()
    return Use(names[0] if len(names) == 2 else None, names[-1])


def _set(words: Words) -> SetSession:
    words.expect("SESSION")
    name = _property(words)
    words.expect("=")
    value = words.value()
    words.end()
    return SetSession(name, value)


def _reset(words: Words) -> SetSession:
    words.expect("SESSION")
    name = _property(words)
    words.end()
    return SetSession(name, None)


def _property(words: Words) -> str:
    """Read a property's name; a catalogue before it may be left out."""
    names = words.names(2)
    return ".".join(names).casefold().removeprefix("gateway.")


def _prepare(words: Words) -> Prepare:
    name = words.name()
    words.expect("FROM")
    return Prepare(name, words.rest)


def _execute(words: Words) -> Execute | Immediate:
    immediate = words.take("IMMEDIATE")
    what = words.string() if immediate else words.name()
    parameters = words.rest if words.take("USING") and words.rest else None
    if parameters is None:
        words.end()
    return Immediate(what, parameters) if immediate else Execute(what, parameters)


def _deallocate(words: Words) -> Deallocate:
    words.expect("PREPARE")
    name = words.name()
    words.end()
    return Deallocate(name)


def _start(words: Words) -> Transaction:
    words.expect("TRANSACTION")
    return Transaction("START TRANSACTION")


def _commit(words: Words) -> Transaction:
    words.take("WORK")
    words.end()
    return Transaction("COMMIT")


def _rollback(words: Words) -> Transaction:
    words.take("WORK")
    words.end()
    return Transaction("ROLLBACK")


def _call(words: Words) -> Kill:
    if ".".join(words.names(3)).casefold() != "system.runtime.kill_query":
        raise GatewayError("sql_not_select", "There is no such procedure.", "Call system.runtime.kill_query.")
    words.expect("(")
    given: dict[str, str] = {}
    for position in ("query_id", "message"):
        named = [name for name in ("query_id", "message") if words.take(name.upper(), "=>")]
        given[named[0] if named else position] = words.string()
        if not words.take(","):
            break
    words.expect(")")
    words.end()
    if "query_id" not in given:
        raise GatewayError("bad_request", "`query_id` is missing.", "Say which query is to end.")
    return Kill(given["query_id"])


_COMMANDS: dict[str, Callable[[Words], Spoken]] = {
    "USE": _use,
    "SET": _set,
    "RESET": _reset,
    "PREPARE": _prepare,
    "EXECUTE": _execute,
    "DEALLOCATE": _deallocate,
    "START": _start,
    "COMMIT": _commit,
    "ROLLBACK": _rollback,
    "CALL": _call,
    "EXPLAIN": explain,
}
