"""What the OpenAPI document says of access, made of what each route declares."""

from typing import Any, Final

from litestar import Litestar

from domain.access.credentials import InvalidCredentials, MissingCredentials
from domain.access.scope import MissingScope, Scope, scope_names
from domain.access.stream_ticket import InvalidTicket
from domain.access.token_bucket import RateLimited
from entrypoints.http.problems.kinds import KINDS
from entrypoints.http.problems.problems import MEDIA_TYPE
from entrypoints.http.security.authorization import ACCESS, ANYBODY, routes

BEARER: Final = "bearer"
_SCHEME: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key (`opl_...`, made by `opledger keys create`) or a JWT of the identity provider. "
    f"Scopes: {scope_names(Scope)}; `admin` is all of them.",
}


def _header(kind: str, description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


_ERRORS: Final[dict[str, tuple[str, list[type[Exception]], dict[str, Any]]]] = {
    "401": (
        "The credentials are missing, or not valid",
        [MissingCredentials, InvalidCredentials, InvalidTicket],
        {"WWW-Authenticate": _header("string", "How to show credentials (RFC 6750)")},
    ),
    "403": (
        "The credentials lack the scope that the problem names",
        [MissingScope],
        {"WWW-Authenticate": _header("string", "`insufficient_scope` (RFC 6750)")},
    ),
    "429": (
        "Too many requests with these credentials",
        [RateLimited],
        {"Retry-After": _header("integer", "Seconds to wait before trying again")},
    ),
}


def with_access(app: Litestar, schema: dict[str, Any]) -> dict[str, Any]:
    """The document with scheme, scopes and errors, where credentials are asked for; else as it was."""
    if not app.state[ACCESS].controlled:
        return schema
    schema["components"].setdefault("securitySchemes", {})[BEARER] = _SCHEME
    for method, path, handler in routes(app):
        operation = schema["paths"].get(path, {}).get(method.lower())
        if operation is not None and handler.opt["scope"] != ANYBODY:
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
    """A problem of that kind."""
    kind = KINDS[error]
    value = {"type": kind.type, "title": kind.title, "status": kind.status, "detail": f"{kind.title}."}
    return {"summary": kind.title, "value": value}
