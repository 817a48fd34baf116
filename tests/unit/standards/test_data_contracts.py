"""Data contracts hold to the standard's own schema, and say no more than a policy makes public."""

import json
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path

import pytest
from jsonschema import Draft201909Validator
from support.shop import PLAN, SHOP
from support.tpch_catalog import TPCH

from gateway.catalog.describe import describe
from gateway.standards.odcs import contract

SCHEMA = json.loads((Path(__file__).parents[2] / "corpora" / "odcs" / "odcs-json-schema-v3.1.0.json").read_text())
VALIDATOR = Draft201909Validator(SCHEMA)


def problems(made):
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in VALIDATOR.iter_errors(made)]


@pytest.mark.parametrize("dataset", [SHOP, TPCH], ids=["shop", "tpch"])
@pytest.mark.parametrize("plan", [None, PLAN], ids=["without prices", "with prices"])
def test_contracts_hold_to_the_schema(dataset, plan):
    made = contract(dataset, plan)
    assert problems(json.loads(json.dumps(made))) == []
    assert made["apiVersion"] in SCHEMA["properties"]["apiVersion"]["enum"]


def test_the_schema_refuses_what_is_wrong():
    made = contract(SHOP, PLAN)
    assert problems(made | {"status": 1})
    assert problems(made | {"unknown": 1})
    made["schema"][0]["properties"][0]["logicalType"] = "text"
    assert problems(made)


def properties(made, table):
    (found,) = [one for one in made["schema"] if one["name"] == table]
    return {one["name"]: one for one in found["properties"]}


def own(node):
    return {one["property"]: one["value"] for one in node["customProperties"]}


def test_columns_are_those_that_the_dataset_describes():
    made = contract(SHOP, PLAN)
    for table in describe(SHOP, PLAN)["tables"]:
        columns = properties(made, table["name"])
        assert set(columns) == {column["name"] for column in table["columns"]}
        for column in table["columns"]:
            assert own(columns[column["name"]])["use"] == sorted(column["use"])
    assert "secret" not in json.dumps(made)


def test_nothing_of_the_engine_is_told():
    made = json.dumps(contract(replace(SHOP, stamp="the-stamp"), PLAN))
    assert "shop.duckdb" not in made
    assert "the-stamp" not in made
    assert "servers" not in made


def test_what_a_column_is():
    made = contract(SHOP, PLAN)
    purchases, calendar = properties(made, "purchases"), properties(made, "calendar")
    amount = purchases["amount"]
    assert (amount["logicalType"], amount["physicalType"], amount["classification"]) == (
        "number",
        "DECIMAL(10,2)",
        "important",
    )
    assert amount["logicalTypeOptions"] == {"minimum": 0, "maximum": 500}
    assert own(amount) == {"use": ["aggregate"], "granularity": "0.01", "perUnitSum": ["0", "500"]}
    assert purchases["purchased_on"]["logicalTypeOptions"] == {"minimum": "1997-01-01", "maximum": "1998-06-30"}
    assert (purchases["gift"]["required"], purchases["quantity"]["required"]) == (False, True)
    assert purchases["customer_id"]["relationships"] == [{"type": "foreignKey", "to": "customers.customer_id"}]
    assert purchases["customer_id"]["classification"] == "core"
    assert calendar["day"]["unique"]
    assert calendar["day"]["classification"] == "public"
    assert own(properties(made, "customers")["cohort"])["values"] == ["1997-01", "1997-02", "1997-03"]
    assert properties(made, "lines")["order_id"]["relationships"] == [{"type": "foreignKey", "to": "orders.order_id"}]


def test_privacy_and_prices():
    made = contract(SHOP, PLAN)
    assert own(made)["privacyBudgets"]["buyer"] == {"epsilon": "3", "delta": "0.000001"}
    assert own(made)["privacyUnit"] == "customers.customer_id"
    assert made["price"] == {"priceAmount": 0.5, "priceCurrency": "CNY", "priceUnit": "query"}
    assert own(made)["pricePlan"]["classFactor"] == {"general": "1", "important": "2"}
    assert "price" not in contract(SHOP, None)
    assert contract(SHOP, None, published=False)["status"] == "draft"


def test_names_that_the_standard_cannot_refer_to_stand_apart():
    customers, purchases, *others = SHOP.tables
    renamed = replace(
        SHOP,
        privacy=replace(SHOP.privacy, unit_table="客户"),
        tables=(replace(customers, name="客户"), purchases, *others),
    )
    made = contract(renamed, PLAN)
    assert problems(made) == []
    key = properties(made, "purchases")["customer_id"]
    assert "relationships" not in key
    assert own(key)["leadsTo"] == ["客户", "customer_id"]


def test_keys_of_several_columns_and_figures():
    made = contract(TPCH, None)
    (partsupp,) = [one for one in made["schema"] if one["name"] == "partsupp"]
    assert own(partsupp)["uniqueTogether"] == [["ps_partkey", "ps_suppkey"]]
    (lineitem,) = [one for one in made["schema"] if one["name"] == "lineitem"]
    assert own(lineitem) == {"public": False, "declaredRows": 600_000, "rowsPerUnit": 200, "groupsPerUnit": 100}
    dear = contract(SHOP, replace(PLAN, per_query=D(12)))
    assert dear["price"]["priceAmount"] == 12
    assert isinstance(dear["price"]["priceAmount"], int)
