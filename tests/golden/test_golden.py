"""What each answered query is taken to mean: plan, bounds, engine SQL, post-processing and charge. Noise is never here.

`pytest tests/golden --update-golden` rewrites the files; the diff shows every change to privacy.
"""

from pathlib import Path

import pytest
import sqlglot
from support.queries import ANSWERED
from support.shop import planned

CASES = Path(__file__).parent / "cases"


def rendered(sql: str) -> str:
    made = planned(sql)
    measurement = made.measurements[0]
    keys = [
        f"{k.name} {k.type}: {'private' if k.domain is None else f'{len(k.domain)} values, first {k.domain[:3]}'}"
        for k in measurement.keys
    ]
    primitives = [
        f"{p.name} {p.quantity.value} in [{p.lower}, {p.upper}], sd {p.scale:.6g}, rho {p.rho}"
        for p in measurement.primitives
    ]
    selection = measurement.selection
    bounds = [
        f"groups {measurement.groups}",
        f"threshold {selection.threshold}, delta {selection.delta}" if selection else f"cells {measurement.cells()}",
        f"hidden below {measurement.suppress_below} units by {measurement.suppress_by}"
        if measurement.suppress_by
        else "",
    ]
    sections = {
        "query": sql,
        "plan": made.explain,
        "keys": "\n".join(keys) or "none",
        "primitives": "\n".join(primitives),
        "bounds": "\n".join(b for b in bounds if b),
        "engine": sqlglot.transpile(measurement.sql, read="duckdb", write="duckdb", pretty=True)[0],
        "finish": sqlglot.transpile(made.finish.sql, read="duckdb", write="duckdb", pretty=True)[0],
        "charge": f"rho {made.rho}, delta {made.delta}",
        "uses": "\n".join(f"{a.table}.{a.column} {a.use.value}" for a in made.accesses) or "none",
    }
    return "".join(f"-- {name}\n{text}\n\n" for name, text in sections.items()).rstrip() + "\n"


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
