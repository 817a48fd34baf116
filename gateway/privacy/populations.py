"""Whom each drawn number is about, as far as plan and policy tell: what early warning compares. Nothing of the data.

A population is a shape (which tables, joined how), a box (which values pass, of each expression that is tested), the
quantity that is measured, and the keys that split it. What is not understood stands in it by its text.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlglot import exp

from gateway.catalog.model import Dataset
from gateway.privacy.bounding import Bounded
from gateway.privacy.conjuncts import Box, Reader, meet
from gateway.privacy.domains import ANY, Domain, domain_of
from gateway.privacy.measurement import Quantity
from gateway.privacy.regions import UNDECLARED, Region
from gateway.privacy.relations import Analysis, Measure
from gateway.sql.plan import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Limit,
    Plan,
    Project,
    Scan,
    SetOperation,
    Sort,
    Window,
)
from gateway.sql.terms import Term
from gateway.sql.writing import named_in

MOST = 24
"""Populations of one query that are kept."""

MOST_BYTES = 32 * 1024
"""Length of what is kept of one query."""

_COUNTS = (Quantity.ROWS, Quantity.VALUES, Quantity.TRUTHS)


@dataclass(frozen=True, slots=True)
class Population:
    """Whom one primitive is about: `shape` and `quantity` must be the same for two to be compared.

    `keys` are the expressions that it is split by, with how many values each has (None: nobody declares them).
    `rows` and `units` are the sizes by declaration. Draws of one `series` are added up by the gateway itself
    (privacy/reuse.py); what is drawn under another is not known to be the same.
    """

    shape: str
    quantity: str
    box: Box
    keys: dict[str, int | None]
    rows: int
    units: int
    measurement: str = ""
    primitive: str = ""
    series: str = ""

    def region(self, name: str, size: int) -> Region:
        """Return what passes of an expression: all where it is not tested."""
        return self.box.get(name, Region.whole(size))


def populations(analysis: Analysis, bounded: Mapping[str, Bounded], dataset: Dataset) -> str:
    """Return the populations of a query's measurements as canonical JSON."""
    found = [
        population
        for step in analysis.steps
        if isinstance(step, Measure)
        for population in _Described(dataset).measure(step, bounded[step.name])
    ]
    text = _text(_one_each(found))
    while len(text) > MOST_BYTES and found:
        found = found[: len(found) // 2]
        text = _text(_one_each(found))
    return text


def _one_each(found: Iterable[Population]) -> list[Population]:
    """Return each population of a query once, of the first primitive that is about it: no more than MOST."""
    return list({_same(one): one for one in reversed(list(found))}.values())[::-1][:MOST]


def _same(one: Population) -> str:
    return json.dumps([one.shape, one.quantity, _plain(one)["box"], one.keys, one.measurement], sort_keys=True)


def _text(found: Iterable[Population]) -> str:
    return json.dumps([_plain(one) for one in found], sort_keys=True, separators=(",", ":"))


def _plain(one: Population) -> dict[str, Any]:
    return {
        "shape": one.shape,
        "quantity": one.quantity,
        "box": {name: [region.size, list(region.intervals)] for name, region in one.box.items()},
        "keys": one.keys,
        "rows": one.rows,
        "units": one.units,
        "draw": [one.measurement, one.primitive],
    }


def read(text: str) -> tuple[Population, ...]:
    """Return the populations of a text that `populations` made."""
    return tuple(
        Population(
            shape=one["shape"],
            quantity=one["quantity"],
            box={
                name: Region(size, tuple((lo, hi) for lo, hi in intervals))
                for name, (size, intervals) in one["box"].items()
            },
            keys=one["keys"],
            rows=one["rows"],
            units=one["units"],
            measurement=one["draw"][0],
            primitive=one["draw"][1],
            series=one.get("series", ""),
        )
        for one in json.loads(text)
    )


def drawn(text: str, due: Mapping[tuple[str, str], str]) -> str:
    """Return the populations of those primitives alone that are drawn: their series by (measurement, primitive)."""
    found = [{**one, "series": due[tuple(one["draw"])]} for one in json.loads(text) if tuple(one["draw"]) in due]
    return json.dumps(found, sort_keys=True, separators=(",", ":"))


@dataclass(slots=True)
class _Described:
    """Describes the measurements of one step; ids are unique in a whole plan."""

    dataset: Dataset
    reader: Reader = field(default_factory=lambda: Reader({}, {}))
    _scans: dict[str, int] = field(default_factory=dict)
    _box: Box = field(default_factory=dict)
    _named: dict[str, str | exp.Expr] = field(default_factory=dict)
    _domains: dict[str, Domain] = field(default_factory=dict)

    def measure(self, step: Measure, bounded: Bounded) -> list[Population]:
        """Return what each primitive of a measurement is about."""
        self.reader = Reader(self._named, self._domains)
        shape = self._shape(bounded.relation, "")
        self._named |= {name: term.node for name, term in bounded.computed}
        keys = {self.reader.subject(key.term.node)[0]: _values(key.term) for key in step.aggregate.keys}
        made = []
        for index, part in enumerate(bounded.parts):
            quantity, box = self._quantity(part.quantity, part.row)
            made.append(
                Population(
                    shape=sha256(shape.encode()).hexdigest()[:32],
                    quantity=quantity,
                    box=meet(self._box, box),
                    keys=keys,
                    rows=bounded.declared_rows,
                    units=bounded.declared_units,
                    measurement=step.name,
                    primitive=f"p{index}",
                )
            )
        return made

    def _quantity(self, quantity: Quantity, row: exp.Expr) -> tuple[str, Box]:
        """Return what is added up, whatever it is multiplied by or moved by, and the conditions under which it is."""
        conditions, inner = _under(self.reader.spelled(row))
        box = self.reader.box(conditions)
        shown = sorted(named_in(inner))
        counted = quantity in _COUNTS or (quantity is Quantity.SUM and not shown)
        named = "count" if counted else "units" if quantity is Quantity.UNITS else quantity.value
        return (named if named in ("count", "units") else f"{named}:{','.join(shown)}"), box

    # -- the relation ---------------------------------------------------------------------------------------------

    def _shape(self, plan: Plan, inside: str) -> str:
        """Return how a relation is made, without its conditions: those go into the box, named by where they stand."""
        match plan:
            case Scan():
                return self._scan(plan)
            case Filter():
                below = self._shape(plan.input, inside)
                self._hold(plan.condition, inside)
                return below
            case Project():
                below = self._shape(plan.input, inside)
                self._compute((column.field.id, column.term) for column in plan.columns)
                return below
            case Join():
                return self._join(plan, inside)
            case Aggregate():
                return self._aggregate(plan, inside)
            case Window():
                below = self._shape(plan.input, inside)
                for call in plan.calls:
                    terms = [*call.arguments, *call.partition, *(key.term for key in call.order)]
                    self._named[call.field.id] = f"{call.kind}({self._texts(terms)})"
                return f"window({below})"
            case SetOperation():
                left, right = (self._shape(side, f"{inside}{at}|") for at, side in enumerate((plan.left, plan.right)))
                for made, of in zip(plan.fields, plan.left.fields, strict=True):
                    self._compute([(made.id, of.term)])
                return f"{plan.kind}({left},{right})"
            case Sort() | Limit():
                return f"{type(plan).__name__.lower()}({self._shape(plan.input, inside)})"
            case _:
                for made in plan.fields:
                    self._named[made.id] = made.name
                return type(plan).__name__.lower()

    def _scan(self, scan: Scan) -> str:
        name = scan.table.name
        number = self._scans[name] = self._scans.get(name, 0) + 1
        name = name if number == 1 else f"{name}#{number}"
        for column in scan.fields:
            full = f"{name}.{column.name}"
            self._named[column.id] = full
            self._domains[full] = domain_of(column.term)
        if scan.owner is not None and scan.owner.id not in self._named:
            self._named[scan.owner.id] = f"{name}.{scan.owner.name}"
        return name

    def _join(self, join: Join, inside: str) -> str:
        if join.kind is JoinKind.INNER:
            return self._inner(join, inside)
        left = self._shape(join.left, inside)
        right = self._shape(join.right, f"{inside}{join.kind.value}|")
        links = [term for term in join.condition if _links(term)]
        self._hold([term for term in join.condition if term not in links], f"{inside}{join.kind.value}|")
        if join.mark is not None:
            self._named[join.mark.id] = f"mark({right})"
        return f"{join.kind.value}({left},{right},{self._texts(links)})"

    def _inner(self, join: Join, inside: str) -> str:
        """Return a tree of inner joins as what is joined, in no order: tables that a chain leads to add nobody."""
        parts: list[str] = []
        links: list[str] = []
        scans: list[Scan] = []

        def visit(plan: Plan) -> None:
            if isinstance(plan, Join) and plan.kind is JoinKind.INNER:
                visit(plan.left)
                visit(plan.right)
                equal = [term for term in plan.condition if _links(term)]
                self._hold([term for term in plan.condition if term not in equal], inside)
                links.extend(self._texts([term]) for term in equal)
            elif isinstance(plan, Filter):
                visit(plan.input)
                self._hold(plan.condition, inside)
            else:
                parts.append(self._shape(plan, inside))
                scans.extend([plan] if isinstance(plan, Scan) else [])

        visit(join)
        led_to = {scan.table.hop.target_table for scan in scans if scan.table.hop is not None}
        if any(not scan.table.public and scan.table.name != self.dataset.privacy.unit_table for scan in scans):
            led_to.add(self.dataset.privacy.unit_table)
        kept = sorted(part for part in parts if part not in led_to)
        told = sorted(link for link in links if not any(f'"{name}.' in link for name in led_to))
        return f"join({';'.join(kept)}|{';'.join(told)})" if len(kept) > 1 or told else kept[0]

    def _aggregate(self, plan: Aggregate, inside: str) -> str:
        below = self._shape(plan.input, f"{inside}each|")
        self._compute((key.field.id, key.term) for key in plan.keys)
        for call in plan.calls:
            tested = [] if call.filter is None else [call.filter]
            full = f"{inside}{call.kind}({self._texts([*call.arguments, *tested])})"
            self._named[call.field.id] = full
            self._domains[full] = domain_of(call.field.term)
        return f"each({below},{self._texts([key.term for key in plan.keys])})"

    def _hold(self, terms: Iterable[Term], inside: str) -> None:
        box = self.reader.box(term.node for term in terms)
        self._box = meet(self._box, {f"{inside}{name}": region for name, region in box.items()})

    def _compute(self, columns: Iterable[tuple[str, Term]]) -> None:
        for column_id, term in columns:
            if term.id != column_id:
                self._named[column_id] = term.node

    def _texts(self, terms: Iterable[Term]) -> str:
        return ",".join(sorted(self.reader.subject(term.node)[0] for term in terms))


def _links(term: Term) -> bool:
    """Tell whether a condition of a join only says which rows belong together."""
    node = term.node.unnest()
    sides = (node.this.unnest(), node.expression.unnest()) if isinstance(node, exp.EQ) else ()
    return bool(sides) and all(isinstance(side, exp.Column) for side in sides)


def _under(node: exp.Expr) -> tuple[list[exp.Expr], exp.Expr]:
    """Return the conditions of CASE WHEN condition THEN x [ELSE 0] END around a value, and the value."""
    conditions: list[exp.Expr] = []
    while True:
        node = node.unnest()
        if isinstance(node, exp.Cast | exp.TryCast):
            node = node.this
            continue
        if isinstance(node, exp.Add | exp.Sub | exp.Mul):
            varying = [side for side in (node.this, node.expression) if named_in(side)]
            if len(varying) == 1:  # times or plus a constant
                node = varying[0]
                continue
        if not isinstance(node, exp.Case) or node.this is not None:
            return conditions, node
        default, branches = node.args.get("default"), node.args["ifs"]
        if default is not None and isinstance(default.unnest(), exp.Case | exp.Column | exp.Cast) and named_in(default):
            node = default  # a clamp, or what is used where nothing else is
            continue
        if len(branches) != 1:
            return conditions, node
        then, test = branches[0].args["true"], branches[0].this
        if default is not None and _nothing(then) and not _nothing(default):
            conditions.append(exp.Not(this=exp.Paren(this=test.copy())))
            node = default
        else:
            conditions.append(test)
            node = then


def _nothing(node: exp.Expr) -> bool:
    """Tell whether a value adds nothing: a literal zero, or NULL."""
    bare = node.unnest()
    while isinstance(bare, exp.Cast | exp.TryCast):
        bare = bare.this.unnest()
    return isinstance(bare, exp.Null) or (isinstance(bare, exp.Literal) and not bare.is_string and bare.this == "0")


def _values(term: Term) -> int | None:
    """Return how many values a key has by declaration, None where nothing says."""
    if term.domain is not None:
        return len(term.domain)
    domain = domain_of(term)
    return None if domain == ANY or domain.size >= UNDECLARED else domain.size
