"""The door of models: fit one, or ask what it would cost. The answer that it is fitted from is an ordinary one."""

from aiohttp import web

from gateway.models.asked import Model
from gateway.request import Caller, Request
from gateway.settings import Settings
from gateway.web import modelling, strict_json
from gateway.web.delivery import WAITING, Delivery, read_delivery
from gateway.web.exchange import bearer, json_response, read_body
from gateway.web.problem import paced
from gateway.web.queries import KEY, idempotency_key
from gateway.web.reading import read_model
from gateway.web.routes import Route, replies
from gateway.web.service import Questions, Service
from gateway.web.waiting import GOES_ON, QUERY_ID, goes_on, waited

TAG = "models"


class ModelDoor:
    """Handles /v1/models and /v1/models/quote."""

    def __init__(self, service: Service, questions: Questions, settings: Settings) -> None:
        self._service = service
        self._questions = questions
        self._settings = settings

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            Route("POST", "/v1/models", self.fit, TAG, "fit a model of private rows", ("buyer",), (KEY,), "ModelAsked",
                  {**replies("the model", "Model"), 202: GOES_ON}),
            Route("POST", "/v1/models/quote", self.quote, TAG, "what a model would cost, and the SQL of its sums",
                  ("buyer",), body="ModelAsked", replies=replies("the quote", "ModelQuote")),
        ]  # fmt: skip

    async def fit(self, request: web.Request) -> web.Response:
        """Answer POST /v1/models: the model, or 202 where it takes longer than asked; sent again, it is given."""
        model, asked, caller, delivery = await self._asked(request)
        begun = await modelling.begin(self._service, self._questions, model, asked, caller)
        if not isinstance(begun, bytes) and not await waited(begun, delivery):
            return goes_on(begun)
        found = await modelling.of_answer(model, begun)
        headers = {QUERY_ID: str(found["query_id"]), **paced(self._service.quota(caller))}
        return json_response(found, headers=headers)

    async def quote(self, request: web.Request) -> web.Response:
        """Answer POST /v1/models/quote."""
        model, asked, caller, _ = await self._asked(request)
        found = await modelling.quote(self._service, self._questions, model, asked, caller)
        return json_response(found, headers=paced(self._service.quota(caller)))

    async def _asked(self, request: web.Request) -> tuple[Model, Request, Caller, Delivery]:
        self._questions.refuse_draining()
        token = bearer(request)
        key = idempotency_key(request)
        caller = await self._service.identify(token)  # before the body is read: strangers cost no more than this
        body = strict_json.parse(await read_body(request, self._settings))
        waiting = {name: body.pop(name) for name in WAITING if name in body}
        return *read_model(body, key), caller, read_delivery(waiting, None)
