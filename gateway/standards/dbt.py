"""What a dbt properties file says of tables: its sources, models, columns and tests, as facts for a proposal. Pure.

A test that holds of some rows only, or that only warns, is no fact: it is noted, and not taken over.
"""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gateway.catalog.shallow import ShallowScanner
from gateway.catalog.types import Cell
from gateway.classification.model import Facts, Place
from gateway.errors import GatewayError

MAX_BYTES = 4 * 1024 * 1024

_REF = re.compile(r"""^\s*(?:ref|source)\s*\(\s*(?:['"][^'"]+['"]\s*,\s*)?['"]([^'"]+)['"].*\)\s*$""")
_PERSONAL = frozenset({"pii", "personal", "sensitive", "confidential", "gdpr"})


@dataclass(slots=True)
class _Reading:
    unique: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)
    not_null: set[Place] = field(default_factory=set)
    values: dict[Place, tuple[Cell, ...]] = field(default_factory=dict)
    references: dict[Place, Place] = field(default_factory=dict)
    described: dict[Place, str] = field(default_factory=dict)
    personal: set[Place] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    called: dict[str, str] = field(default_factory=dict)
    """The table that each source's or model's name stands for."""

    def table(self, name: str, node: Mapping[str, Any]) -> None:
        for test in _tests(node):
            self.test_of_table(name, test)
        for constraint in _list(node.get("constraints")):
            self.constraint(name, None, constraint)
        for column in _list(node.get("columns")):
            if isinstance(column, Mapping) and isinstance(column.get("name"), str):
                self.column(name, column["name"], column)

    def column(self, table: str, name: str, node: Mapping[str, Any]) -> None:
        place = (table, name)
        if isinstance(node.get("description"), str):
            self.described[place] = node["description"]
        if _personal(node):
            self.personal.add(place)
        for test in _tests(node):
            self.test_of_column(place, test)
        for constraint in _list(node.get("constraints")):
            self.constraint(table, name, constraint)

    def test_of_column(self, place: Place, test: Any) -> None:
        kind, arguments = _named(test)
        table, name = place
        if kind is None:
            return
        if not _whole(arguments):
            self.notes.append(f"{table}.{name}: the test {kind} is of some rows, or only warns: not taken over")
        elif kind == "unique":
            self.unique.add((table, (name,)))
        elif kind == "not_null":
            self.not_null.add(place)
        elif kind == "accepted_values" and isinstance(arguments.get("values"), list):
            self.accepted(place, arguments["values"])
        elif kind == "relationships" and isinstance(arguments.get("field"), str):
            self.refer(place, arguments.get("to"), arguments["field"])
        else:
            self.notes.append(f"{table}.{name}: the test {kind} says nothing that a policy can: not taken over")

    def test_of_table(self, table: str, test: Any) -> None:
        kind, arguments = _named(test)
        if kind is None:
            return
        columns = arguments.get("combination_of_columns")
        together = kind.rpartition(".")[2] == "unique_combination_of_columns" and _texts(columns)
        if together and _whole(arguments):
            self.unique.add((table, tuple(columns or ())))
        else:
            self.notes.append(
                f"{table}: the test {kind} says nothing that a policy can, or of some rows: not taken over"
            )

    def constraint(self, table: str, column: str | None, node: Any) -> None:
        if not isinstance(node, Mapping):
            return
        columns = tuple(node["columns"]) if _texts(node.get("columns")) else ((column,) if column is not None else ())
        match node.get("type"):
            case "primary_key" | "unique" if columns:
                self.unique.add((table, columns))
                if node["type"] == "primary_key":
                    self.not_null |= {(table, name) for name in columns}
            case "not_null" if columns:
                self.not_null |= {(table, name) for name in columns}
            case "foreign_key" if len(columns) == 1 and _texts(node.get("to_columns")) and len(node["to_columns"]) == 1:
                self.refer((table, columns[0]), node.get("to"), node["to_columns"][0])
            case kind:
                where = table if column is None else f"{table}.{column}"
                self.notes.append(f"{where}: the constraint {kind} is not taken over")

    def accepted(self, place: Place, values: list[Any]) -> None:
        if all(isinstance(value, str | int) for value in values):  # True and False are whole numbers to Python
            self.values[place] = tuple(values)
        else:
            self.notes.append(f"{place[0]}.{place[1]}: the accepted values are neither texts nor whole numbers")

    def refer(self, place: Place, to: Any, column: str) -> None:
        found = _REF.match(to) if isinstance(to, str) else None
        if found is None:
            self.notes.append(f"{place[0]}.{place[1]}: what it refers to is no ref() or source(): not taken over")
        else:
            self.references[place] = (found[1], column)

    def facts(self) -> Facts:
        references = {here: (self.called.get(t, t), column) for here, (t, column) in self.references.items()}
        return Facts(
            frozenset(self.unique),
            frozenset(self.not_null),
            self.values,
            references,
            self.described,
            frozenset(self.personal),
            tuple(self.notes),
        )


def facts(text: str, name: str) -> Facts:
    """Return what a dbt properties file says. Raises GatewayError `policy_invalid` where it is none."""
    reading = _Reading()
    tables = list(_tables(_loaded(text, name)))
    for called, table, _ in tables:
        reading.called[called] = table
    for _, table, node in tables:
        reading.table(table, node)
    if not tables:
        hint = "Name a file with `models:` or `sources:`, with tables and columns under them."
        raise GatewayError("policy_invalid", f"{name} says nothing of any table.", hint)
    return reading.facts()


def _loaded(text: str, name: str) -> Mapping[str, Any]:
    if len(text.encode()) > MAX_BYTES:
        raise GatewayError("policy_invalid", f"{name} is larger than 4 MiB.", "Split it.")
    reader = YAML(typ="safe", pure=True)
    reader.Scanner = ShallowScanner
    reader.version = (1, 2)
    try:
        tree = reader.load(io.StringIO(text))
    except (YAMLError, ValueError, RecursionError):
        raise GatewayError("policy_invalid", f"{name} is not YAML.", "Name a dbt properties file.") from None
    if not isinstance(tree, dict):
        raise GatewayError("policy_invalid", f"{name} is no mapping.", "Name a dbt properties file.")
    return tree


def _tables(tree: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield (name in dbt, name of the table, what is said of it) of models, seeds and snapshots, and of sources."""
    for kind in ("models", "seeds", "snapshots"):
        for node in _list(tree.get(kind)):
            if isinstance(node, Mapping) and isinstance(node.get("name"), str):
                config = node.get("config")
                alias = config.get("alias") if isinstance(config, Mapping) else None
                yield node["name"], alias if isinstance(alias, str) else node["name"], node
    for source in _list(tree.get("sources")):
        for node in _list(source.get("tables")) if isinstance(source, Mapping) else ():
            if isinstance(node, Mapping) and isinstance(node.get("name"), str):
                identifier = node.get("identifier")
                yield node["name"], identifier if isinstance(identifier, str) else node["name"], node


def _list(node: Any) -> list[Any]:
    return node if isinstance(node, list) else []


def _texts(node: Any) -> bool:
    return isinstance(node, list) and bool(node) and all(isinstance(one, str) for one in node)


def _tests(node: Mapping[str, Any]) -> list[Any]:
    return [*_list(node.get("tests")), *_list(node.get("data_tests"))]


def _named(test: Any) -> tuple[str | None, Mapping[str, Any]]:
    """Return a test's name and its arguments, wherever the versions of dbt write them."""
    if isinstance(test, str):
        return test, {}
    if not isinstance(test, Mapping) or not test:
        return None, {}
    kind, said = next(iter(test.items()))
    if kind == "name" and isinstance(test.get("test_name"), str):
        kind, said = test["test_name"], test
    said = said if isinstance(said, Mapping) else {}
    arguments = said.get("arguments")
    return str(kind), {**said, **(arguments if isinstance(arguments, Mapping) else {})}


def _whole(arguments: Mapping[str, Any]) -> bool:
    """Tell whether a test is of all rows, and fails where it does not hold."""
    config = arguments.get("config")
    said = {**arguments, **(config if isinstance(config, Mapping) else {})}
    lenient = {"where", "limit", "fail_calc", "error_if", "warn_if"} & set(said)
    return not lenient and said.get("enabled", True) is True and str(said.get("severity", "error")).lower() == "error"


def _personal(node: Mapping[str, Any]) -> bool:
    """Tell whether somebody marked a column as personal: in its tags, or in what is said under meta."""
    config = node.get("config") if isinstance(node.get("config"), Mapping) else {}
    tags: list[Any] = []
    for where in (node, config):
        assert isinstance(where, Mapping)  # INVARIANT: both are
        said = where.get("tags")
        tags += [said] if isinstance(said, str) else _list(said)
        meta = where.get("meta")
        if isinstance(meta, Mapping):
            marked = (str(key) for key, value in meta.items() if value not in (False, None, "", "none", "no"))
            tags += [word for key in marked for word in re.split(r"[^a-z]+", key.lower())]
    return any(str(tag).lower() in _PERSONAL for tag in tags)
