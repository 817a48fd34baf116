"""Functions that are left out on purpose, each with its reason and what to write instead; and names that come near."""

import difflib
from collections.abc import Iterable

UNANSWERED: dict[str, tuple[str, str]] = {
    "repeat": ("a text would grow without bound", "Write the text out, or use LPAD to a fixed length."),
    "space": ("a text would grow without bound", "Write the blanks out."),
    "reverse": ("engines differ on signs that combine", "Use RIGHT(t, n) for the end of a text."),
    "initcap": ("dialects differ on where a word starts", "Use UPPER(LEFT(t, 1)) || LOWER(SUBSTR(t, 2))."),
    "chr": ("not every number is a sign", "Write the sign as a literal."),
    "md5": ("a hash shows a value as it is", "Group by the column, or by a prefix of it."),
    "rand": ("it is not a function of the row", "Leave it out; noise is added for you."),
    "uuid": ("it is not a function of the row", "Leave it out."),
    "bitwiseand": ("bits are read in no dialect alike", "Use % and // with powers of two."),
    "bitwiseor": ("bits are read in no dialect alike", "Use arithmetic."),
    "bitwisexor": ("bits are read in no dialect alike (for a power write POWER)", "Use POWER(a, b), or arithmetic."),
    "bitwisenot": ("bits are read in no dialect alike", "Use -x - 1."),
    "bitwiseleftshift": ("bits are read in no dialect alike", "Multiply by a power of two."),
    "bitwiserightshift": ("bits are read in no dialect alike", "Divide by a power of two."),
    "age": ("an interval is no value here", "Use date_diff('day', a, b)."),
    "attimezone": ("columns here have no time zone", "Add an interval, for example t + INTERVAL '8' HOUR."),
    "arraycontains": ("arrays are not answered (in trino contains searches one)", "Write strpos(t, 'part') > 0."),
    "regexpreplace": ("dialects differ in what they replace", "Use REPLACE, SPLIT_PART or SUBSTR."),
    "regexpextract": ("dialects differ in what they find", "Use SPLIT_PART or SUBSTR, or CASE with regexp_matches."),
    "datebin": ("dialects differ in where bins start", "Use date_trunc, or FLOOR(date_diff('day', start, d) / n)."),
    "unixtotime": ("the result depends on a time zone", "Write TIMESTAMP '1970-01-01' + INTERVAL (x) SECOND."),
    "monthsbetween": ("it gives fractions of months", "Use (year(b) - year(a)) * 12 + month(b) - month(a)."),
    "collate": ("texts are compared byte by byte", "Use LOWER(t)."),
    "try": ("no expression fails here", "Leave TRY out."),
    "currentdate": ("it takes no argument", "Write CURRENT_DATE."),
    "currenttimestamp": ("it takes no argument", "Write CURRENT_TIMESTAMP."),
    "currenttime": ("times without a date are not answered", "Write CURRENT_TIMESTAMP."),
    "factorial": ("it overflows almost everywhere", "Write the number."),
}
"""By the parser's name of the node without underscores."""


def suggestions(name: str, known: Iterable[str]) -> str:
    """Return a hint for a function that is not answered: the known names nearest to it."""
    near = difflib.get_close_matches(name.lower(), sorted(known), 3, 0.6)
    answered = "docs/functions.md lists every function that is answered"
    return f"{answered}; near are {', '.join(n.upper() for n in near)}." if near else f"{answered}."
