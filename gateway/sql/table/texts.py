"""The table of functions: functions of texts. The handlers stand in gateway/sql/texts.py."""

from collections.abc import Callable

from sqlglot import exp

from gateway.sql.rows import Example, Row, Rows
from gateway.sql.terms import Term
from gateway.sql.texts import (
    MAX_LENGTH,
    MAX_PADDED,
    change_case,
    concat_function,
    concat_ws,
    concatenation,
    end_part,
    first_code,
    length,
    padding,
    position,
    replacement,
    split_part,
    substring,
    text_test,
    translation,
    trim,
)


def _row(
    handler: Callable[..., Term],
    parts: tuple[str, ...],
    written: str,
    result: str,
    *examples: Example,
    null: str = "",
    watch: str = "",
    spark: str = "",
) -> Row:
    return Row(handler, parts, written, result, null, watch, examples, spark=spark)


_DOMAIN = "; of a few known texts, the few that they become"
_CASE = "ASCII alone is the same everywhere: other letters as the engine's Unicode tables have them, sign by sign."
_JOINED = f"a NULL argument; more than {MAX_LENGTH:,} signs together"
_CHANGED = _row(
    change_case,
    ("this",),
    "lower(t), upper(t), lcase(t), ucase(t)",
    f"VARCHAR{_DOMAIN}",
    Example("upper('abc')", "'ABC'"),
    Example("lower('ABC')", "'abc'"),
    watch=_CASE,
)
_TESTED = _row(
    text_test,
    ("this", "expression"),
    "starts_with(t, s), startswith(t, s) (spark), prefix(t, s) (duckdb), t ^@ s; ends_with(t, s), suffix(t, s)"
    " (duckdb), endswith(t, s) (spark); contains(t, s) (duckdb, spark)",
    "BOOLEAN",
    Example("starts_with('abc', 'ab')", "TRUE"),
    Example("ends_with('abc', 'ab')", "FALSE"),
    Example("contains('abc', '')", "TRUE"),
    watch="contains is refused in trino, where it searches an array: write strpos(t, s) > 0.",
)
_SIDED = _row(
    end_part,
    ("this", "expression"),
    "left(t, n), right(t, n)",
    f"VARCHAR of at most n signs{_DOMAIN}",
    Example("left('abc', 2)", "'ab'"),
    Example("right('abc', -1)", "'bc'"),
    watch="n is a literal. A negative n leaves |n| signs out in duckdb and postgres; refused in spark, where"
    " it is empty.",
    spark="refused to a length below 0",
)

ROWS: Rows = {
    exp.Lower: _CHANGED,
    exp.Upper: _CHANGED,
    exp.Trim: _row(
        trim,
        ("this", "expression", "position"),
        "trim(t), ltrim(t), rtrim(t), trim(t, 'signs'), trim([BOTH | LEADING | TRAILING] 'signs' FROM t), btrim(t)",
        f"VARCHAR{_DOMAIN}",
        Example("trim('  a ')", "'a'"),
        Example("trim(LEADING 'x' FROM 'xxax')", "'ax'"),
        watch="Without signs: Unicode's blanks in duckdb, Java's in trino, the space alone in postgres and spark.",
    ),
    exp.Length: _row(
        length,
        ("this",),
        "length(t), char_length(t), character_length(t), len(t)",
        "INTEGER, 0 or more: code points",
        Example("length('日本')", "2"),
    ),
    exp.Substring: _row(
        substring,
        ("this", "start", "length", "zero_start"),
        "substr(t, start [, length]), substring(t FROM start FOR length)",
        f"VARCHAR{_DOMAIN}",
        Example("substr('abcd', 2, 2)", "'bc'"),
        Example("substr('abcd', -2)", "'cd'"),
        watch="start counts from 1. Below 1 it counts from the end in duckdb and, if it is below 0, in spark;"
        " refused where"
        " the dialect has it otherwise. length has to be known to be 0 or more.",
    ),
    exp.Left: _SIDED,
    exp.Right: _SIDED,
    exp.SplitPart: _row(
        split_part,
        ("this", "delimiter", "part_index"),
        "split_part(t, 'delimiter', n)",
        f"VARCHAR, empty beyond the last{_DOMAIN}",
        Example("split_part('a-b', '-', 2)", "'b'"),
        Example("split_part('a-b', '-', 3)", "''"),
        watch="Delimiter and n are literals; n = -1 is the last. Refused in trino, where it is NULL beyond the last.",
    ),
    exp.StartsWith: _TESTED,
    exp.EndsWith: _TESTED,
    exp.Contains: _TESTED,
    exp.StrPosition: _row(
        position,
        ("this", "substr"),
        "strpos(t, s), instr(t, s), position(s IN t), locate(s, t) (spark)",
        "INTEGER, 0 or more: from 1, or 0 where s does not stand in t",
        Example("strpos('abc', 'c')", "3"),
        Example("position('x' IN 'abc')", "0"),
    ),
    exp.Ascii: _row(
        first_code,
        ("this",),
        "ascii(t)",
        "INTEGER in [0, 1114111]: the first sign's code point; 0 of ''",
        Example("ascii('a')", "97"),
    ),
    exp.Replace: _row(
        replacement,
        ("this", "expression", "replacement"),
        "replace(t, 'old', 'new')",
        f"VARCHAR{_DOMAIN}",
        Example("replace('a-b-c', '-', '')", "'abc'"),
        null=f"it might grow beyond {MAX_LENGTH:,} signs",
        watch="old and new are literals, old not empty.",
    ),
    exp.Translate: _row(
        translation,
        ("this", "from_", "to"),
        "translate(t, 'from', 'to')",
        f"VARCHAR{_DOMAIN}",
        Example("translate('abc', 'ab', 'x')", "'xc'"),
        watch="Literals; the signs of `from` differ.",
    ),
    exp.Pad: _row(
        padding,
        ("this", "expression", "fill_pattern", "is_left"),
        "lpad(t, n, 'fill'), rpad(t, n, 'fill')",
        f"VARCHAR of n signs{_DOMAIN}",
        Example("lpad('7', 3, '0')", "'007'"),
        Example("rpad('abcd', 2, '-')", "'ab'"),
        watch=f"Literals; n is at most {MAX_PADDED:,}.",
    ),
    exp.DPipe: _row(
        concatenation,
        ("this", "expression", "safe"),
        "t || s",
        f"VARCHAR{_DOMAIN}",
        Example("'a' || 'b' || 1", "'ab1'"),
        null=_JOINED,
        watch="Texts, whole numbers and dates; anything else by CAST.",
    ),
    exp.Concat: _row(
        concat_function,
        ("expressions", "safe", "coalesce"),
        "concat(t, s, ...)",
        f"VARCHAR{_DOMAIN}",
        Example("concat('a', NULL, 'b')", "'ab'"),
        Example("concat('a', NULL)", "NULL", "trino"),
        null=f"more than {MAX_LENGTH:,} signs together; in trino and spark a NULL argument",
        watch="In duckdb and postgres a NULL is left out.",
    ),
    exp.ConcatWs: _row(
        concat_ws,
        ("expressions", "safe", "coalesce", "flatten"),
        "concat_ws('separator', t, s, ...)",
        "VARCHAR",
        Example("concat_ws('-', 'a', NULL, 'b')", "'a-b'"),
        null=f"more than {MAX_LENGTH:,} signs together",
        watch="NULLs are left out.",
    ),
}
