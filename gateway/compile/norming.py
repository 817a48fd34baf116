"""Norm clipping as SQL: which bin a unit's norm falls into, and how its vector is scaled down.

A unit's vector p has the norm q (L2: the exact sum of squares; L1: of absolute values). Where q is within a
candidate's reach p counts as it is; else it counts as weight * trunc(p * (WEIGHT - 1) / norm), whose norm is at most
weight * WEIGHT: what the candidate claims. The division is in DOUBLE: its five operations err by less than 2^-50 each,
which WEIGHT - 1 in place of WEIGHT (2^-24) more than covers, and all of it is of one unit's integers alone.
"""

from sqlglot import exp

from gateway.catalog.types import DOUBLE, INTEGER
from gateway.compile.rows import HUGE, integer
from gateway.privacy.measurement import Noise
from gateway.privacy.norms import WEIGHT, Clip
from gateway.sql.terms import cast
from gateway.sql.writing import copied


def size(noise: Noise, column: exp.Expr, linf: int) -> exp.Expr:
    """Return what one entry of a vector adds to its norm, exactly: p^2, or |p|."""
    if noise is Noise.LAPLACE:
        return exp.Abs(this=column)
    wide: exp.Expr = exp.Cast(this=copied(column), to=HUGE.copy()) if linf >= 2**31 else copied(column)
    return exp.Mul(this=wide, expression=copied(column))


def bin_of(clip: Clip, norm: exp.Expr) -> exp.Expr:
    """Return the index of the least candidate that holds a norm; one more than the last where none does."""
    ifs = [
        exp.If(this=exp.LTE(this=copied(norm), expression=integer(level.reach)), true=integer(index))
        for index, level in enumerate(clip.levels)
    ]
    return exp.Case(ifs=ifs, default=integer(len(clip.levels)))


def ratio_of(noise: Noise, clip: Clip, norm: exp.Expr) -> exp.Expr:
    """Return (WEIGHT - 1) / norm where a candidate is passed, else NULL: a norm of zero never is."""
    root = cast(copied(norm), DOUBLE)
    if noise is Noise.GAUSSIAN:
        root = exp.Sqrt(this=root)
    scaled = exp.Div(this=cast(integer(WEIGHT - 1), DOUBLE), expression=root)
    passed = exp.GT(this=copied(norm), expression=integer(clip.levels[0].reach))
    return exp.Case(ifs=[exp.If(this=passed, true=scaled)])


def scaled_down(entry: exp.Expr, ratio: exp.Expr) -> exp.Expr:
    """Return an entry of a vector that is scaled down to WEIGHT, rounded towards zero; NULL where none is."""
    product = exp.Mul(this=cast(entry, DOUBLE), expression=ratio)
    return cast(exp.Anonymous(this="TRUNC", expressions=[product]), INTEGER)
