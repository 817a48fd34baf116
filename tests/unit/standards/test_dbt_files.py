"""What dbt's properties files say becomes facts; what holds of some rows only, or only warns, does not."""

import pytest

from gateway.errors import GatewayError
from gateway.standards.dbt import facts

FILE = """
version: 2
sources:
  - name: shop
    schema: raw
    tables:
      - name: people
        identifier: raw_customers
        columns:
          - name: id
            tests: [unique, not_null]
models:
  - name: orders
    config: {alias: fact_orders}
    data_tests:
      - dbt_utils.unique_combination_of_columns:
          arguments: {combination_of_columns: [order_id, line]}
      - some_package.row_count
    columns:
      - name: order_id
        data_tests: [not_null]
      - name: customer
        tests:
          - relationships: {to: "source('shop', 'people')", field: id}
      - name: parent
        tests:
          - relationships: {arguments: {to: ref("orders"), field: order_id}}
      - name: status
        description: 订单状态
        tests:
          - accepted_values: {values: [open, paid]}
      - name: level
        data_tests:
          - accepted_values: {arguments: {values: [1, 2], quote: false}}
      - name: mail
        meta: {contains_pii: true}
      - name: nick
        config: {tags: [PII]}
      - name: plain
        meta: {contains_pii: false, owner: us}
        tags: daily
      - name: some
        tests:
          - not_null: {where: "a > 1"}
          - unique: {config: {severity: warn}}
          - accepted_values: {values: [a], config: {enabled: false}}
          - dbt_expectations.expect_something: {a: 1}
  - name: contracted
    constraints:
      - {type: primary_key, columns: [a, b]}
      - {type: check, expression: "a > 1"}
    columns:
      - name: a
        constraints: [{type: not_null}, {type: foreign_key, to: ref('orders'), to_columns: [order_id]}]
      - name: c
        constraints: [{type: unique}]
"""


def test_keys_values_links_and_descriptions():
    found = facts(FILE, "schema.yml")
    assert found.unique == {
        ("raw_customers", ("id",)), ("fact_orders", ("order_id", "line")), ("contracted", ("a", "b")), ("contracted", ("c",)),
    }  # fmt: skip
    assert found.not_null == {
        ("raw_customers", "id"), ("fact_orders", "order_id"), ("contracted", "a"), ("contracted", "b"),
    }  # fmt: skip
    assert found.values == {("fact_orders", "status"): ("open", "paid"), ("fact_orders", "level"): (1, 2)}
    assert found.references == {
        ("fact_orders", "customer"): ("raw_customers", "id"),
        ("fact_orders", "parent"): ("fact_orders", "order_id"),
        ("contracted", "a"): ("fact_orders", "order_id"),
    }
    assert found.described == {("fact_orders", "status"): "订单状态"}
    assert found.personal == {("fact_orders", "mail"), ("fact_orders", "nick")}


def test_what_is_not_taken_over_is_said():
    notes = "\n".join(facts(FILE, "schema.yml").notes)
    for said in ("fact_orders.some: the test not_null", "fact_orders.some: the test unique", "the test accepted_values",
                 "dbt_expectations.expect_something", "some_package.row_count", "contracted: the constraint check"):  # fmt: skip
        assert said in notes
    assert notes.count("\n") == 5


@pytest.mark.parametrize(
    "text", ["", "- a", "a: [", "version: 2", "models: 3", "models: [{columns: []}]", "a: 2024-02-31", "[" * 3000],
    ids=["empty", "a list", "broken", "no tables", "a number", "no name", "no such day", "deep"],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(text):
    with pytest.raises(GatewayError) as caught:
        facts(text, "schema.yml")
    assert caught.value.code == "policy_invalid"
    assert caught.value.hint


ODD = """
models:
  - name: t
    tests: [[], {}, 3, {unique: 4}, null]
    columns:
      - {name: a, tests: [3, {relationships: {to: elsewhere, field: x}}, {relationships: 5}, {accepted_values: {values: [1.5]}}], meta: 3}
      - 7
      - {tests: [unique]}
    constraints: [3, {type: foreign_key, columns: [a]}, {}]
  - 8
"""


def test_odd_parts_are_passed_over():
    found = facts(ODD, "schema.yml")
    assert not (found.unique)
    assert not (found.not_null)
    assert not (found.references)
    assert not (found.values)
    assert any("no ref() or source()" in note for note in found.notes)
