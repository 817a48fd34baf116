"""Models for every front door: asked or quoted, and fitted. What one is fitted from is an ordinary answer."""

import asyncio

from gateway.errors import GatewayError
from gateway.models.asked import Model
from gateway.models.composing import located
from gateway.models.fitting import fitted
from gateway.request import Caller, Request
from gateway.web.service import Questions, Service


async def fit(
    service: Service, questions: Questions, model: Model, asked: Request, caller: Caller
) -> dict[str, object]:
    """Return a model as docs/API.md has it: of an answer that is stored, charged once by its key.

    Raises GatewayError as a question does; a place in it is one in the model's own source.
    """
    answer = await service.stored(asked, caller)
    if answer is None:
        answer = await _answered(service, questions, model, asked, caller)
    return await asyncio.to_thread(fitted, model, answer)


async def _answered(service: Service, questions: Questions, model: Model, asked: Request, caller: Caller) -> bytes:
    with questions.room(caller):
        composed = await service.compose(model, asked, caller)
    try:
        return await questions.submit(composed, caller).answer()
    except GatewayError as error:
        raise located(error, model) from None


async def quote(
    service: Service, questions: Questions, model: Model, asked: Request, caller: Caller
) -> dict[str, object]:
    """Return what a model would cost, with the SQL of its sums. Raises GatewayError as `fit`."""
    with questions.room(caller):
        composed = await service.compose(model, asked, caller)
        try:
            found = await service.quote(composed, caller)
        except GatewayError as error:
            raise located(error, model) from None
    return {**found, "sql": composed.sql}
