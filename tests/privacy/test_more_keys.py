"""Public keys that other relations than tables list, keys of types that cannot be shown, and what trees hold and answer."""

from dataclasses import replace

import pyarrow as pa
import pytest
from support.neighbours import exact
from support.shop import SHOP, A, F, G, J, column, empty_database, fill, planned

from gateway.catalog.types import UUID
from gateway.errors import GatewayError
from gateway.privacy.exact import LIMIT, ExactProbe

LISTS = {
    "VALUES": "(SELECT d, MIN(x) AS x FROM (VALUES (1, DATE '1997-01-01'), (2, DATE '1997-01-02')) u(x, d) GROUP BY d)",
    "UNION ALL": "(SELECT d, MIN(x) AS x FROM (SELECT day AS d, weekday AS x FROM calendar UNION ALL SELECT day, 9 FROM calendar) u GROUP BY d)",
}  # fmt: skip


@pytest.mark.parametrize(("name", "cells"), [("VALUES", 2), ("UNION ALL", 546)])
def test_what_public_relations_list(name, cells):
    sql = f"SELECT v.d, v.x, COUNT(*) AS n FROM purchases p JOIN {LISTS[name]} v ON v.d = p.purchased_on GROUP BY 1, 2"
    (measurement,) = planned(sql).program.measurements
    connection = empty_database()
    fill(connection, 1, 20)
    (probe,) = exact(connection, measurement)
    assert len(set(probe.listed())) == cells


def test_a_key_of_a_type_that_cannot_be_shown():
    calendar = SHOP.table("calendar")
    calendar = replace(calendar, columns=(*calendar.columns, column("mark", UUID, (G, F, A, J))))
    dataset = replace(SHOP, tables=tuple(calendar if t.name == "calendar" else t for t in SHOP.tables))
    sql = "SELECT k.mark, COUNT(*) AS n FROM purchases p JOIN calendar k ON k.day = p.purchased_on GROUP BY 1"
    with pytest.raises(GatewayError) as caught:
        planned(sql, dataset=dataset)
    assert caught.value.code == "type_mismatch"
    assert "VARCHAR" in caught.value.hint


def test_leaves_of_cells_that_are_asked_for_and_beyond_64_bits():
    (measurement,) = planned("SELECT gift, MEDIAN(quantity) AS m FROM purchases GROUP BY gift").program.measurements
    probe = next(p for p in measurement.probes if any(q.tree for q in p.primitives))
    tree = next(q for q in probe.primitives if q.tree)
    number = int(tree.name[1:])
    rows = {"part": [number] * 3, "unit": [False] * 3, "k0": [True, True, False], "leaf": [0, 0, 0], "bin": [0] * 3,
            "kept": [LIMIT, LIMIT, 7], "scaled": [0] * 3}  # fmt: skip
    found = ExactProbe(measurement, probe, pa.table(rows)).leaves(tree, 0, [(True,)])
    assert found.shape == (1, tree.tree.fine)
    assert found[0, 0] == 2 * LIMIT * tree.candidates[0].denominator
    assert sum(found[0, 1:]) == 0


def test_quantiles_of_one_column_share_a_tree_and_each_is_asked_once():
    sql = "SELECT MEDIAN(quantity) AS a, QUANTILE_CONT(quantity, 0.50) AS b, MAX(quantity) AS c FROM purchases"
    made = planned(sql)
    trees = [p.tree for m in made.program.measurements for q in m.probes for p in q.primitives if p.tree is not None]
    assert [tree.queries for tree in trees] == [("cont:1/2", "max")]
