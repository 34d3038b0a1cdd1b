"""Converts exceptions to problem responses."""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import ValidationException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import Receive, Scope, Send

from domain.errors import VersionMismatch
from entrypoints.http.problems.kinds import MAX_BODY, Kind, kind_of, problem_body, problem_headers
from entrypoints.http.problems.problems import MEDIA_TYPE, BodyTooLarge
from entrypoints.http.requests.argument_errors import invalid_arguments
from entrypoints.http.requests.conditional import with_weak_tags
from entrypoints.http.requests.parameters import IF_MATCH

_log = logging.getLogger(__name__)


def problem_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The problem response for an exception. Logs server errors."""
    kind, error = classified(request, error)
    return Response(
        msgspec.json.encode(problem_body(kind, error)),
        status_code=kind.status,
        media_type=MEDIA_TYPE,
        headers=problem_headers(kind, error),
    )


def classified(request: Request[Any, Any, Any], error: Exception) -> tuple[Kind, Exception]:
    """The kind of problem, and the error in terms of the request. Logs server errors."""
    if isinstance(error, ValidationException):
        error = invalid_arguments(request, error)
    elif isinstance(error, RequestEntityTooLarge):
        error = BodyTooLarge(request.route_handler.resolve_request_max_body_size() or MAX_BODY)
    elif isinstance(error, VersionMismatch):
        error = with_weak_tags(error, IF_MATCH.values(request))
    kind = kind_of(error)
    if kind.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("unhandled exception", exc_info=error)
    elif kind.status > HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("%s: %s", kind.title, error)
    return kind, error


async def send_problem(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Sends the problem response for an exception that the framework does not see."""
    request = Request[Any, Any, Any](scope)
    await problem_response(request, error).to_asgi_response(None, request)(scope, receive, send)
