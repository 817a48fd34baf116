"""What each answered query is taken to mean: plan, bounds, engine SQL, post-processing and charge. Noise is never here.

One file for each answered query of support/queries, one for each family of support/constructs, and PostgreSQL's own
statements of a few. `pytest tests/golden --update-golden` rewrites the files; the diff shows every change to privacy.
"""

from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp
from support.constructs import FAMILIES
from support.queries import ANSWERED
from support.shop import SHOP, planned
from support.two_engines import on_postgres

from gateway.dialects import letters
from gateway.privacy.measurement import Derived, Measurement, Primitive, PublicRead

CASES = Path(__file__).parent / "cases"
WIDTH = 118
"""Of lines of SQL in files that hold a whole family."""


def rendered(sql: str) -> str:
    made = planned(sql)
    sections = {"query": sql, "plan": made.explain}
    for step in made.program.steps:
        match step:
            case Measurement():
                sections |= _measurement(step, 80)
            case PublicRead() | Derived():
                sections[f"{step.name} {'reads' if isinstance(step, PublicRead) else 'derives'}"] = _pretty(
                    step.sql, 80
                )
    sections |= {
        "finish": _pretty(made.program.finish.sql, 80),
        "charge": f"rho {made.rho}, delta {made.delta}",
        "uses": "\n".join(f"{a.table}.{a.column} {a.use.value}" for a in made.accesses) or "none",
    }
    return "".join(f"-- {name}\n{text}\n\n" for name, text in sections.items()).rstrip() + "\n"


def _measurement(measurement: Measurement, width: int) -> dict[str, str]:
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
        **{f"{name} engine {i}": _pretty(probe.sql, width) for i, probe in enumerate(measurement.probes)},
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


def _pretty(sql: str, width: int) -> str:
    return sqlglot.transpile(sql, read="duckdb", write="duckdb", pretty=True, max_text_width=width)[0]


def family(name: str) -> str:
    """Return the golden text of a family: each of its constructs under its own heading."""
    return "\n\n".join(f"== {construct} ==\n\n{short(sql)}" for construct, sql in FAMILIES[name].items())


def short(sql: str) -> str:
    """Return what a construct is taken to mean, with the steps of the bounding in a line each.

    Those are alike from construct to construct, and whole in the files of the answered queries.
    """
    made = planned(sql)
    sections = {"query": sql, "plan": made.explain}
    for step in made.program.steps:
        match step:
            case Measurement():
                shown = _measurement(step, WIDTH)
                sections |= {k: v for k, v in shown.items() if "engine" not in k and "bounds" not in k}
                sections |= {f"{step.name} engine {i}": _steps(probe.sql) for i, probe in enumerate(step.probes)}
            case PublicRead() | Derived():
                sections[f"{step.name} {'reads' if isinstance(step, PublicRead) else 'derives'}"] = _line(step.sql)
    sections |= {"finish": _line(made.program.finish.sql), "charge": f"rho {made.rho}, delta {made.delta}"}
    return "".join(f"-- {name}\n{text}\n\n" for name, text in sections.items()).rstrip() + "\n"


def _line(sql: str | exp.Expr) -> str:
    return _bare(sqlglot.parse_one(sql, read="duckdb") if isinstance(sql, str) else sql).sql("duckdb")


def _steps(sql: str) -> str:
    """Return a statement by its steps: the rows that it reads written out, the others in a line each."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    lines = []
    for step in tree.ctes:
        rows = step.alias == "r"
        text = _bare(step.this).sql("duckdb", pretty=True, max_text_width=WIDTH) if rows else _line(step.this)
        lines.append(f"{step.alias}: {text}")
    tree.set("with_", None)
    return "\n".join([*lines, _line(tree)])


def _bare(tree: exp.Expr) -> exp.Expr:
    """Return SQL without the parentheses around what needs none."""
    needless = (exp.Column, exp.Literal, exp.Boolean, exp.Null, exp.Cast, exp.Paren, exp.Func, exp.Star)
    return tree.transform(
        lambda node: node.this if isinstance(node, exp.Paren) and isinstance(node.this, needless) else node
    )


def _compare(path: Path, text: str, request) -> None:
    if request.config.getoption("--update-golden", default=False):
        path.write_text(text, encoding="utf-8")
    assert path.exists(), "run: pytest tests/golden --update-golden"
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", ANSWERED)
def test_golden(name, request):
    _compare(CASES / f"{name}.txt", rendered(ANSWERED[name]), request)


@pytest.mark.parametrize("name", FAMILIES)
def test_golden_family(name, request):
    _compare(CASES / "families" / f"{name}.txt", family(name), request)


def test_no_file_is_left_over():
    assert {path.stem for path in CASES.glob("*.txt")} == set(ANSWERED)
    assert {path.stem for path in CASES.glob("families/*")} == set(FAMILIES)
    assert {path.stem for path in CASES.glob("postgres/*")} == set(ON_POSTGRES)


ON_POSTGRES = (
    "count",
    "sum_decimal",
    "sum_float",
    "private_key",
    "units",
    "left_join_calendar",
    "text_functions",
    "join_chain",
)
"""Queries whose statements are golden for PostgreSQL as well: together they use every part of the translation."""


@pytest.mark.parametrize("name", ON_POSTGRES)
def test_golden_on_postgres(name, request):
    made = planned(ANSWERED[name], dataset=on_postgres(SHOP))
    sections = {"query": ANSWERED[name]}
    for step in made.program.steps:
        statements = step.probes if isinstance(step, Measurement) else [step]
        sections |= {f"{step.name} engine {i}": _of_postgres(one.sql) for i, one in enumerate(statements)}
    text = "".join(f"-- {title}\n{text}\n\n" for title, text in sections.items()).rstrip() + "\n"
    _compare(CASES / "postgres" / f"{name}.txt", text, request)


def _of_postgres(sql: str) -> str:
    """Return SQL in lines; the letters beyond ASCII, of which there are thousands, by their number."""
    pretty = sqlglot.transpile(sql, read="postgres", write="postgres", pretty=True, max_text_width=WIDTH)[0]
    for signs in (*letters.pairs(letters.LOWERED), *letters.pairs(letters.RAISED)):
        pretty = pretty.replace(signs, f"({len(signs)} letters)")
    return pretty
