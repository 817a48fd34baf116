"""The steps of a program as they are found: measurements, public reads, staged tables, in an order that runs."""

from dataclasses import dataclass, field
from itertools import count

from gateway.catalog.model import Dataset
from gateway.privacy.ownership.identity import identity
from gateway.privacy.relations import Factor, Measure, Owned, Public, Released
from gateway.sql.plan import Aggregate, Computed, Field, Measured, Project, Read, Scan, Staged
from gateway.sql.walk import upward


@dataclass(slots=True)
class Steps:
    """What one query needs before it can be finished; gives out names and column ids of its own."""

    dataset: Dataset
    found: list[Measure | Read | Staged] = field(default_factory=list)
    _ids: "count[int]" = field(default_factory=lambda: count(1))
    _staged: dict[int, tuple[Released, Public]] = field(default_factory=dict)

    def fresh(self) -> str:
        """Return a column id that nothing else in the plan has."""
        return f"o{next(self._ids)}"

    def _number(self, kind: type) -> int:
        return sum(isinstance(step, kind) for step in self.found)

    def read(self, relation: Public) -> Released:
        """Return public rows as the finish reads them."""
        plan = relation.plan
        scans = [node for node in upward(plan) if isinstance(node, Scan | Staged)]
        # INVARIANT: only public tables are read as they are
        assert all(isinstance(node, Scan) and node.table.public for node in scans)
        leaf = Read(f"r{self._number(Read)}", plan, _named(plan.fields), plan.place)
        self.found.append(leaf)
        return Released(leaf, frozenset(), relation.unique)

    def stage(self, relation: Released) -> Public:
        """Return released rows as a later measurement reads them: public from then on, and the same for every run."""
        known = self._staged.get(id(relation))
        if known is not None:
            return known[1]
        plan = relation.plan
        leaf = Staged(f"__staged{self._number(Staged)}", plan, _named(plan.fields), plan.place)
        self.found.append(leaf)
        staged = Public(leaf, relation.unique)
        self._staged[id(relation)] = (relation, staged)
        return staged

    def measure(
        self, aggregate: Aggregate, owned: Owned, factors: tuple[Factor, ...], inputs: tuple[str, ...]
    ) -> Measured | Project:
        """Return the noisy table of a measurement: a new one, or the same question's under new ids."""
        scans = [node for node in upward(owned.plan) if isinstance(node, Scan)]
        # INVARIANT: every row has its owner
        assert all(node.table.public or node.owner is not None or node.anchored for node in scans)
        assert aggregate.input is owned.plan  # INVARIANT: what is bounded is what was shown to be owned
        fields = aggregate.fields
        same = self._same(aggregate, owned, factors)
        if same is None:
            name = f"m{self._number(Measure)}"
            self.found.append(Measure(name, aggregate, owned, factors, inputs))
            return Measured(name, fields, aggregate.place)
        leaf = Measured(same.name, same.aggregate.fields, same.aggregate.place)
        pairs = zip(fields, leaf.fields, strict=True)
        columns = tuple(Computed(f, f.term.reference(before.id)) for f, before in pairs)
        return Project(leaf, columns, aggregate.place)

    def _same(self, aggregate: Aggregate, owned: Owned, factors: tuple[Factor, ...]) -> Measure | None:
        earlier = [step for step in self.found if isinstance(step, Measure)]
        if not earlier:
            return None
        asked = identity(aggregate, owned.owner, factors)
        return next((m for m in earlier if identity(m.aggregate, m.owned.owner, m.factors) == asked), None)


def _named(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    return tuple({f.id: f for f in fields}.values())
