"""Exact totals and the cells that they are of by name, for tests that look at them: release works with arrays."""

from gateway.privacy.exact import ExactProbe, Keys
from gateway.privacy.measurement import Primitive


def found_cells(probe: ExactProbe, primitive: Primitive) -> list[Keys]:
    """Return the cells in which the engine found something."""
    return probe.found(primitive).all()


def totals_by_cell(probe: ExactProbe, primitive: Primitive, index: int) -> dict[Keys, int]:
    """Return a primitive's exact total at a candidate, in 1/denominator, for each of them."""
    return dict(zip(found_cells(probe, primitive), probe.sums(primitive, index).tolist(), strict=True))
