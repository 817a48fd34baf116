"""The application of all front doors, and how it is served."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from gateway.errors import GatewayError
from gateway.settings import Settings
from gateway.web.accounts import AccountDoor
from gateway.web.alerts import AlertDoor
from gateway.web.billing import BillingDoor
from gateway.web.cases import CaseDoor
from gateway.web.catalogue import CatalogueDoor
from gateway.web.connections import TimedConnection
from gateway.web.console.door import ConsoleDoor
from gateway.web.console.sessions import Sessions
from gateway.web.documents import DocumentDoor
from gateway.web.grants import GrantDoor
from gateway.web.log import LogDoor
from gateway.web.members import MemberDoor
from gateway.web.models import ModelDoor
from gateway.web.operations import OperationsDoor, watched
from gateway.web.problem import errors
from gateway.web.queries import QueryDoor
from gateway.web.registration import RegistrationDoor
from gateway.web.routes import add, known_parameters
from gateway.web.service import Behind, Questions
from gateway.web.supervision import SupervisionDoor
from gateway.web.trino.door import TrinoDoor

LAST_WORDS_S = 5.0
"""How long, after the drain, connections have to end."""


def build(behind: Behind, settings: Settings, sessions: Sessions | None = None) -> web.Application:
    """Return the application; with the pages of the console where sessions are kept."""
    service, questions, operations = behind.service, behind.questions, behind.operations
    middlewares = [watched(operations), errors, known_parameters]
    app = web.Application(middlewares=middlewares, client_max_size=settings.max_body_bytes + 1)
    doors = (
        QueryDoor(service, questions, settings),
        ModelDoor(service, questions, settings),
        CatalogueDoor(service, behind.running),
        AccountDoor(service, behind.accounts, settings),
        SupervisionDoor(service, behind.supervision, settings),
        MemberDoor(service, behind.members, settings),
        RegistrationDoor(service, behind.registration, settings),
        CaseDoor(service, behind.disputes, settings),
        GrantDoor(service, behind.grants, settings),
        AlertDoor(service, behind.warnings),
        BillingDoor(service),
        LogDoor(service, settings),
        TrinoDoor(service, questions, behind.accounts, settings),
        OperationsDoor(operations, service, lambda: questions.draining),
    )
    routes = [route for door in doors for route in door.routes()]
    if sessions is not None:
        routes += ConsoleDoor(behind, sessions, settings).routes()
    add(app, [*routes, *DocumentDoor(routes).routes()])
    return app


async def serve(
    app: web.Application, questions: Questions, settings: Settings, ready: Callable[[str], None], stop: asyncio.Event
) -> None:
    """Listen until `stop`, then take nothing new and wait for what runs, at most `drain_s`."""
    runner = web.AppRunner(app, handler_cancellation=False, shutdown_timeout=LAST_WORDS_S)
    await runner.setup()
    served, loop = runner.server, asyncio.get_running_loop()
    assert served is not None  # INVARIANT: a runner that is set up has a server

    def connection() -> TimedConnection:
        return TimedConnection(served, loop, settings.head_timeout_s, settings.max_connections)

    try:
        server = await loop.create_server(connection, settings.host, settings.port)
    except (OSError, OverflowError) as error:
        await runner.cleanup()
        reason = error.strerror if isinstance(error, OSError) else "there is no such port"
        detail = f"The gateway cannot listen on {settings.host}:{settings.port}: {reason}."
        raise GatewayError("settings_invalid", detail, "Free the port, or name another one (0 takes any).") from None
    port = server.sockets[0].getsockname()[1]
    ready(f"http://{settings.host}:{port}")
    await stop.wait()
    await questions.drain(settings.drain_s)
    server.close()
    await runner.cleanup()
