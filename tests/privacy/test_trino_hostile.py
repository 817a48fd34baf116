"""Hostile statements at Trino's door: none becomes a look-up that reads what was not registered for it."""

import re
from pathlib import Path

import duckdb
import pytest
from ruamel.yaml import YAML
from sqlglot import exp
from support.thinning import one_in

from gateway.engines.post import PostProcessor
from gateway.errors import GatewayError
from gateway.sql.parse import parse
from gateway.sql.trino.lookups import _ALLOWED
from gateway.sql.trino.model import Namespace, Statement
from gateway.sql.trino.reading import read
from gateway.web.trino.catalog import Shown, listing
from gateway.web.trino.shapes import SHAPES

CORPUS = YAML(typ="safe").load((Path(__file__).parent / "hostile" / "statements.yaml").read_text(encoding="utf-8"))
STATEMENTS = [sql for entry in CORPUS.values() for sql in entry["sql"]]
HERE = Namespace("gateway", "shop")
SHOWN = Shown("ana", {})
TABLES = {
    "purchases": "information_schema.columns",
    "customers": "information_schema.tables",
    "calendar": "system.jdbc.types",
}


def meant(sql, parameters=None):
    try:
        return read(Statement(sql, HERE, parameters, "ana"))
    except GatewayError:
        return None


def over_the_catalogue(sql):
    """Return a statement with the tables of the shop replaced by tables about tables."""
    return re.sub("|".join(rf"\b{name}\b" for name in TABLES), lambda found: TABLES[found[0]], sql)


def held(found):
    """Assert that a look-up is made of what is allowed alone, and run it where it would run."""
    tree = parse(found.sql, "duckdb")
    assert {type(node) for node in tree.walk()} <= {*_ALLOWED, exp.Paren}, found.sql
    registered = {name for name in found.tables if name in SHAPES}
    for table in tree.find_all(exp.Table):
        assert table.this.name in found.tables or table.this.name.startswith("with "), found.sql
        assert not table.db
    if registered == set(found.tables):
        try:
            PostProcessor().look_up(found.sql, {name: listing(name, SHOWN) for name in registered})
        except GatewayError:
            pass
        except duckdb.Error as error:  # what a worker says goes to the provider's log, as any failure of one does
            assert "passwd" not in str(error)


@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_hostile_statement_is_a_question_as_it_stands_or_a_look_up_that_holds(sql):
    for text in (sql, over_the_catalogue(sql)):
        found = meant(text)
        if found is not None and found.tables is None:
            assert found.sql == text or "." in text, "only qualifiers are blanked"
        elif found is not None:
            held(found)


@pytest.mark.parametrize("sql", one_in(4, STATEMENTS))
def test_a_hostile_text_as_a_parameter_is_that_text(sql):
    if "\x00" in sql:
        return
    found = meant("SELECT COUNT(*) AS n FROM purchases WHERE basket = ?", exp.Literal.string(sql).sql("trino"))
    if found is not None:
        (literal,) = parse(found.sql, "trino").find_all(exp.Literal)
        assert literal.name == sql
    assert meant("SELECT COUNT(*) AS n FROM purchases WHERE basket = ?", sql) is None, "and is no parameter by itself"
