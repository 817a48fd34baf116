"""What a cell of a measurement holds where all cells are alike: from declared sizes and key domains alone.

Nobody looks: the policy's `rows`, the units table's size, `per_unit`, and what SQL and policy say of the keys. A filter
is taken to keep every row, as nothing public says how many it keeps.
"""

from dataclasses import dataclass
from math import prod

from gateway.catalog.types import TypeKind
from gateway.privacy.bounding import Bounded
from gateway.privacy.relations import Measure
from gateway.sql.sources import key_domain
from gateway.sql.terms import Term

SECONDS = 86_400
"""A moment of a day that is no date is taken to be a second."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The cells of a measurement by declaration.

    `keys` is how many plausible key tuples there are, None where a key's values are not declared; `fewest` counts
    those of the declared keys alone. `rows` and `units` are those of one cell; `pairs` bounds how many (unit, cell)
    pairs there are in all, however units are spread.
    """

    keys: int | None
    fewest: int
    rows: float | None
    units: float | None
    pairs: int


def declared(measure: Measure, bounded: Bounded) -> Declared:
    """Return what a measurement's cells hold: rows spread evenly over units and cells."""
    terms = [key.term for key in measure.aggregate.keys]
    sizes = [_values(term) for term in terms]
    known = [size for size in sizes if size is not None]
    fewest = bounded.cells if bounded.cells is not None else prod(known)
    keys = fewest if bounded.cells is not None or len(known) == len(sizes) else None
    rows = max(bounded.declared_rows, 1)
    present = min(max(bounded.declared_units, 1), rows)  # units that have rows at all
    # what a unit's own rows do not tell apart: keys that its owner fixes have one value for it
    own = [size for term, size in zip(terms, sizes, strict=True) if not term.ids <= measure.owned.determined]
    reachable = prod(size for size in own if size is not None) if None not in own else None
    picked = bounded.groups if bounded.private_keys else rows
    touched = min(_touched(reachable, rows / present), picked)
    return Declared(
        keys=keys,
        fewest=fewest,
        rows=rows / keys if keys else None,
        units=present * touched / keys if keys else None,
        pairs=min(rows, present * picked),
    )


def _touched(cells: int | None, rows: float) -> float:
    """Return how many of `cells` equally likely cells a unit with `rows` rows is expected to reach (occupancy)."""
    return rows if cells is None else max(1.0, cells * (1 - (1 - 1 / max(cells, 1)) ** rows))


def _values(term: Term) -> int | None:
    """Return how many values a key may have by declaration, NULL among them; None where that is not known."""
    domain, null = key_domain(term), int(term.nullable)
    if domain is not None:
        return len(domain) + null
    if term.span is not None:
        days = (term.span[1] - term.span[0]).days + 1
        return (days if term.type.kind is TypeKind.DATE else days * SECONDS) + null
    lo, hi = term.range.lo, term.range.hi
    if term.type.kind in (TypeKind.INTEGER, TypeKind.DECIMAL) and lo is not None and hi is not None:
        return int((hi - lo) * 10**term.type.scale) + 1 + null
    return None
