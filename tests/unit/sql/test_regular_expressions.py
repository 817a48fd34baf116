"""Regular expressions mean what Python's mean, in each dialect's own way, and others are refused."""

import re

import pytest
from support.evaluated import engine, refusal, value
from support.functions import resolved

PATTERNS = ("a", "^a", "a$", "^$", "a.c", "[a-c]+", "[^a]", "(ab|cd)*x", "a{2}", "a{1,2}b", "a{0}b", "\\.", "\\-", "[.]", "[a\\-z]", "a|", "(?:a|b)c?",
            "x*", "^(a|b){2,}$", "[0-9]{2}", "\\d+", "\\w", "\\W", "\\s", "[\\d-]", "日.", "[日語]", "\\\\", "[ \\t]", "()", "a||b")  # fmt: skip
SUBJECTS = (
    "",
    "a",
    "abc",
    "a\nc",
    "aa",
    "aab",
    "xyz",
    "a.b",
    "a-b",
    "12",
    "a1",
    "日本",
    "語",
    "\\",
    " ",
    "\t",
    "ABC",
    "abcdx",
    "a\n",
    "b",
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_regular_expressions_match_as_python_has_it(pattern):
    oracle = re.compile(pattern.replace("$", "\\Z"), re.ASCII)
    quoted = pattern.replace("'", "''")
    term = resolved(f"regexp_matches(t, '{quoted}')")
    for subject in SUBJECTS:
        (found,) = engine().execute(f"SELECT {term.node.sql('duckdb')} FROM (SELECT ? AS t)", [subject]).fetchone()
        assert found == (oracle.search(subject) is not None), subject


def test_a_dot_and_an_end_mean_what_they_mean_in_the_dialect():
    cases = {"duckdb": (False, False), "postgres": (True, False), "trino": (False, True), "spark": (False, True)}
    for dialect, (dot, end) in cases.items():
        call = "regexp_matches" if dialect == "duckdb" else "regexp_like"
        for pattern, subject, expected in (("a.c", "a\nc", dot), ("a$", "a\n", end), ("^b", "a\nb", False)):
            term = resolved(f"{call}(t, '{pattern}')", dialect)
            (found,) = engine().execute(f"SELECT {term.node.sql('duckdb')} FROM (SELECT ? AS t)", [subject]).fetchone()
            assert found is expected, (dialect, pattern)


@pytest.mark.parametrize(
    "pattern",
    ["(a)\\1", "(?=a)", "(?!a)", "(?<=a)", "(?i)a", "(?P<n>a)", "a*?", "a*+", "a**", "\\bx", "\\Bx", "\\Qa", "[[:alpha:]]", "[a&&b]", "[]a]", "(", ")", "a)",
     "[a", "*a", "{2}", "a{2", "a{,3}", "a{3,2}", "a{1001}", "(a{100}){100}", "[z-a]", "\\p{L}", "\\x41", "a" * 257, "(" * 11 + ")" * 11, "]", "}", "\\", "[\\W]", "\\1"],
)  # fmt: skip
def test_patterns_that_differ_or_grow_are_refused(pattern):
    assert refusal(f"regexp_matches(t, '{pattern}')").code == "unsupported_sql"


def test_short_classes_are_refused_where_they_are_not_ascii():
    for dialect in ("postgres", "trino"):
        assert "[0-9]" in refusal("regexp_like(t, '\\d')", dialect).hint
    assert refusal("regexp_like(t, '\\\\s')", "spark").code == "unsupported_sql"
    assert resolved("regexp_like(t, '\\\\d')", "spark")
    assert refusal("regexp_matches(t, 'a', 'g')").code == "unsupported_sql"
    assert refusal("regexp_matches(t, s)").code == "type_mismatch"


def test_similar_to_is_the_standards_outside_duckdb():
    cases = {"a%": "abc", "a_c": "a\nc", "(a|b)*": "abab", "a.c": "a.c", "[a-c]{2}": "ab", "^": "^"}
    for pattern, subject in cases.items():
        term = resolved(f"t SIMILAR TO '{pattern}'", "postgres")
        (found,) = engine().execute(f"SELECT {term.node.sql('duckdb')} FROM (SELECT ? AS t)", [subject]).fetchone()
        assert found, pattern
    assert value("'abc' SIMILAR TO 'a.c'", "postgres") is False
    assert value("'abcd' SIMILAR TO 'a_c'", "postgres") is False
