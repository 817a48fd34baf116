"""Why a measurement's bounds are what they are, in words for the buyer. From policy, SQL and declared figures alone."""

from gateway.privacy.bounding import Bounded
from gateway.privacy.measurement import Noise, Primitive, Quantity
from gateway.privacy.norms import Clip

_NAMES = {
    Quantity.ROWS: "the count of rows",
    Quantity.VALUES: "the count of values",
    Quantity.UNITS: "the count of people",
    Quantity.SUM: "the sum",
    Quantity.MOMENT: "the sum of squares or products",
    Quantity.DISTINCT: "the count of distinct values",
    Quantity.TRUTHS: "the count behind a yes or no",
    Quantity.TREE: "the distribution",
}


def reasons_of(bounded: Bounded, primitives: list[Primitive]) -> tuple[str, ...]:
    """Return one line on the cells, and one on the bound of each primitive."""
    kind = "L1" if bounded.noise is Noise.LAPLACE else "L2"
    lines = [_cells(bounded, kind)] if bounded.keys else []
    for primitive, clip in zip(primitives, bounded.clips, strict=True):
        lines.append(f"{primitive.name}, {_NAMES[primitive.quantity]}: {_bound(primitive, clip, kind)}")
    return tuple(lines)


def _cells(bounded: Bounded, kind: str) -> str:
    if bounded.private_keys:
        return f"private keys: {bounded.groups} of one person's keys count, picked by a keyed hash"
    if not bounded.open:
        return "public keys: one person may reach all of them, so none are dropped"
    return f"public keys: none of one person's are dropped; the {kind} norm over all of them is bounded"


def _bound(primitive: Primitive, clip: Clip, kind: str) -> str:
    first, last = (f"{clip.levels[i].steps:,.4g}" for i in (0, -1))
    if primitive.search is None:
        return f"one person moves it by at most {last} steps ({kind})"
    share = primitive.search.rho / primitive.charge
    why = "nothing bounds it" if clip.fallback < len(clip.levels) - 1 else "the policy's bound is wide"
    return (
        f"{why}, so {share:.0%} of its budget finds the bound on one person ({kind}) among {len(clip.levels)} "
        f"from {first} to {last} steps"
    )
