"""What an audit of the store finds: the log walked once, and the differences that anything else has to it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from gateway.ledger import retelling
from gateway.ledger.limits import LIMITS
from gateway.store import merkle
from gateway.store.tables import leaves, nodes

PIECE = 500

DECISIONS = frozenset({"charged", "replayed", "refused"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree: `kind` names it, `subject` says of what, `detail` what is and what should be."""

    kind: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf as the log holds it: its index, the hash that it has, and what it says."""

    index: int
    hash: str
    content: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.content["kind"])


@dataclass(slots=True)
class Audit:
    """What the log says, by query and by document number, and every difference so far."""

    size: int = 0
    decided: dict[str, Leaf] = field(default_factory=dict)
    answered: dict[str, Leaf] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    excused: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    billed: dict[int, Leaf] = field(default_factory=dict)
    limits: list[bytes] = field(default_factory=list)
    """Leaves that change limits, in order."""
    states: list[dict[str, Any]] = field(default_factory=list)
    """What the leaves say that change the exchange's state, in order."""
    replayed: set[int] = field(default_factory=set)
    """Leaves that a restored store took from elsewhere: their queries' rows, draws and answers are gone."""
    differences: list[Difference] = field(default_factory=list)

    def report(self, kind: str, subject: str, detail: str) -> None:
        self.differences.append(Difference(kind, subject, detail))

    def charged(self) -> dict[str, Leaf]:
        """Return the charges by query."""
        return {query_id: leaf for query_id, leaf in self.decided.items() if leaf.kind == "charged"}


def in_pieces(connection: Connection, wanted: Select[Any]) -> Iterator[Row[Any]]:
    """Return rows a few at a time: a whole history need not fit into memory."""
    return iter(connection.execute(wanted.execution_options(yield_per=PIECE)))


def walk(connection: Connection) -> Audit:
    """Return what the log says; its leaves are whole and hashed as its tree has them, or that is a difference."""
    audit = Audit()
    for row in in_pieces(connection, select(leaves).order_by(leaves.c.position)):
        for gap in range(audit.size, row.position):
            audit.report("missing leaf", f"leaf {gap}", "the log has a gap here")
        audit.size = row.position + 1
        _take(audit, row.position, bytes(row.leaf))
    _compare_tree(connection, audit)
    return audit


def _take(audit: Audit, position: int, raw: bytes) -> None:
    try:
        content = json.loads(raw)
        leaf = Leaf(position, merkle.leaf_hash(raw).hex(), content)
        kind, query_id = leaf.kind, content.get("query_id")
    except (ValueError, KeyError, TypeError, AttributeError):
        audit.report("changed leaf", f"leaf {position}", "it is no leaf of this gateway")
        return
    if kind in DECISIONS:
        earlier = audit.decided.setdefault(query_id, leaf)
        if earlier is not leaf:
            audit.report("doubled charge", f"query {query_id}", f"leaves {earlier.index} and {position} decide it")
    elif kind == "answered":
        audit.answered[query_id] = leaf
    elif kind == "failed":
        audit.failed.add(query_id)
        audit.excused |= {query_id} if content.get("excused") else set()
        audit.cancelled |= {query_id} if content.get("cancelled") else set()
        audit.stopped |= {query_id} if content.get("stopped") else set()
        audit.withdrawn |= {query_id} if content.get("withdrawn") else set()
    elif kind in LIMITS:
        audit.limits.append(raw)
    elif kind in retelling.KINDS:
        audit.states.append(content)
    elif kind == "excused":
        audit.excused.update(content["queries"])
    elif kind in ("invoiced", "credited"):
        audit.billed[content["number"]] = leaf
    elif kind == "epoch":
        audit.replayed.update(range(position - content.get("replayed", 0), position))


def _compare_tree(connection: Connection, audit: Audit) -> None:
    """Compare each hash of the tree with the two below it, the lowest with their leaves: one edit, one difference."""
    kept = {(row.level, row.position): bytes(row.hash) for row in connection.execute(select(nodes))}
    for row in in_pieces(connection, select(leaves)):
        if kept.get((0, row.position)) != merkle.leaf_hash(bytes(row.leaf)):
            audit.report("changed leaf", f"leaf {row.position}", "it is not what was appended: its hash is another")
    for (level, position), value in sorted(kept.items()):
        if level == 0:
            continue
        left, right = kept.get((level - 1, 2 * position)), kept.get((level - 1, 2 * position + 1))
        if left is None or right is None or merkle.node_hash(left, right) != value:
            audit.report("changed tree", f"node {position} of level {level}", "it is not the hash of what is below it")
    level, count = 1, audit.size // 2
    while count:
        for position in range(count):
            if (level, position) not in kept:
                audit.report("changed tree", f"node {position} of level {level}", "it is gone")
        level, count = level + 1, count // 2
