"""The page of models: the form becomes the body of the API, and a refusal stands at the field that it is about."""

from decimal import Decimal

import pytest
from support.consoles import HOSTILE, OURS, QUERY_ID, Service, console, csrf_of, signed_in

from gateway.errors import GatewayError, Position
from gateway.models.asked import Kind, Model
from gateway.web.console.drafts import read_draft, usable

TABLE = {"dataset": "shop", "kind": "linear_regression", "table": "purchases", "feature-quantity": "on",
         "feature-a b": "on", "target": "amount"}  # fmt: skip
OWN = {"dataset": "shop", "kind": "covariance", "table": "", "source": "SELECT a,\r\n b FROM t", "features": "a, b,"}


def test_a_table_and_its_boxes_are_a_model():
    model, request = read_draft(TABLE | {"epsilon": " 1.5 ", "ridge": "2", "intercept": "no", "rounds": "4"}).asked(
        "0" * 32
    )
    assert model == Model(Kind.LINEAR, "purchases", ("quantity", "a b"), "amount", intercept=False, ridge=2.0)
    assert (request.mode, request.dataset, request.epsilon) == ("modelling", "shop", Decimal("1.5"))


def test_a_select_of_ones_own_and_names_are_a_model():
    model, _ = read_draft(OWN | {"target": "left over", "ridge": "7", "intercept": "no"}).asked()
    assert model == Model(Kind.COVARIANCE, "SELECT a,\n b FROM t", ("a", "b"))
    assert read_draft(TABLE | {"table": 'odd "name"'}).rows == 'SELECT * FROM "odd ""name"""'


def test_a_form_that_is_sent_twice_is_one_model_and_another_budget_is_another():
    keys = [read_draft(form).asked("a" * 32)[1].idempotency_key for form in (TABLE, TABLE, TABLE | {"epsilon": "1"})]
    assert keys[0] == keys[1] != keys[2]
    assert read_draft(TABLE).asked("no nonce")[1].idempotency_key is None


@pytest.mark.parametrize(("use", "type_", "kind", "fits"), [
    (["aggregate"], "BIGINT", "covariance", True), (["aggregate"], "DECIMAL(10,2)", "linear_regression", True),
    (["group", "filter"], "DOUBLE", "linear_regression", False), (["aggregate"], "DATE", "covariance", False),
    (["filter"], "BOOLEAN", "logistic_regression", True), ([], "BOOLEAN", "logistic_regression", False),
    (["group"], "VARCHAR", "contingency", True), (["aggregate"], "BIGINT", "contingency", False),
])  # fmt: skip
def test_which_columns_are_offered(use, type_, kind, fits):
    assert usable({"use": use, "type": type_}, kind) is fits


async def posted(client, path, form):
    form = form | {"csrf": await csrf_of(client, "/console/models"), "nonce": "0" * 32}
    reply = await client.post(f"/console/models{path}", data=form, headers=OURS)
    return reply, await reply.text()


async def test_a_model_is_shown_with_its_intervals_and_hostile_names_do_nothing():
    service = Service("buyer")
    form = {"dataset": "shop", "kind": "contingency", "table": HOSTILE, f"feature-{HOSTILE}": "on"}
    async with console(service) as client:
        await signed_in(client)
        reply, text = await posted(client, "", form)
    assert reply.status == 200, text
    assert HOSTILE not in text
    assert text.count('class="dot"') == 2 + 1  # cells, the total
    assert f"/console/queries/{QUERY_ID}" in text
    assert "51 … 71" in text
    assert [request.mode for request in service.asked] == ["modelling"]


PLACED = GatewayError("column_use", "It may not be tested.", "Leave it out.", Position(3, 2))
TOO_LARGE = GatewayError("epsilon_too_large", "More than the policy allows.", "At most 2.")
UNKNOWN = GatewayError("unknown_column", "There is no 'c'.", "One of: a, b.")
NOT_GRANTED = GatewayError("mode_not_granted", "No grant covers models.", "Ask its provider.")


@pytest.mark.parametrize(("change", "refusal", "field"), [
    ({"epsilon": "much"}, None, "epsilon"), ({"confidence": "2"}, None, "confidence"), ({"features": ""}, None, "features"),
    ({"source": " "}, None, "source"), ({}, PLACED, "source"), ({"epsilon": "9"}, TOO_LARGE, "epsilon"),
    ({"features": "c"}, UNKNOWN, "features"), ({}, NOT_GRANTED, "form"),
    ({"kind": "logistic_regression", "rounds": "9", "target": "b", "features": "a"}, None, "rounds"),
    ({"kind": "linear_regression", "target": ""}, None, "target"),
])  # fmt: skip
async def test_a_refusal_stands_at_its_field_and_what_was_typed_stays(change, refusal, field):
    service = Service("buyer")
    service.refusal = refusal
    form = OWN | {"purpose": "a study"} | change
    async with console(service) as client:
        await signed_in(client)
        _, text = await posted(client, "/quote", form)
    assert f'id="{field}-fault"' in text
    assert text.count('role="alert"') == 1
    assert all(f'value="{form[name]}"' in text for name in ("features", "epsilon", "rounds") if form.get(name))
    assert (refusal is None) or (refusal.hint in text)
    assert (refusal is PLACED) is ("<mark>b</mark>" in text)


async def test_nobody_but_a_buyer_fits_models():
    service = Service("provider", "supervisor")
    async with console(service) as client:
        await signed_in(client)
        assert (await client.get("/console/models")).status == 403
        for path in ("", "/form", "/quote"):
            form = TABLE | {"csrf": await csrf_of(client, "/console/freezes")}
            assert (await client.post(f"/console/models{path}", data=form, headers=OURS)).status == 403
    assert service.asked == []
