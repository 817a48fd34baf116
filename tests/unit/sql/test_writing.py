"""Trees as text and as copies: the shortcuts write and copy what sqlglot does."""

import pytest
from sqlglot import exp, parse_one

from gateway.catalog.types import INTEGER
from gateway.sql.terms import Term
from gateway.sql.writing import copied, identifier, named_in, reference, shown, text

TREES = (
    'SELECT a, t.b, "odd name", t."B" FROM t AS t WHERE NOT a IS NULL',
    "SELECT CAST(a AS DECIMAL(18, 2)), TRY_CAST(b AS TEXT), CAST(c AS TIMESTAMPTZ), CAST(d AS INT[]) FROM t",
    "SELECT CAST(a AS STRUCT(x INT, y TEXT)), CAST(b AS MAP(TEXT, INT)), CAST(c AS VARCHAR(3)) FROM t",
    "SELECT db.t.a, COUNT(*) FILTER(WHERE a > 1) FROM db.t GROUP BY 1 HAVING SUM(b) > ? ORDER BY 1 LIMIT 3",
    "WITH x AS MATERIALIZED (SELECT 1 AS v) SELECT * FROM x JOIN x AS y ON x.v = y.v UNION ALL SELECT -(-1)",
    'SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b NULLS FIRST), "select", "1a" FROM t',
    "SELECT CASE WHEN a LIKE 'x''y' THEN INTERVAL '1' DAY ELSE NULL END FROM (VALUES (1, 'é')) AS v(a, b)",
)


def trees():
    long = [exp.column("x" * 65), exp.column(f"odd {'x' * 65}", "t")]
    return [*(parse_one(sql, read="duckdb") for sql in TREES), *long]


@pytest.mark.parametrize("tree", trees(), ids=lambda tree: tree.sql("duckdb")[:40])
def test_a_tree_is_written_as_sqlglot_writes_it_and_stays_as_it_was(tree):
    before = repr(tree)
    assert shown(tree) == tree.sql("duckdb")
    assert repr(tree) == before
    assert text(tree.copy()) == tree.sql("duckdb")


@pytest.mark.parametrize("tree", trees(), ids=lambda tree: tree.sql("duckdb")[:40])
def test_a_copy_is_equal_and_shares_nothing(tree):
    twin = copied(tree)
    assert twin == tree
    assert repr(twin) == repr(tree)
    pairs = list(zip(tree.walk(), twin.walk(), strict=True))
    assert all(one is not other and one.args is not other.args for one, other in pairs)
    assert all((one.arg_key, one.index, one.meta) == (other.arg_key, other.index, other.meta) for one, other in pairs)
    twin_of = {id(one): other for one, other in pairs}
    assert all(other.parent is twin_of.get(id(one.parent)) for one, other in pairs)
    deepest = max(twin.walk(), key=lambda node: node.depth)
    deepest.meta["mine"] = True
    assert not any("mine" in node.meta for node in tree.walk())


@pytest.mark.parametrize("tree", trees(), ids=lambda tree: tree.sql("duckdb")[:40])
def test_the_columns_of_a_tree(tree):
    assert list(named_in(tree)) == list(dict.fromkeys(column.name for column in tree.find_all(exp.Column)))
    assert list(named_in(tree, exp.column("z"), tree)) == [*named_in(tree), "z"]


@pytest.mark.parametrize("name", ["a", "A_1", "_", "1a", "odd name", "é", "select", 'a"b', "", "a-b"])
def test_names_are_quoted_where_sqlglot_quotes_them(name):
    assert identifier(name) == exp.to_identifier(name)
    assert reference(name) == exp.column(name)
    assert reference(name, "t") == exp.column(name, "t")
    assert shown(reference(name, "t")) == exp.column(name, "t").sql("duckdb")


def test_what_is_kept_of_a_term_is_of_its_own_node():
    whole = parse_one("c1 + CAST(c2 AS BIGINT)", read="duckdb")
    term, fresh = Term(whole, INTEGER, nullable=False), Term(copied(whole), INTEGER, nullable=False)
    assert (term.ids, term.text) == ({"c1", "c2"}, "c1 + CAST(c2 AS BIGINT)")
    assert term == fresh
    assert hash(term) == hash(fresh)
    other = term.reference("c12_owner")
    assert (other.ids, other.text) == ({"c12_owner"}, shown(other.node))
