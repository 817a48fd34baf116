"""How much work a join of released rows is, by declaration: refused before the charge, or left alone."""

from dataclasses import replace

import pytest
from support.shop import SHOP, planned

from gateway.errors import GatewayError

WIDE = replace(SHOP, privacy=replace(SHOP.privacy, max_cells=100_000))

DAYS = "(SELECT purchased_on AS d, quantity AS q, COUNT(*) AS n FROM purchases GROUP BY 1, 2)"
QUANTITIES = "(SELECT quantity AS q, COUNT(*) AS n FROM purchases GROUP BY 1)"
BASKETS = "(SELECT basket AS b, COUNT(*) AS n FROM purchases GROUP BY 1)"


@pytest.mark.parametrize(
    "joined",
    [
        f"{DAYS} a JOIN {DAYS} b ON a.n < b.n",
        f"{DAYS} a, {DAYS} b",
        f"{DAYS} a LEFT JOIN (SELECT * FROM {DAYS} x WHERE n > 3) b ON a.n < b.n",
        f"(SELECT * FROM {DAYS} x WHERE EXISTS (SELECT 1 FROM {DAYS} y WHERE y.n > x.n)) a",
        f"{QUANTITIES} a, {QUANTITIES} b, {QUANTITIES} c, {QUANTITIES} d, {QUANTITIES} e, {QUANTITIES} f",
    ],
)
def test_pairs_that_declarations_alone_make_too_many_are_refused(joined):
    with pytest.raises(GatewayError) as caught:
        planned(f"SELECT COUNT(*) AS n FROM {joined}", dataset=WIDE)
    assert caught.value.code == "sql_too_complex"
    assert "equalities" in caught.value.hint
    assert caught.value.position is not None


@pytest.mark.parametrize(
    "joined",
    [
        f"{DAYS} a JOIN {DAYS} b ON a.d = b.d AND a.q = b.q",
        f"{QUANTITIES} a JOIN {QUANTITIES} b ON a.n < b.n",
        f"{DAYS} a, (SELECT AVG(n) AS m FROM {DAYS} x) b",  # one row
        f"{DAYS} a, (SELECT n AS m FROM {DAYS} x ORDER BY n DESC LIMIT 3) b",
        f"{BASKETS} a JOIN {BASKETS} b ON a.n < b.n",  # how many are released is not known here
    ],
)
def test_joins_of_few_rows_or_by_equalities_are_answered(joined):
    assert planned(f"SELECT COUNT(*) AS n FROM {joined}", dataset=WIDE).program.measurements
