"""Models for every front door: asked or quoted, and fitted. What one is fitted from is an ordinary answer."""

import asyncio

from gateway.errors import GatewayError
from gateway.models.asked import Model
from gateway.models.composing import located
from gateway.models.fitting import fitted
from gateway.request import Caller, Request
from gateway.web.service import Question, Questions, Service


async def fit(
    service: Service, questions: Questions, model: Model, asked: Request, caller: Caller
) -> dict[str, object]:
    """Return a model as docs/API.md has it: of an answer that is stored, charged once by its key.

    Raises GatewayError as a question does; a place in it is one in the model's own source.
    """
    begun = await begin(service, questions, model, asked, caller)
    return await of_answer(model, begun)


async def begin(
    service: Service, questions: Questions, model: Model, asked: Request, caller: Caller
) -> bytes | Question:
    """Return the answer that a model is fitted from where it is stored, else the question that was begun for it."""
    answer = await service.stored(asked, caller)
    if answer is not None:
        return answer
    with questions.room(caller):
        composed = await service.compose(model, asked, caller)
    return questions.submit(composed, caller)


async def of_answer(model: Model, begun: bytes | Question) -> dict[str, object]:
    """Return the model that is fitted from what `begin` gave, once it is answered. Raises GatewayError as `fit`."""
    try:
        found = begun if isinstance(begun, bytes) else await begun.answer()
    except GatewayError as error:
        raise located(error, model) from None
    return await asyncio.to_thread(fitted, model, found)


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
