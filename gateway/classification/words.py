"""What a name is made of: its words, in any of the ways that tables and columns are named, Chinese among them. Pure."""

import re
from collections.abc import Sequence

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN = re.compile(r"[^0-9a-z\u3400-\u9fff]+|(?<=[\u3400-\u9fff])(?=[0-9a-z])|(?<=[0-9a-z])(?=[\u3400-\u9fff])")
_LONGEST = 4


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case: of snake_case, camelCase, and of Chinese beside Latin letters."""
    return tuple(word for word in _BETWEEN.split(_CAMEL.sub("_", name).lower()) if word)


def joined(words: Sequence[str]) -> frozenset[str]:
    """Return every run of up to four words written as one: id_card is idcard as well."""
    count = len(words)
    return frozenset(
        "".join(words[start : start + length])
        for length in range(1, _LONGEST + 1)
        for start in range(count - length + 1)
    )


def singular(word: str) -> str:
    """Return an English noun in the singular, as far as table names need it."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def prefix_of(names: Sequence[str]) -> str:
    """Return the short first word that all columns of a table share, as c_ in c_name and c_phone; else nothing."""
    split = [words_of(name) for name in names]
    first = {words[0] for words in split if words}
    alike = len(split) >= 3 and len(first) == 1 and all(len(words) > 1 for words in split)
    return next(iter(first)) if alike and len(next(iter(first))) <= 3 else ""


def without(prefix: str, name: str) -> tuple[str, ...]:
    """Return the words of a column's name behind its table's prefix."""
    words = words_of(name)
    return words[1:] if prefix and words[:1] == (prefix,) else words
