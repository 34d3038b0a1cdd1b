"""Security scheme, scopes and access errors in the OpenAPI document, from `scope=` of each route."""

from typing import Any, Final

from litestar import Litestar

from domain.access.credentials import InvalidCredentials, MissingCredentials
from domain.access.scope import MissingScope, Scope, scope_names
from domain.access.stream_ticket import InvalidTicket
from domain.access.token_bucket import RateLimited
from entrypoints.http.problems.kinds import KINDS
from entrypoints.http.problems.problems import MEDIA_TYPE
from entrypoints.http.security.authorization import ACCESS, PUBLIC, routes

BEARER: Final = "bearer"
_SCHEME: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key (`opl_...`, created by `opledger keys create`) or a JWT from the identity provider. "
    f"Scopes: {scope_names(Scope)}. `admin` includes all others.",
}


def _header(kind: str, description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


_ERRORS: Final[dict[str, tuple[str, list[type[Exception]], dict[str, Any]]]] = {
    "401": (
        "The credentials are missing or invalid",
        [MissingCredentials, InvalidCredentials, InvalidTicket],
        {"WWW-Authenticate": _header("string", "The required authentication (RFC 6750)")},
    ),
    "403": (
        "The credentials lack the scope named in the problem",
        [MissingScope],
        {"WWW-Authenticate": _header("string", "`insufficient_scope` (RFC 6750)")},
    ),
    "429": (
        "Rate limit of these credentials exceeded",
        [RateLimited],
        {"Retry-After": _header("integer", "Seconds to wait before a retry")},
    ),
}


def with_access(app: Litestar, schema: dict[str, Any]) -> dict[str, Any]:
    """The document with scheme, scopes and errors; unchanged without access control."""
    if not app.state[ACCESS].controlled:
        return schema
    schema["components"].setdefault("securitySchemes", {})[BEARER] = _SCHEME
    for method, path, handler in routes(app):
        operation = schema["paths"].get(path, {}).get(method.lower())
        if operation is not None and handler.opt["scope"] != PUBLIC:
            operation["security"] = [{BEARER: [str(handler.opt["scope"])]}]
            responses = operation["responses"]
            request_id = next(iter(responses.values()))["headers"]["X-Request-Id"]
            responses |= {status: _response(status, request_id) for status in _ERRORS}
            operation["responses"] = dict(sorted(responses.items()))
    return schema


def _response(status: str, request_id: Any) -> dict[str, Any]:
    description, errors, headers = _ERRORS[status]
    return {
        "description": description,
        "headers": {"X-Request-Id": request_id, **headers},
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {KINDS[error].slug: example(error) for error in errors},
            }
        },
    }


def example(error: type[Exception]) -> dict[str, Any]:
    """An example problem for an exception."""
    kind = KINDS[error]
    value = {"type": kind.type, "title": kind.title, "status": kind.status, "detail": f"{kind.title}."}
    return {"summary": kind.title, "value": value}
