"""The OpenAPI 3.1 document of an application, made of its table of routes."""

import re
from collections.abc import Iterable
from typing import Any

from gateway import __version__
from gateway.web.routes import Parameter, Reply, Route
from gateway.web.schemas import SCHEMAS, Schema, ref

PROBLEM = "application/problem+json"

ROLES = "x-roles"
"""What an operation says of who may call it: any of these roles; where there are none, whoever has a token."""

_ALWAYS = {
    400: "what was sent cannot be used",
    404: "there is nothing here for this caller",
    405: "the address does not take this method",
    413: "larger than the gateway reads",
    500: "the gateway failed, or a charged query did",
    503: "not now",
}
_WITH_TOKEN = {401: "the token is missing or not valid", 403: "not for this caller", 429: "too much at once"}
_WITH_BODY = {415: "compressed, or no JSON"}
_CONFLICTS = {409: "another state or body than this asks for", 410: "no longer kept"}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the document. Every address answers errors as problem documents (RFC 9457)."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(_path(route.path), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Controlled query gateway",
            "version": __version__,
            "description": "Differentially private answers to SQL, charged, metered and receipted.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": SCHEMAS,
        },
    }


def _path(path: str) -> str:
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", path)


def _operation(route: Route) -> dict[str, Any]:
    named = re.findall(r"\{(\w+)", route.path)
    inside = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named]
    made: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', _path(route.path)).strip('_')}",
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": [*inside, *map(_parameter, route.parameters)],
        "responses": _responses(route),
    }
    if route.roles is None:
        made["security"] = []
    else:
        made[ROLES] = list(route.roles)
        if route.roles:
            made["description"] = f"For the roles {', '.join(route.roles)}."
    if route.body is not None:
        made["requestBody"] = {"required": True, "content": {route.media: {"schema": ref(route.body)}}}
    return made


def _parameter(parameter: Parameter) -> dict[str, Any]:
    place = "header" if parameter.header else "query"
    needed = {"required": True} if parameter.required else {}
    told = {"name": parameter.name, "in": place, "description": parameter.summary}
    return {**told, **needed, "schema": dict(parameter.schema)}


def _responses(route: Route) -> dict[str, Any]:
    told = {str(status): _reply(reply) for status, reply in route.replies.items()}
    errors = {
        **_ALWAYS,
        **(_WITH_TOKEN if route.roles is not None else {}),
        **(_WITH_BODY if route.body is not None else {}),
        **_CONFLICTS,
    }
    problem = {PROBLEM: {"schema": ref("Problem")}}
    return told | {str(status): {"description": why, "content": problem} for status, why in sorted(errors.items())}


def _reply(reply: Reply) -> dict[str, Any]:
    content = {media: {"schema": _schema(of)} for media, of in reply.content.items()}
    return {"description": reply.summary, "content": content}


def _schema(of: str | Any) -> Schema:
    return ref(of) if isinstance(of, str) else dict(of)
