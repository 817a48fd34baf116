"""The moment of asking: CURRENT_DATE, now() and their like become one constant of the query, in UTC."""

from datetime import UTC, datetime

from sqlglot import exp

from gateway.sql.terms import data_type

_DATES = (exp.CurrentDate,)
_TIMES = (exp.CurrentTimestamp, exp.Localtimestamp)
_NAMED_TIMES = frozenset({"now", "get_current_timestamp", "transaction_timestamp", "current_localtimestamp"})


def at_moment(tree: exp.Expr, now: datetime) -> bool:
    """Write the moment into a query, in place, and tell whether it asked for it (then its plan is of that moment).

    A call with arguments (a precision, a zone) stays as it is, and is refused by name later.
    """
    moment = now.astimezone(UTC).replace(tzinfo=None)
    found = [node for node in tree.find_all(exp.Func) if _kind(node)]
    for node in found:
        kind = _kind(node)
        text = moment.date().isoformat() if kind == "DATE" else moment.isoformat(sep=" ", timespec="microseconds")
        literal = exp.Cast(this=exp.Literal.string(text), to=data_type(kind))
        literal.meta.update(node.meta)
        node.replace(literal)
    return bool(found)


def _kind(node: exp.Func) -> str:
    bare = not any(value for key, value in node.args.items() if not (isinstance(node, exp.Anonymous) and key == "this"))
    if not bare:
        return ""
    if isinstance(node, _DATES):
        return "DATE"
    timed = isinstance(node, _TIMES) or (isinstance(node, exp.Anonymous) and node.name.lower() in _NAMED_TIMES)
    return "TIMESTAMP" if timed else ""
