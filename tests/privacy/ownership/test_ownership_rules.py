"""Every rule of ownership by name: what each passing query becomes, how each failing one is refused."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support.shop import SHOP

from gateway.errors import CODES, GatewayError
from gateway.privacy.ownership import analyse
from gateway.privacy.relations import Analysis, Measure
from gateway.sql.parse import parse
from gateway.sql.plan import Read
from gateway.sql.select import resolve

RULES = YAML(typ="safe").load(Path(__file__).with_name("rules.yaml"))
PASS = {f"{rule}: {name}": case for rule, kinds in RULES.items() for name, case in kinds.get("pass", {}).items()}
FAIL = {f"{rule}: {name}": case for rule, kinds in RULES.items() for name, case in kinds.get("fail", {}).items()}


def analysed(sql: str, dataset=SHOP) -> Analysis:
    return analyse(resolve(parse(sql, "duckdb"), dataset), dataset)


def kinds(analysis: Analysis) -> str:
    return " ".join("m" if isinstance(s, Measure) else "r" if isinstance(s, Read) else "s" for s in analysis.steps)


@pytest.mark.parametrize("name", PASS)
def test_passes(name):
    steps, sql = PASS[name]
    assert kinds(analysed(sql)) == steps


@pytest.mark.parametrize("name", FAIL)
def test_fails_by_name_with_a_place_and_what_to_write(name):
    code, sql, words = FAIL[name]
    with pytest.raises(GatewayError) as caught:
        analysed(sql)
    assert caught.value.code == code, caught.value.detail
    assert CODES[code].status < 500
    assert words in caught.value.hint
    assert caught.value.position is not None
