"""What each answered query is taken to mean: plan, bounds, engine SQL, post-processing and charge. Noise is never here.

`pytest tests/golden --update-golden` rewrites the files; the diff shows every change to privacy.
"""

from pathlib import Path

import pytest
import sqlglot
from support.queries import ANSWERED
from support.shop import planned

from gateway.privacy.measurement import Derived, Measurement, Primitive, PublicRead

CASES = Path(__file__).parent / "cases"


def rendered(sql: str) -> str:
    made = planned(sql)
    sections = {"query": sql, "plan": made.explain}
    for step in made.program.steps:
        match step:
            case Measurement():
                sections |= _measurement(step)
            case PublicRead() | Derived():
                sections[f"{step.name} {'reads' if isinstance(step, PublicRead) else 'derives'}"] = _pretty(step.sql)
    sections |= {
        "finish": _pretty(made.program.finish.sql),
        "charge": f"rho {made.rho}, delta {made.delta}",
        "uses": "\n".join(f"{a.table}.{a.column} {a.use.value}" for a in made.accesses) or "none",
    }
    return "".join(f"-- {name}\n{text}\n\n" for name, text in sections.items()).rstrip() + "\n"


def _measurement(measurement: Measurement) -> dict[str, str]:
    keys = [f"{k.name} {k.type}: {_domain(k, measurement)}" for k in measurement.keys]
    selection = measurement.selection
    bounds = [
        f"groups {measurement.groups}" if measurement.groups is not None else "no pick",
        f"threshold {selection.threshold}, delta {selection.delta}" if selection else f"cells {measurement.cells}",
        f"hidden below {measurement.suppress_below} units by {measurement.suppress_by}"
        if measurement.suppress_by
        else "",
        *measurement.reasons,
    ]
    name = measurement.name
    return {
        f"{name} keys": "\n".join(keys) or "none",
        f"{name} primitives": "\n".join(map(_primitive, measurement.primitives)),
        f"{name} bounds": "\n".join(b for b in bounds if b),
        **{f"{name} engine {i}": _pretty(probe.sql) for i, probe in enumerate(measurement.probes)},
    }


def _domain(key, measurement: Measurement) -> str:
    if key.domain is None:
        return "listed by public relations" if measurement.listed else "private"
    return f"{len(key.domain)} values, first {key.domain[:3]}"


def _primitive(p: Primitive) -> str:
    norms = [f"{c.norm:.6g}" for c in p.candidates]
    shown = norms[0] if len(norms) == 1 else f"{len(norms)} from {norms[0]} to {norms[-1]}"
    tree = f", {p.tree.leaves} leaves for {', '.join(p.tree.queries)}" if p.tree is not None else ""
    return (
        f"{p.name} {p.quantity.value} in [{p.lower}, {p.upper}], {p.noise.value} norm {shown}{tree}, "
        f"expected sd {p.expected_scale:.6g}, rho {p.rho}" + (f" + search {p.search.rho}" if p.search else "")
    )


def _pretty(sql: str) -> str:
    return sqlglot.transpile(sql, read="duckdb", write="duckdb", pretty=True)[0]


@pytest.mark.parametrize("name", ANSWERED)
def test_golden(name, request):
    path = CASES / f"{name}.txt"
    text = rendered(ANSWERED[name])
    if request.config.getoption("--update-golden", default=False):
        path.write_text(text, encoding="utf-8")
    assert path.exists(), "run: pytest tests/golden --update-golden"
    assert path.read_text(encoding="utf-8") == text


def test_no_file_is_left_over():
    assert {path.stem for path in CASES.glob("*.txt")} == set(ANSWERED)
