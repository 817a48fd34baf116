"""Expressions made at random: over columns of a kind, with what the policy lets be done with them."""

from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

from sqlglot import exp, parse_one

from gateway.catalog.types import TypeKind
from gateway.errors import GatewayError
from support.functions import of_type, resolved
from support.functions import templates as all_templates

GROUP, FILTER, AGGREGATE, JOIN = "g", "f", "a", "j"


@dataclass(frozen=True, slots=True)
class Column:
    """A column in sight: `kind` is whole, exact, float, text, date, moment or truth; `uses` what the policy lets."""

    name: str
    kind: str
    uses: str

    def of(self, alias: str) -> "Column":
        return Column(f"{alias}.{self.name}" if alias else self.name, self.kind, self.uses)


KINDS = {
    TypeKind.INTEGER: "whole",
    TypeKind.DECIMAL: "exact",
    TypeKind.DOUBLE: "float",
    TypeKind.TEXT: "text",
    TypeKind.DATE: "date",
    TypeKind.TIMESTAMP: "moment",
    TypeKind.BOOLEAN: "truth",
}
LITERALS = {
    "whole": ("0", "1", "3", "7", "-2", "50"),
    "exact": ("0.01", "2.5", "100", "-1.25"),
    "float": ("0.5e0", "2e0", "-1e0"),
    "text": ("'small'", "'x'", "''", "'4.5'"),
    "date": ("DATE '1997-06-30'", "DATE '1998-01-01'"),
    "moment": ("TIMESTAMP '1997-06-30 12:00:00'",),
    "truth": ("TRUE", "FALSE"),
}
PLACES = {
    "number": ("whole", "exact", "float"),
    "whole": ("whole",),
    "exact": ("whole", "exact"),
    "text": ("text",),
    "date": ("date", "moment"),
    "plain date": ("date",),
    "truth": ("truth",),
}
"""Which kinds may stand in a place of a template of the table of functions."""

TAME: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "whole": (
        ("({} + {})", ("whole", "whole")),
        ("({} - {})", ("whole", "whole")),
        ("({} * 2)", ("whole",)),
        ("({} % 4)", ("whole",)),
        ("ABS({})", ("whole",)),
        ("LEAST({}, {})", ("whole", "whole")),
        ("GREATEST({}, 1)", ("whole",)),
        ("COALESCE({}, 0)", ("whole",)),
        ("NULLIF({}, 3)", ("whole",)),
        ("SIGN({} - 4)", ("whole",)),
        ("LENGTH({})", ("text",)),
        ("EXTRACT(year FROM {})", ("date",)),
        ("EXTRACT(month FROM {})", ("date",)),
        ("EXTRACT(dow FROM {})", ("date",)),
        ("date_diff('day', DATE '1997-01-01', {})", ("date",)),
        ("CASE WHEN {} THEN {} ELSE {} END", ("truth", "whole", "whole")),
        ("width_bucket({}, 0, 50, 5)", ("whole",)),
        ("TRY_CAST({} AS INTEGER)", ("text",)),
        ("STRPOS({}, 'a')", ("text",)),
    ),
    "exact": (
        ("({} + {})", ("exact", "whole")),
        ("({} * 2)", ("exact",)),
        ("LEAST({}, 250)", ("exact",)),
        ("ROUND({}, 1)", ("exact",)),
        ("({} - {})", ("exact", "exact")),
        ("CASE WHEN {} THEN {} END", ("truth", "exact")),
        ("CAST({} AS DECIMAL(12,2))", ("whole",)),
        ("FLOOR({})", ("exact",)),
    ),
    "float": (
        ("LEAST(GREATEST({}, -2), 8)", ("float",)),
        ("({} / 4.0)", ("whole",)),
        ("({} * {})", ("float", "whole")),
        ("SQRT(ABS({}))", ("whole",)),
        ("COALESCE({}, 0.5)", ("float",)),
        ("EXP(LEAST({}, 2))", ("whole",)),
        ("ROUND({}, 2)", ("float",)),
    ),
    "text": (
        ("LOWER({})", ("text",)),
        ("UPPER({})", ("text",)),
        ("SUBSTR({}, 1, 2)", ("text",)),
        ("({} || '/' || {})", ("text", "text")),
        ("COALESCE({}, 'none')", ("text",)),
        ("TRIM({})", ("text",)),
        ("strftime({}, '%Y-%m')", ("date",)),
        ("CASE WHEN {} THEN 'yes' WHEN {} THEN 'perhaps' ELSE 'no' END", ("truth", "truth")),
        ("REPLACE({}, 'a', 'bb')", ("text",)),
        ("LEFT({}, 3)", ("text",)),
    ),
    "date": (
        ("CAST(date_trunc('month', {}) AS DATE)", ("date",)),
        ("CAST(date_trunc('quarter', {}) AS DATE)", ("date",)),
        ("CAST({} + INTERVAL '1' MONTH AS DATE)", ("date",)),
        ("last_day({})", ("date",)),
        ("COALESCE({}, DATE '1997-01-01')", ("date",)),
    ),
    "moment": (("({} + INTERVAL '36' HOUR)", ("date",)), ("CAST({} AS TIMESTAMP)", ("date",))),
    "truth": (
        ("({} > {})", ("whole", "whole")),
        ("({} <= 3)", ("whole",)),
        ("({} < 200)", ("exact",)),
        ("({} > 0.5)", ("float",)),
        ("({} BETWEEN 1 AND 6)", ("whole",)),
        ("({} IN (1, 2, 5))", ("whole",)),
        ("({} LIKE 's%')", ("text",)),
        ("({} ILIKE '%RGE')", ("text",)),
        ("({} = 'small')", ("text",)),
        ("({} >= DATE '1998-01-01')", ("date",)),
        ("({} IS NULL)", ("float",)),
        ("({} IS NOT NULL)", ("truth",)),
        ("(NOT {})", ("truth",)),
        ("({} AND {})", ("truth", "truth")),
        ("({} OR {})", ("truth", "truth")),
        ("({} IS DISTINCT FROM 2)", ("whole",)),
        ("regexp_matches({}, '^[a-m]')", ("text",)),
        ("starts_with({}, 's')", ("text",)),
        ("({} IS TRUE)", ("truth",)),
    ),
}
"""Templates whose value plain SQL gives too, by the kind of their result."""


@lru_cache(maxsize=1)
def listed() -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Return every template of the table of functions that stands on its own, by the kind of its result."""
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for template, kinds in all_templates():
        tree = parse_one(template.format(*["zz"] * len(kinds)), read="duckdb")
        if any(column.name != "zz" for column in tree.find_all(exp.Column)):
            continue  # it names columns of the grid by itself
        try:
            term = resolved(template.format(*(of_type(kind)[0] for kind in kinds)))
        except GatewayError:
            continue
        kind = KINDS[term.type.kind]
        found.setdefault(kind, []).append((template, kinds))
    return found


@dataclass(slots=True)
class Values:
    """Makes expressions. `wild` is the share of nodes that come from the whole table of functions."""

    draw: Random
    wild: float = 0.0
    tame: bool = True
    """No expression so far is one that plain SQL may have another value for."""
    functions: set[str] = field(default_factory=set)

    def value(self, columns: list[Column], kind: str, use: str, depth: int = 1) -> str | None:
        """Return an expression of a kind, each column used as the policy lets; None: nothing here makes one."""
        bare = [c.name for c in columns if c.kind == kind and use in c.uses]
        if depth <= 0 or (bare and self.draw.random() < 0.5):
            return self.draw.choice(bare) if bare else None
        wild = self.draw.random() < self.wild
        pool = listed().get(kind, []) if wild else TAME[kind]
        for template, kinds in self.draw.sample(list(pool), min(4, len(pool))):
            arguments = [self._argument(columns, part, use, depth - 1, wild) for part in kinds]
            if None in arguments or all(a is not None and a[1] for a in arguments):
                continue
            if wild:
                self.tame = False
                self.functions.add(template)
            made = template.format(*(a[0] for a in arguments if a is not None))
            return f"({made})" if wild else made
        return self.draw.choice(bare) if bare else None

    def _argument(self, columns: list[Column], part: str, use: str, depth: int, wild: bool) -> tuple[str, bool] | None:
        """Return an argument, and whether it is a literal."""
        kind = self.draw.choice(PLACES[part]) if wild else part
        # a condition inside a value filters, whatever the value is for
        inner = FILTER if kind == "truth" and use == AGGREGATE else use
        if self.draw.random() < 0.15:
            return self.draw.choice(LITERALS[kind]), True
        found = self.value(columns, kind, inner, depth)
        return (self.draw.choice(LITERALS[kind]), True) if found is None else (found, False)
