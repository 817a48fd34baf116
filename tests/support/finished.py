"""Measurements by one integer key, and what is asked of them, for tests of what is finished."""

from gateway.catalog.types import INTEGER
from gateway.compile.lineage import Leaf
from gateway.privacy.measurement import Key, Noise
from gateway.privacy.outputs import Output
from gateway.sql.plan import AggregateCall, Measured
from support import released_plans as rp
from support.released_plans import fld, measurement, primitive, term


def measured(name: str, cells: int, scales: tuple[float, ...], noise: Noise = Noise.GAUSSIAN):
    """Return a measurement by one integer key, its leaf and its plan: columns `<name>k`, `<name>p0`, ..."""
    parts = tuple(primitive(f"p{i}", scale, noise, f"{name}.p{i}") for i, scale in enumerate(scales))
    measure = measurement(name, (Key("k0", INTEGER, tuple(range(cells))),), *parts)
    outputs = tuple(Output(f"{name}{p.name}", rp.exp.column(p.name), INTEGER, p.name, "1") for p in parts)
    fields = (fld(f"{name}k", INTEGER), *(fld(o.column, INTEGER) for o in outputs))
    return measure, Leaf.of(measure, outputs), Measured(name, fields, None)


def call(kind, text, type_, name, parameter=None):
    arguments = () if text is None else (term(text, INTEGER),)
    return AggregateCall(kind, arguments, None, fld(name, type_), None, parameter)
