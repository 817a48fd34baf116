"""Relations made at random, to any depth: each row one owner's, joined and tested as the ownership rules let."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from support.generated.flaws import Flaw
from support.generated.tables import CUSTOMERS, LINES, ORDER, ORDERS, OWNER, PURCHASES, Relation
from support.generated.values import FILTER, Column, Values


@dataclass(slots=True)
class Relations:
    """Makes relations. `used` names the constructs of the query so far, `views` its WITH queries."""

    draw: Random
    values: Values
    flaw: Flaw
    operators: tuple["Operator", ...]
    used: set[str] = field(default_factory=set)
    views: list[str] = field(default_factory=list)
    numbers: int = 0

    def name(self, letter: str) -> str:
        self.numbers += 1
        return f"{letter}{self.numbers}"

    def relation(self, depth: int) -> Relation:
        """Return a relation of private rows; for every third level one that holds the owner's column."""
        made = self._any(depth)
        return replace(made, sql=self.flaw.planted(made))

    def owned(self, depth: int) -> Relation:
        """Return a relation that holds the owner's column."""
        made = self.relation(depth)
        return made if made.owner else self._with_owner(made)

    def _with_owner(self, made: Relation) -> Relation:
        """Join the orders to rows of a chain, so that the unit's key is in sight."""
        self.used.add("JOIN along a chain")
        columns, listed = self.renamed(made.of("a"), 6)
        sql = f"(SELECT b.{OWNER}, {', '.join([f'a.{ORDER}', *listed])} FROM {made.sql} a JOIN orders b ON a.{ORDER} = b.{ORDER})"
        return Relation(sql, columns, order=True, once=made.once)

    def _any(self, depth: int) -> Relation:
        if depth <= 0:
            return self.draw.choice((CUSTOMERS, PURCHASES, PURCHASES, ORDERS, LINES))
        for _ in range(8):
            operator = self.draw.choice(self.operators)
            made = self.attempted(partial(operator, self, depth))
            if made is not None:
                return made
        return PURCHASES

    def attempted(
        self, make: Callable[[], Relation | None], fits: Callable[[Relation], bool] = lambda _: True
    ) -> Relation | None:
        """Return what is made; where that does not fit, leave no trace of it but the draws."""
        used, views, flaw = set(self.used), len(self.views), self.flaw.state()
        tame, functions = self.values.tame, set(self.values.functions)
        made = make()
        if made is not None and fits(made):
            return made
        self.used, self.values.tame, self.values.functions = used, tame, functions
        del self.views[views:]
        self.flaw.restore(flaw)
        return None

    def renamed(self, columns: list[Column], most: int) -> tuple[tuple[Column, ...], list[str]]:
        """Return some columns under new names, and how they are listed."""
        chosen = self.draw.sample(columns, min(most, len(columns)))
        made = [replace(column, name=self.name("q")) for column in chosen]
        return tuple(made), [f"{old.name} AS {new.name}" for old, new in zip(chosen, made, strict=True)]

    def kept(
        self, source: Relation, clauses: str, *, alias: str = "a", added: tuple[str, Column] | None = None
    ) -> Relation:
        """Return a source's rows with its columns renamed, and one more."""
        columns, listed = self.renamed(source.of(alias), 6)
        if added is not None:
            listed.append(f"{added[0]} AS {added[1].name}")
            columns += (added[1],)
        items = ", ".join([*source.keys(alias), *listed])
        return replace(source, sql=f"(SELECT {items} FROM {source.sql} {alias}{clauses})", columns=columns)

    def condition(self, source: Relation, alias: str, depth: int = 2) -> str | None:
        return self.values.value(source.of(alias), "truth", FILTER, depth)


Operator = Callable[[Relations, int], Relation | None]
"""Makes a relation of depth levels, of others; None where what was drawn does not fit."""
