"""What earlier releases of a buyer are worth to a new question: the same quantity, measured more or less exactly.

A release that is at least as exact as what is asked answers it, and nothing is drawn. One that is less exact is
combined with a draw that makes up the difference: of Gaussian noise, two releases at rho1 and rho2 weighed by their
inverse variances are as exact as one at rho1 + rho2. All of it is post-processing of what the buyer has, and what is
drawn is charged for what it loses. Rules: docs/decisions/0011.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.ledger.model import Held
from gateway.privacy import noise
from gateway.privacy.measurement import Earlier, Measurement, Noise, Primitive, Program
from gateway.privacy.release import bound_of

LEAST_DRAW = 20
"""A draw that makes up a difference has at least this part of what was asked for: a weaker one tells nothing."""

ROUNDED = 1 / 12
"""The variance that rounding to whole steps adds."""

WORSE = 4
"""A bound that was found with less than a quarter of what is asked for is looked for again: a better one may show."""

COMBINED = "an earlier, less exact release of the same quantity is combined with a new draw: only that is charged"
SERVED = "an earlier release of the same quantity is at least as exact as what is asked: it answers, and costs nothing"


@dataclass(frozen=True, slots=True)
class Reused:
    """A program that draws only what earlier releases leave open.

    `served` are releases under the names of the draws that they answer, `beside` those that draws are combined with,
    under their own. `notices` say it in words.
    """

    program: Program
    served: Mapping[str, bytes]
    beside: Mapping[str, bytes]
    notices: tuple[str, ...]


def series_of(program: Program, stored: Mapping[str, bytes]) -> list[str]:
    """Return the series of the draws that are not stored themselves."""
    primitives = (primitive for measurement in program.measurements for primitive in measurement.primitives)
    return list(dict.fromkeys(p.series for p in primitives if p.series and p.digest not in stored))


def reuse(program: Program, stored: Mapping[str, bytes], held: Mapping[str, Held]) -> Reused:
    """Return a program with the draws that are left. A question that was answered before is answered as it was."""
    if not held:
        return Reused(program, {}, {}, ())
    served: dict[str, bytes] = {}
    beside: dict[str, bytes] = {}

    def left(primitive: Primitive) -> Primitive:
        known = held.get(primitive.series)
        if known is None or primitive.digest in stored:
            return primitive
        if known.worth >= primitive.rho:
            served[primitive.digest] = known.content
            return primitive
        if primitive.tree is not None or primitive.noise is not Noise.GAUSSIAN:
            return primitive
        bound = bound_of(known.content)
        if primitive.search is not None and (bound == primitive.search.fallback or WORSE * known.worth < primitive.rho):
            return primitive
        added = _added(primitive, known, bound)
        if added is None:
            return primitive
        beside[known.digest] = known.content
        return added

    steps = tuple(
        replace(
            step,
            probes=tuple(replace(probe, primitives=tuple(map(left, probe.primitives))) for probe in step.probes),
        )
        if isinstance(step, Measurement)
        else step
        for step in program.steps
    )
    notices = (*([COMBINED] if beside else []), *([SERVED] if served else []))
    return Reused(replace(program, steps=steps), served, beside, notices)


def _added(primitive: Primitive, known: Held, bound: int) -> Primitive | None:
    """Return the draw that makes up what a release lacks, at the bound that it was released at.

    What is combined is rounded to whole steps, which adds a variance of 1/12: the draw makes up for that too. None
    where so little noise is asked for that the whole draw costs no more.
    """
    one = primitive.candidates[bound]
    asked = (one.scale / one.denominator) ** 2  # the variance at primitive.rho, in steps
    if asked <= ROUNDED:
        return None
    needed = math.ceil(primitive.rho * asked / (asked - ROUNDED))
    share = max(needed - known.worth, -(-primitive.rho // LEAST_DRAW))
    if share >= primitive.rho:
        return None
    first = primitive.candidates[0].norm
    scale, charge = noise.least_scale(primitive.noise, first, share)
    total = known.worth + charge
    reached = asked * primitive.rho / total
    together = int(total * reached / (reached + ROUNDED))
    return replace(
        primitive,
        candidates=tuple(
            replace(one, scale=scale if one.norm == first else noise.same_loss(first, scale, one.norm))
            for one in primitive.candidates
        ),
        search=None,
        rho=charge,
        earlier=Earlier(known.digest, together, bound),
    )
