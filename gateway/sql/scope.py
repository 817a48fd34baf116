"""Which column a name means at one place of the query."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.parse import place
from gateway.sql.plan import Field
from gateway.sql.terms import Term


@dataclass(slots=True)
class Ids:
    """Gives out column ids that are unique in one plan, in the order of resolution."""

    _numbers: Iterable[int] = field(default_factory=lambda: count(1))

    def next(self) -> str:
        return f"c{next(iter(self._numbers))}"


@dataclass(frozen=True, slots=True)
class Source:
    """One relation of a FROM clause under its alias; its `merged` names are meant only where they are qualified.

    The columns that a FULL JOIN merges by USING are a source of their own, without an alias.
    """

    alias: str
    fields: tuple[Field, ...]
    merged: frozenset[str] = frozenset()
    named: Mapping[str, list[Field]] = field(init=False, repr=False, compare=False)
    """The fields by folded name: each name of a query looks into every relation in sight."""

    def __post_init__(self) -> None:
        named: dict[str, list[Field]] = {}
        for one in self.fields:
            named.setdefault(one.name.casefold(), []).append(one)
        object.__setattr__(self, "named", named)


@dataclass(frozen=True, slots=True)
class Scope:
    """The relations in sight, and the aliases of the same SELECT list (which are not columns).

    `star` is what a bare star means: pairs of alias and column name, in order.
    """

    sources: tuple[Source, ...]
    aliases: frozenset[str] = frozenset()
    star: tuple[tuple[str, str], ...] = ()

    def find(self, node: exp.Column) -> Term | None:
        """Return the term that a column name means here, or None.

        Raises GatewayError `ambiguous_name`, `raw_rows` or `unsupported_sql`.
        """
        if not isinstance(node.this, exp.Identifier):
            raise GatewayError("raw_rows", "A star stands where a column is expected.", _NAME_COLUMNS, place(node))
        if node.args.get("db") or node.args.get("catalog"):
            hint = "Write alias.column."
            raise GatewayError("unsupported_sql", "A column is qualified by a schema.", hint, place(node))
        wanted, table = node.name.casefold(), node.table.casefold()
        found = [
            f
            for source in self.sources
            if (not table or source.alias.casefold() == table) and (table or wanted not in source.merged)
            for f in source.named.get(wanted, ())
        ]
        if len(found) > 1:
            hint = "Qualify the column with its table's alias."
            raise GatewayError("ambiguous_name", f"'{node.name}' names more than one column.", hint, place(node))
        return found[0].term if found else None

    def absent(self, node: exp.Column) -> GatewayError:
        """Return the refusal of a name that means nothing here, the same for hidden and absent columns."""
        wanted = node.name.casefold()
        if not node.table and wanted in self.aliases:
            detail = f"'{node.name}' is an alias of the same SELECT list."
            return GatewayError("lateral_alias", detail, "Repeat the expression, or name it in WITH.", place(node))
        if not node.table and any(source.alias.casefold() == wanted for source in self.sources):
            detail = f"'{node.name}' is a whole row."
            return GatewayError("raw_rows", detail, _NAME_COLUMNS, place(node))
        detail = f"There is no column '{node.sql()}' that may be used here."
        hint = "GET /v1/datasets/{name} lists the columns and what each may do."
        return GatewayError("unknown_column", detail, hint, place(node))

    def column(self, node: exp.Column) -> Term:
        """Return the term that a column name means.

        Raises GatewayError `unknown_column`, `ambiguous_name`, `lateral_alias`, `raw_rows`, `unsupported_sql`.
        """
        term = self.find(node)
        if term is None:
            raise self.absent(node)
        return term


_NAME_COLUMNS = "Aggregate named columns, for example COUNT(*) or SUM(column)."
