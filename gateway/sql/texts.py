"""Text functions: case, trimming, parts, search, replacement and joining end to end. Signs are Unicode code points."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DATE, INTEGER, OTHER, TEXT, Cell
from gateway.errors import GatewayError
from gateway.sql import ranges
from gateway.sql.operators import affordable, chain, flatten, mismatch
from gateway.sql.parse import dialect_of, place
from gateway.sql.ranges import Range
from gateway.sql.rows import Resolve
from gateway.sql.terms import Term, cast, clamp, image, merge, predicate, try_cast, whole

MAX_PIECES = 32
"""Texts joined end to end in one value."""

MAX_LENGTH = 4_096
"""Signs of a text that is joined from others, or that grew by a replacement."""

MAX_PADDED = 1_000
"""Signs that LPAD and RPAD fill a text up to, and signs of a literal that is searched for or put in."""

_REACH = 2**31 - 1

_JAVA_BLANKS = "".join(
    chr(n)
    for n in (
        *range(9, 14),
        *range(0x1C, 0x21),
        0x1680,
        *range(0x2000, 0x2007),
        *range(0x2008, 0x200B),
        0x2028,
        0x2029,
        0x205F,
        0x3000,
    )
)


def text(node: exp.Expr, resolve: Resolve) -> Term:
    """Return a text. Raises `type_mismatch` for anything else but NULL."""
    term = resolve(node)
    if term.type == OTHER and term.domain == ():
        return replace(term, node=cast(exp.Null(), TEXT), type=TEXT, domain=None)
    if term.type != TEXT:
        raise mismatch(node, f"Text is expected; this is {term.type}.")
    return term


def _joinable(node: exp.Expr, resolve: Resolve) -> Term:
    """Return a text, or a whole number or date written as one."""
    term = resolve(node)
    if term.type in (INTEGER, DATE):
        return Term(try_cast(term.node.copy(), TEXT), TEXT, nullable=term.nullable, **merge(term))
    return text(node, resolve)


def _made(built: exp.Expr, *terms: Term, of: Callable[..., Cell] | None = None, nullable: bool | None = None) -> Term:
    """Return a text made of others; `of` computes exactly the same of their cells, where they are few."""
    domain = image(of, *terms) if of is not None else None
    return Term(
        built,
        TEXT,
        nullable=any(t.nullable for t in terms) if nullable is None else nullable,
        domain=domain,
        raw=domain is not None and any(t.raw for t in terms),
        **merge(*terms),
    )


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _literal_text(node: exp.Expr, resolve: Resolve, what: str) -> str:
    value = resolve(node).literal
    if not isinstance(value, str) or not 0 < len(value) <= MAX_PADDED:
        raise mismatch(node, f"{what} is a literal text of 1 to {MAX_PADDED:,} signs.")
    return value


def _whole(node: exp.Expr, resolve: Resolve, what: str) -> int:
    value = resolve(node).literal
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _REACH:
        raise mismatch(node, f"{what} is a literal whole number.")
    return value


# -- case and trimming -------------------------------------------------------------------------------------------


def change_case(node: exp.Lower | exp.Upper, resolve: Resolve) -> Term:
    term = text(node.this, resolve)
    convert = str.lower if isinstance(node, exp.Lower) else str.upper
    known = term.domain is not None and all(str(cell).isascii() for cell in term.domain)
    return _made(type(node)(this=term.node.copy()), term, of=(lambda cell: convert(str(cell))) if known else None)


def trim(node: exp.Trim, resolve: Resolve) -> Term:
    """Return TRIM, LTRIM or RTRIM of blanks, or of any of some literal signs."""
    term = text(node.this, resolve)
    position = str(node.args.get("position") or "BOTH").upper()
    name = {"BOTH": "TRIM", "LEADING": "LTRIM", "TRAILING": "RTRIM"}.get(position)
    if name is None:  # the parser takes a third argument for one of these words
        raise mismatch(node, "A trim takes a text and the signs to take off.")
    chars = node.args.get("expression")
    dialect = dialect_of(node)
    if chars is not None:
        signs = _literal_text(chars, resolve, "What is trimmed")
    elif dialect == "duckdb":  # the engine's own blanks
        return _made(_call(name, term.node.copy()), term)
    else:
        signs = _JAVA_BLANKS if dialect == "trino" else " "
    strip = {"TRIM": str.strip, "LTRIM": str.lstrip, "RTRIM": str.rstrip}[name]
    built = _call(name, term.node.copy(), exp.Literal.string(signs))
    return _made(built, term, of=lambda cell: strip(str(cell), signs))


# -- parts -------------------------------------------------------------------------------------------------------


def length(node: exp.Length, resolve: Resolve) -> Term:
    term = text(node.this, resolve)
    sizes = image(lambda cell: len(str(cell)), term)
    return Term(
        cast(exp.Length(this=term.node.copy()), INTEGER),
        INTEGER,
        nullable=term.nullable,
        range=Range(Fraction(0), None),
        domain=sizes,
        raw=sizes is not None and term.raw,
        **merge(term),
    )


def substring(node: exp.Substring, resolve: Resolve) -> Term:
    """Return SUBSTR(text, start [, length]), with what is not sure to mean the same everywhere refused by dialect."""
    term = text(node.this, resolve)
    if node.args.get("start") is None:
        raise mismatch(node, "SUBSTR takes a start.")
    start = _index(node.args["start"], resolve, "The start of SUBSTR")
    _check_start(node, start)
    arguments = [term, start]
    if node.args.get("length") is not None:
        size = _index(node.args["length"], resolve, "The length of SUBSTR")
        if size.range.lo is None or size.range.lo < 0:
            raise mismatch(node, "The length of SUBSTR has to be known to be 0 or more: GREATEST(length, 0).")
        arguments.append(size)
    built = _call("SUBSTRING", *(t.node.copy() for t in arguments))
    literal = all(isinstance(t.literal, int) for t in arguments[1:])
    known = literal and isinstance(start.literal, int) and start.literal >= 1
    return _made(built, *arguments, of=_part if known else None)


def _part(cell: Cell, start: int, size: int | None = None) -> str:
    return str(cell)[start - 1 : None if size is None else start - 1 + size]


def _index(node: exp.Expr, resolve: Resolve, what: str) -> Term:
    """Return a position in a text: an integer, held within what engines count with."""
    term = resolve(node)
    if term.type != INTEGER:
        raise mismatch(node, f"{what} is a whole number.")
    limits = term.limits()
    assert limits.lo is not None and limits.hi is not None  # noqa: PT018 - INVARIANT: integers end
    if term.raw or limits.lo < -_REACH or limits.hi > _REACH:
        affordable(node, [term])
        lo, hi = max(limits.lo, Fraction(-_REACH)), min(limits.hi, Fraction(_REACH))
        held = clamp(term.node, whole(int(lo)), whole(int(hi)))
        return replace(term, node=cast(held, INTEGER), range=Range(lo, hi), raw=False, domain=None, origin=None)
    return term


def _check_start(node: exp.Substring, start: Term) -> None:
    dialect = dialect_of(node)
    lo, hi = start.limits().lo, start.limits().hi
    if lo is not None and lo >= 1:
        return
    if dialect == "duckdb" or (dialect == "spark" and hi is not None and hi < 0):
        return
    hint = "Count from 1, for example GREATEST(start, 1); for the end write RIGHT(t, n)."
    detail = f"A start of SUBSTR below 1 means another thing in {dialect} than in other dialects."
    raise GatewayError("unsupported_sql", detail, hint, place(node))


def end_part(node: exp.Left | exp.Right, resolve: Resolve) -> Term:
    """Return LEFT(t, n) or RIGHT(t, n); a negative n leaves out as many signs, in the dialects that have it so."""
    term, count = text(node.this, resolve), _whole(node.expression, resolve, f"The length of {node.key.upper()}")
    if count < 0 and dialect_of(node) not in ("duckdb", "postgres"):
        hint = "Write a length of 0 or more."
        detail = f"A negative length of {node.key.upper()} means another thing here."
        raise GatewayError("unsupported_sql", detail, hint, place(node))

    def part(cell: Cell) -> str:
        if isinstance(node, exp.Left):
            return str(cell)[:count]
        return str(cell)[-count:] if count else ""

    built = _call(node.key.upper(), term.node.copy(), whole(count))
    return _made(built, term, of=part)


def split_part(node: exp.SplitPart, resolve: Resolve) -> Term:
    """Return the n-th field of a text between delimiters; beyond the last one it is empty."""
    if dialect_of(node) == "trino":
        hint = "Use regexp_like or strpos to test the text; group by a substr of it."
        detail = "split_part beyond the last field is NULL in trino, and empty here."
        raise GatewayError("unsupported_sql", detail, hint, place(node))
    term = text(node.this, resolve)
    delimiter = _literal_text(node.args["delimiter"], resolve, "The delimiter")
    index = _whole(node.args["part_index"], resolve, "The number of the field")
    if not 1 <= abs(index) <= MAX_PADDED:
        raise mismatch(node, f"SPLIT_PART counts fields from 1 to {MAX_PADDED:,}, or from the end with -1.")

    def field(cell: Cell) -> str:
        fields = str(cell).split(delimiter)
        return fields[index - 1 if index > 0 else index] if abs(index) <= len(fields) else ""

    built = _call("SPLIT_PART", term.node.copy(), exp.Literal.string(delimiter), whole(index))
    return _made(built, term, of=field)


# -- search ------------------------------------------------------------------------------------------------------


def text_test(node: exp.StartsWith | exp.EndsWith | exp.Contains, resolve: Resolve) -> Term:
    """Return starts_with, ends_with or contains."""
    terms = [text(part, resolve) for part in (node.this, node.args["expression"])]
    name = {"startswith": "STARTS_WITH", "endswith": "SUFFIX", "contains": "CONTAINS"}[node.key]
    built = _call(name, *(t.node.copy() for t in terms))
    return predicate(built, *terms, nullable=any(t.nullable for t in terms))


def position(node: exp.StrPosition, resolve: Resolve) -> Term:
    """Return where a text stands in another, counted from 1; 0 where it does not."""
    terms = [text(part, resolve) for part in (node.this, node.args["substr"])]
    found = image(lambda cell, part: str(cell).find(str(part)) + 1, *terms)
    return Term(
        cast(_call("STRPOS", *(t.node.copy() for t in terms)), INTEGER),
        INTEGER,
        nullable=any(t.nullable for t in terms),
        range=Range(Fraction(0), None),
        domain=found,
        raw=found is not None and any(t.raw for t in terms),
        **merge(*terms),
    )


def first_code(node: exp.Ascii, resolve: Resolve) -> Term:
    term = text(node.this, resolve)
    built = cast(_call("ASCII", term.node.copy()), INTEGER)
    return Term(built, INTEGER, nullable=term.nullable, range=ranges.between(0, 0x10FFFF), **merge(term))


# -- replacement and padding -------------------------------------------------------------------------------------


def replacement(node: exp.Replace, resolve: Resolve) -> Term:
    """Return REPLACE with literals; NULL where it might grow beyond MAX_LENGTH."""
    term = text(node.this, resolve)
    old = _literal_text(node.expression, resolve, "What is replaced")
    new = resolve(node.args["replacement"]).literal
    if not isinstance(new, str) or len(new) > MAX_PADDED:
        raise mismatch(node, f"The replacement is a literal text of at most {MAX_PADDED:,} signs.")
    built = _call("REPLACE", term.node.copy(), exp.Literal.string(old), exp.Literal.string(new))
    if len(new) <= len(old):
        return _made(built, term, of=lambda cell: str(cell).replace(old, new))
    affordable(node, [term])
    longest = MAX_LENGTH * len(old) // len(new)
    return _made(_where_short(term.node, longest, built), term, nullable=True)


def _where_short(node: exp.Expr, longest: int, value: exp.Expr) -> exp.Expr:
    fits = exp.LTE(this=exp.Length(this=node.copy()), expression=exp.Literal.number(longest))
    return exp.Case(ifs=[exp.If(this=fits, true=value)])


def translation(node: exp.Translate, resolve: Resolve) -> Term:
    """Return TRANSLATE: each sign of a literal replaced by the one at its place in another, or left out."""
    term = text(node.this, resolve)
    old = _literal_text(node.args["from_"], resolve, "What is translated")
    new = resolve(node.args["to"]).literal
    if not isinstance(new, str) or len(new) > len(old) or len(set(old)) != len(old):
        raise mismatch(node, "TRANSLATE takes two literals: signs that differ, and as many or fewer for them.")
    table = {ord(sign): (new[i] if i < len(new) else None) for i, sign in enumerate(old)}
    built = _call("TRANSLATE", term.node.copy(), exp.Literal.string(old), exp.Literal.string(new))
    return _made(built, term, of=lambda cell: str(cell).translate(table))


def padding(node: exp.Pad, resolve: Resolve) -> Term:
    """Return LPAD or RPAD to a literal length; a longer text is cut off at its right."""
    term = text(node.this, resolve)
    count = _whole(node.expression, resolve, "The length to fill up to")
    if not 0 <= count <= MAX_PADDED:
        raise mismatch(node, f"LPAD and RPAD fill up to at most {MAX_PADDED:,} signs.")
    pattern = node.args.get("fill_pattern")
    if pattern is None and dialect_of(node) == "duckdb":
        raise mismatch(node, "LPAD and RPAD take a filling text.")
    fill = " " if pattern is None else _literal_text(pattern, resolve, "The filling text")
    left = bool(node.args.get("is_left"))

    def padded(cell: Cell) -> str:
        own = str(cell)[:count]
        filling = (fill * count)[: count - len(own)]
        return filling + own if left else own + filling

    built = _call("LPAD" if left else "RPAD", term.node.copy(), whole(count), exp.Literal.string(fill))
    return _made(built, term, of=padded)


# -- joining -----------------------------------------------------------------------------------------------------


def concatenation(node: exp.DPipe, resolve: Resolve) -> Term:
    """Return texts joined end to end; NULL where they are longer than MAX_LENGTH together.

    Without that, doubling a text again and again would fill the memory for one person's rows and not for others'.
    """
    return _joined(node, [_joinable(part, resolve) for part in flatten(node, exp.DPipe)])


def concat_function(node: exp.Concat, resolve: Resolve) -> Term:
    """Return CONCAT: a NULL is left out where the dialect has it so, else it makes NULL."""
    terms = [_joinable(part, resolve) for part in node.expressions]
    if node.args.get("coalesce"):
        terms = [_present(term) for term in terms]
    return _joined(node, terms)


def _present(term: Term) -> Term:
    if not term.nullable:
        return term
    built = exp.Coalesce(this=term.node.copy(), expressions=[exp.Literal.string("")])
    domain = None if term.domain is None else tuple(dict.fromkeys((*term.domain, "")))
    return replace(term, node=built, nullable=False, domain=domain, origin=None)


def _joined(node: exp.Expr, terms: list[Term]) -> Term:
    pieces = sum(term.pieces for term in terms)
    if pieces > MAX_PIECES:
        detail = f"More than {MAX_PIECES} texts are joined end to end."
        raise GatewayError("sql_too_complex", detail, "Join fewer texts.", place(node))
    affordable(node, terms)
    parts: list[exp.Expr] = [exp.paren(term.node.copy(), copy=False) for term in terms]
    sizes: list[exp.Expr] = [exp.Length(this=part.copy()) for part in parts]
    fits = exp.LTE(this=exp.paren(chain(exp.Add, sizes), copy=False), expression=exp.Literal.number(MAX_LENGTH))
    built = exp.Case(ifs=[exp.If(this=fits, true=chain(exp.DPipe, parts))])
    made = _made(built, *terms, of=lambda *cells: "".join(map(str, cells)), nullable=True)
    short = made.domain is not None and all(len(str(cell)) <= MAX_LENGTH for cell in made.domain)
    if short and not made.raw:  # then the test is never false
        made = replace(made, node=chain(exp.DPipe, parts), nullable=any(t.nullable for t in terms))
    return replace(made, pieces=pieces, domain=made.domain if short else None, raw=made.raw and short)


def concat_ws(node: exp.ConcatWs, resolve: Resolve) -> Term:
    """Return CONCAT_WS: a literal separator between texts, NULLs left out."""
    separator = _literal_text(node.expressions[0], resolve, "The separator of CONCAT_WS")
    terms = [_joinable(part, resolve) for part in node.expressions[1:]]
    pieces = sum(term.pieces for term in terms) + len(terms)
    if not terms or pieces > MAX_PIECES:
        detail = f"CONCAT_WS joins from 1 to {MAX_PIECES // 2} texts."
        raise GatewayError("sql_too_complex", detail, "Join fewer texts.", place(node))
    affordable(node, terms)
    parts = [term.node.copy() for term in terms]
    zero = exp.Literal.number(0)
    sizes: list[exp.Expr] = [
        exp.Coalesce(this=exp.Length(this=part.copy()), expressions=[zero.copy()]) for part in parts
    ]
    longest = exp.Literal.number(MAX_LENGTH - len(separator) * len(terms))
    fits = exp.LTE(this=exp.paren(chain(exp.Add, sizes), copy=False), expression=longest)
    call = _call("CONCAT_WS", exp.Literal.string(separator), *parts)
    built = exp.Case(ifs=[exp.If(this=fits, true=call)])
    return replace(_made(built, *terms, nullable=True), pieces=pieces)
