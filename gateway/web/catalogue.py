"""Front door to what may be asked: datasets as their policies describe them, and what is left of their budgets."""

from aiohttp import web

from gateway.web.exchange import caller_of, json_response
from gateway.web.routes import Route, replies
from gateway.web.service import RunningQueries, Service

TAG = "datasets"


class CatalogueDoor:
    """The handlers of datasets and budgets."""

    def __init__(self, service: Service, running: RunningQueries) -> None:
        self._service = service
        self._running = running

    def routes(self) -> list[Route]:
        """Return its addresses."""
        one = "what may be asked of a dataset, from its policy alone; to its provider also why it is shut"
        refreshed = "the data version that is declared by it"
        return [
            Route("GET", "/v1/datasets", self.datasets, TAG, "the datasets that you may ask or provide",
                  replies=replies("by name", "Datasets")),
            Route("GET", "/v1/datasets/{name}", self.dataset, TAG, one, replies=replies("the dataset", "Dataset")),
            Route("GET", "/v1/datasets/{name}/contract", self.contract, TAG,
                  "the dataset as a data contract of the Open Data Contract Standard",
                  replies=replies("the contract", "Contract")),
            Route("POST", "/v1/datasets/{name}/refresh", self.refresh, TAG,
                  "declare a new data version, or publish a file that is new", roles=("provider",),
                  replies=replies(refreshed, "Refreshed")),
            Route("GET", "/v1/datasets/{name}/running", self.running, TAG,
                  "the charged queries that run, and how far this process's engine is with each", roles=("provider",),
                  replies=replies("the oldest first", "RunningQueries")),
            Route("GET", "/v1/budget", self.budget, TAG,
                  "limits, what is spent and left, and about how many more queries that is",
                  replies=replies("by dataset", "Budget")),
        ]  # fmt: skip

    async def datasets(self, request: web.Request) -> web.Response:
        """Answer GET /v1/datasets."""
        return json_response({"datasets": await self._service.datasets(await caller_of(request, self._service))})

    async def dataset(self, request: web.Request) -> web.Response:
        """Answer GET /v1/datasets/{name}."""
        return json_response(
            await self._service.dataset(await caller_of(request, self._service), request.match_info["name"])
        )

    async def contract(self, request: web.Request) -> web.Response:
        """Answer GET /v1/datasets/{name}/contract."""
        return json_response(
            await self._service.contract(await caller_of(request, self._service), request.match_info["name"])
        )

    async def refresh(self, request: web.Request) -> web.Response:
        """Answer POST /v1/datasets/{name}/refresh."""
        return json_response(
            await self._service.refresh(await caller_of(request, self._service), request.match_info["name"])
        )

    async def running(self, request: web.Request) -> web.Response:
        """Answer GET /v1/datasets/{name}/running."""
        caller = await caller_of(request, self._service)
        return json_response({"queries": await self._running.running(caller, request.match_info["name"])})

    async def budget(self, request: web.Request) -> web.Response:
        """Answer GET /v1/budget."""
        return json_response({"datasets": await self._service.budget(await caller_of(request, self._service))})
