"""Front door to the life of a dataset's policy: versions, their review, what is served, who holds what in it."""

from aiohttp import web

from gateway.request import Caller
from gateway.settings import Settings
from gateway.web.bodies import ProposalBody, ReplayBody, ReviewBody, VersionBody, WithdrawalBody
from gateway.web.exchange import PAGING, body_as, caller_of, json_response, page_of
from gateway.web.routes import Parameter, Route, replies
from gateway.web.service import Registration, Service

TAG = "versions"
READERS = ("provider", "reviewer", "supervisor")
OWNERS = ("provider",)
HERE = "/v1/datasets/{name}"
_VERSION = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_OF = Parameter("version", "which one; default what was registered last", _VERSION)
_TO = Parameter("to", "the other version", _VERSION, required=True)


class RegistrationDoor:
    """The handlers of versions."""

    def __init__(self, service: Service, registration: Registration, settings: Settings) -> None:
        self._service = service
        self._registration = registration
        self._settings = settings

    def routes(self) -> list[Route]:
        """Return its addresses."""
        now = replies("the version as it is now", "Version")
        return [
            Route("GET", f"{HERE}/versions", self.versions, TAG, "the versions of a policy", READERS, PAGING,
                  replies=replies("the first proposed first", "Versions")),
            Route("POST", f"{HERE}/versions", self.propose, TAG, "propose a version, as a policy in YAML", OWNERS,
                  body="Proposal", replies=now),
            Route("GET", f"{HERE}/versions/{{version}}", self.version, TAG, "a version with its text", READERS,
                  replies=replies("the version", "VersionText")),
            Route("GET", f"{HERE}/versions/{{version}}/difference", self.difference, TAG,
                  "what changes from one version to another, in words", READERS, (_TO,),
                  replies=replies("a sentence each", "Difference")),
            Route("POST", f"{HERE}/versions/{{version}}/replay", self.replay, TAG,
                  "what past questions would become under a version: no data are touched, nothing is charged", OWNERS,
                  body="Replay", replies=replies("what becomes of each", "Replayed")),
            Route("GET", f"{HERE}/certificate", self.certificate, TAG,
                  "who holds what right in a version, as the log says it", parameters=(_OF,),
                  replies=replies("the certificate, which is checked offline", "Certificate")),
            Route("POST", f"{HERE}/submit", self.submit, TAG, "hand a draft to reviewers", OWNERS,
                  body="VersionNamed", replies=now),
            Route("POST", f"{HERE}/review", self.review, TAG, "approve or reject what a version declares",
                  ("reviewer",), body="Review", replies=replies("the version as it is now", "VersionEnded")),
            Route("POST", f"{HERE}/publish", self.publish, TAG, "serve a version, as a second person", OWNERS,
                  body="VersionNamed", replies=now),
            Route("POST", f"{HERE}/rollback", self.roll_back, TAG,
                  "ask for an earlier version again; the second person brings it back", OWNERS,
                  body="VersionNamed", replies=now),
            Route("POST", f"{HERE}/withdraw", self.withdraw, TAG, "serve a dataset no longer, and end what runs of it",
                  ("provider", "supervisor"), body="Withdrawal",
                  replies=replies("the version that was served", "VersionEnded")),
        ]  # fmt: skip

    async def versions(self, request: web.Request) -> web.Response:
        """Answer GET /v1/datasets/{name}/versions."""
        caller, name = await self._asked(request)
        return json_response((await self._registration.versions(caller, name, page_of(request))).document("versions"))

    async def version(self, request: web.Request) -> web.Response:
        """Answer GET /v1/datasets/{name}/versions/{version}."""
        caller, name = await self._asked(request)
        return json_response(await self._registration.version(caller, name, request.match_info["version"]))

    async def difference(self, request: web.Request) -> web.Response:
        """Answer GET /v1/datasets/{name}/versions/{version}/difference."""
        caller, name = await self._asked(request)
        old, new = request.match_info["version"], request.query.get("to", "")
        return json_response(await self._registration.difference(caller, name, old, new))

    async def certificate(self, request: web.Request) -> web.Response:
        """Answer GET /v1/datasets/{name}/certificate."""
        caller, name = await self._asked(request)
        return json_response(await self._registration.certificate(caller, name, request.query.get("version")))

    async def propose(self, request: web.Request) -> web.Response:
        """Answer POST /v1/datasets/{name}/versions."""
        caller, name = await self._asked(request)
        body = await body_as(request, self._settings, ProposalBody)
        return json_response(await self._registration.propose(caller, name, body.policy))

    async def replay(self, request: web.Request) -> web.Response:
        """Answer POST /v1/datasets/{name}/versions/{version}/replay."""
        caller, name = await self._asked(request)
        body, version = await body_as(request, self._settings, ReplayBody), request.match_info["version"]
        return json_response(await self._registration.rehearse(caller, name, version, body.limit, body.posed()))

    async def submit(self, request: web.Request) -> web.Response:
        """Answer POST /v1/datasets/{name}/submit."""
        caller, name = await self._asked(request)
        body = await body_as(request, self._settings, VersionBody)
        return json_response(await self._registration.submit(caller, name, body.version))

    async def review(self, request: web.Request) -> web.Response:
        """Answer POST /v1/datasets/{name}/review."""
        caller, name = await self._asked(request)
        body = await body_as(request, self._settings, ReviewBody)
        until = body.valid_until
        return json_response(await self._registration.review(caller, name, body.version, body.findings, until))

    async def publish(self, request: web.Request) -> web.Response:
        """Answer POST /v1/datasets/{name}/publish."""
        caller, name = await self._asked(request)
        body = await body_as(request, self._settings, VersionBody)
        return json_response(await self._registration.publish(caller, name, body.version))

    async def roll_back(self, request: web.Request) -> web.Response:
        """Answer POST /v1/datasets/{name}/rollback."""
        caller, name = await self._asked(request)
        body = await body_as(request, self._settings, VersionBody)
        return json_response(await self._registration.roll_back(caller, name, body.version))

    async def withdraw(self, request: web.Request) -> web.Response:
        """Answer POST /v1/datasets/{name}/withdraw."""
        caller, name = await self._asked(request)
        body = await body_as(request, self._settings, WithdrawalBody)
        return json_response(await self._registration.withdraw(caller, name, body.reason))

    async def _asked(self, request: web.Request) -> tuple[Caller, str]:
        return await caller_of(request, self._service), request.match_info["name"]
