"""Tests of a text against a literal pattern: LIKE, ILIKE, regular expressions, SIMILAR TO. None can take for ever."""

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.operators import mismatch
from gateway.sql.parse import dialect_of, place
from gateway.sql.regexes import Unreadable, translate, translate_similar
from gateway.sql.rows import Resolve
from gateway.sql.terms import Term, predicate
from gateway.sql.texts import text

MAX_PATTERN = 256
"""Signs of a LIKE pattern: an engine's work is the product of a text's length and a pattern's."""

MAX_WILDCARDS = 2
"""Signs % inside a LIKE pattern: an engine tries every place for each of them."""


def _tested(node: exp.Expr, resolve: Resolve, name: str) -> tuple[Term, str]:
    subject, pattern = text(node.this, resolve), resolve(node.args["expression"])
    if not isinstance(pattern.literal, str):
        raise mismatch(node, f"{name} takes a text and a literal pattern.")
    return subject, pattern.literal


def like(node: exp.Like | exp.ILike, resolve: Resolve) -> Term:
    """Return [NOT] LIKE or [NOT] ILIKE with a literal pattern. Without % and _ it is equality, blanks included."""
    subject, pattern = _tested(node, resolve, node.key.upper())
    if "\\" in pattern:
        hint = "Leave the backslash out; % and _ are the only signs with a meaning."
        raise GatewayError("unsupported_sql", "Escapes in LIKE differ between engines.", hint, place(node))
    if len(pattern) > MAX_PATTERN:
        detail = f"The pattern has more than {MAX_PATTERN} signs."
        raise GatewayError("sql_too_complex", detail, "Test for a shorter part of the text.", place(node))
    if pattern.strip("%").count("%") > MAX_WILDCARDS:  # some texts, not all, would take an engine for ever
        detail = f"The pattern has more than {MAX_WILDCARDS} % between its other signs."
        raise GatewayError("sql_too_complex", detail, "Test several shorter patterns with AND.", place(node))
    value = exp.paren(subject.node.copy(), copy=False)
    built: exp.Expr = exp.paren(type(node)(this=value, expression=exp.Literal.string(pattern)), copy=False)
    if node.args.get("negate"):
        built = exp.paren(exp.Not(this=built), copy=False)
    return predicate(built, subject, nullable=subject.nullable)


def escape(node: exp.Escape, _: Resolve) -> Term:
    hint = "Leave ESCAPE out; test a % or _ itself with strpos(t, '%') > 0."
    raise GatewayError("unsupported_sql", "ESCAPE of LIKE is not answered.", hint, place(node))


def regular(node: exp.Expr, resolve: Resolve) -> Term:
    """Return whether a regular expression matches anywhere in the text (regexp_full_match: all of it)."""
    subject, pattern = _tested(node, resolve, "A regular expression")
    flag = node.args.get("flag")
    flags = "" if flag is None else resolve(flag).literal
    if flags not in ("", "i", "c"):
        hint = "Write 'i' for any case, or leave the flags out."
        raise GatewayError("unsupported_sql", "These flags are not answered.", hint, place(node))
    written = _read(node, pattern, similar=False)
    if isinstance(node, exp.RegexpFullMatch):
        written = f"\\A(?:{written})\\z"
    if isinstance(node, exp.RegexpILike) or flags == "i":
        written = f"(?i){written}"
    return _matches(subject, written)


def similar(node: exp.SimilarTo, resolve: Resolve) -> Term:
    """Return SIMILAR TO: in duckdb a regular expression for the whole text, else the pattern of the SQL standard."""
    subject, pattern = _tested(node, resolve, "SIMILAR TO")
    if dialect_of(node) == "duckdb":
        return _matches(subject, f"\\A(?:{_read(node, pattern, similar=False)})\\z")
    return _matches(subject, _read(node, pattern, similar=True))


def _read(node: exp.Expr, pattern: str, *, similar: bool) -> str:
    try:
        return translate_similar(pattern) if similar else translate(pattern, dialect_of(node))
    except Unreadable as error:
        raise GatewayError("unsupported_sql", f"{error.what}.", error.instead, place(node)) from None


def _matches(subject: Term, pattern: str) -> Term:
    value = exp.paren(subject.node.copy(), copy=False)
    built = exp.Anonymous(this="REGEXP_MATCHES", expressions=[value, exp.Literal.string(pattern)])
    return predicate(exp.paren(built, copy=False), subject, nullable=subject.nullable)
