"""Which constructs stand in an expression: aggregates, windows, subqueries. Reads syntax alone, resolves nothing."""

from collections.abc import Callable, Iterator

from sqlglot import exp

WINDOW_FUNCTIONS = (
    exp.RowNumber,
    exp.Rank,
    exp.DenseRank,
    exp.PercentRank,
    exp.CumeDist,
    exp.Ntile,
    exp.Lag,
    exp.Lead,
    exp.FirstValue,
    exp.LastValue,
    exp.NthValue,
)
GROUPING_FUNCTIONS = (exp.Grouping, exp.GroupingId)

NAMED_AGGREGATES = frozenset({"EVERY", "SOME", "STD", "MEAN"})
"""Aggregates that sqlglot knows by no node of their own."""


def is_aggregate(node: exp.Expr) -> bool:
    """Tell whether a node is an aggregate call, with its FILTER and WITHIN GROUP."""
    if isinstance(node, exp.Filter | exp.WithinGroup | exp.IgnoreNulls | exp.RespectNulls):
        return is_aggregate(node.this)
    if isinstance(node, exp.Anonymous):
        return node.name.upper() in NAMED_AGGREGATES
    return isinstance(node, exp.AggFunc) and not isinstance(node, (*WINDOW_FUNCTIONS, *GROUPING_FUNCTIONS))


def is_query(node: exp.Expr) -> bool:
    """Tell whether a node is a query or holds one as its own operand: a scalar subquery, EXISTS, IN, ANY, ALL."""
    if isinstance(node, exp.Query | exp.Exists):
        return True
    if isinstance(node, exp.In):
        return listed(node) is not None
    return isinstance(node, exp.Predicate | exp.Binary) and quantified(node) is not None


def listed(node: exp.In) -> exp.Expr | None:
    """Return the query that IN looks into, also one that is written VALUES, else None."""
    query: exp.Expr | None = node.args.get("query")
    if query is None and len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Values):
        query = node.expressions[0]
    return query


def quantified(node: exp.Expr) -> exp.Any | exp.All | None:
    """Return the ANY (query) or ALL (query) that a comparison has on its right, else None."""
    operand = node.args.get("expression")
    if isinstance(operand, exp.Any | exp.All) and isinstance(operand.this, exp.Query):
        return operand
    return None


def bare_query(node: exp.Expr) -> exp.Expr:
    """Return the query inside parentheses; those with an ORDER BY, LIMIT or WITH of their own stay."""
    while isinstance(node, exp.Subquery) and not any(
        node.args.get(part) for part in ("order", "limit", "offset", "with_")
    ):
        node = node.this
    return node


def _outermost(node: exp.Expr, wanted: Callable[[exp.Expr], bool]) -> Iterator[exp.Expr]:
    pending = [node]
    while pending:
        current = pending.pop()
        if wanted(current):
            yield current
        elif isinstance(current, exp.Query):
            continue
        elif isinstance(current, exp.Window) and wanted is is_aggregate:
            pending.extend(reversed(window_parts(current)))
        else:
            pending.extend(reversed(list(current.iter_expressions())))


def window_parts(node: exp.Window) -> list[exp.Expr]:
    """Return what stands in a window function besides itself: arguments, FILTER, PARTITION BY, ORDER BY."""
    function = node.this
    parts = [part for key, part in _children(node) if key != "this"]
    while isinstance(function, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        parts += [part for key, part in _children(function) if key != "this"]
        function = function.this
    return [*function.iter_expressions(), *parts]


def _children(node: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    for key, content in node.args.items():
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, exp.Expr):
                yield key, part


def aggregates_in(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the outermost aggregates of an expression, in order: those inside window functions, none of subqueries."""
    return _outermost(node, is_aggregate)


def windows_in(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the outermost window functions of an expression, in order."""
    return _outermost(node, lambda n: isinstance(n, exp.Window))


def groupings_in(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the GROUPING() calls of an expression."""
    return _outermost(node, lambda n: isinstance(n, GROUPING_FUNCTIONS))


def has_aggregate(node: exp.Expr) -> bool:
    return next(aggregates_in(node), None) is not None


def has_query(node: exp.Expr) -> bool:
    return next(_outermost(node, is_query), None) is not None


def has_query_beside_aggregates(node: exp.Expr) -> bool:
    """Tell whether a subquery stands in an expression outside of its aggregates."""
    return any(not is_aggregate(n) for n in _outermost(node, lambda n: is_query(n) or is_aggregate(n)))


def is_plain(node: exp.Expr) -> bool:
    """Tell whether an expression is of one row: no aggregate, window or GROUPING() in it, subqueries aside."""
    return next(_outermost(node, _is_special), None) is None


def _is_special(node: exp.Expr) -> bool:
    return isinstance(node, exp.AggFunc | exp.Window) or is_aggregate(node)


def columns_in(node: exp.Expr) -> Iterator[exp.Column]:
    """Yield the column names of an expression, without those inside subqueries."""
    for found in _outermost(node, lambda n: isinstance(n, exp.Column)):
        assert isinstance(found, exp.Column)  # INVARIANT: what was looked for
        yield found
