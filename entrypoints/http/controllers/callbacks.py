"""Route: completion callbacks, which Temporal sends when the execution of an operation closes.

Temporal treats 400, 401, 403, 404, 409 and 501 as final. It retries 5xx and connection errors after 1 s, doubling up to
one hour, without end; more than five in a row stop all callbacks to this address for a minute. So the response is 503
for temporary failures and 204 for every processed callback. An operation that was submitted minutes ago and does not
exist was deleted: 404, without a record of deleted operations.
"""

from typing import Final
from uuid import UUID

from litestar import Controller, post
from litestar.params import FromPath

from application.dispatch.completion_callbacks import PATH
from application.ports.engine.callback_reader import CallbackMessage
from application.ports.engine.workflow_engine import EngineUnavailable
from application.ports.monitoring.metrics import CallbackOutcome
from domain.access.callback_token import TOKEN_HEADER
from domain.errors import OperationNotFound
from entrypoints.http.openapi.routes import CALLBACK_SECURITY, CallbackOperation, problems
from entrypoints.http.problems.problems import CallbackNotTaken, UnauthorizedCallback
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.json_body import read_body
from entrypoints.http.requests.query_params import check_query
from entrypoints.http.security.authorization import PUBLIC
from entrypoints.http.security.host_check import ANY_HOST
from entrypoints.http.services import HttpServices

MAX_CALLBACK: Final = 3 * 1024 * 1024
"""Bytes: Temporal's largest payload, 2 MiB, and its envelope."""
_TOKEN: Final = TOKEN_HEADER.lower()
_DESCRIPTIONS: Final = {
    400: "The request has a query parameter",
    413: "The body exceeds 3 MiB",
    404: "The operation was deleted, or the id is not a UUID",
    503: "Not stored, retry: the operation does not exist yet, or the database or Temporal is unavailable",
}


class CallbackController(Controller):
    """Routes under /v1/callbacks, outside the router of clients: no JSON rules, no tenant of a client."""

    path = PATH
    tags = ("callbacks",)
    opt = {"scope": PUBLIC, ANY_HOST: True}  # noqa: RUF012
    """The operation's token authorizes a callback."""

    @post(
        "/{operation_id:uuid}",
        status_code=204,
        operation_id="receiveCallback",
        summary="Receive a completion callback",
        operation_class=CallbackOperation,
        request_max_body_size=MAX_CALLBACK,
        responses=problems(
            400, 401, 404, 413, words=_DESCRIPTIONS, also=("unauthorized-callback", "callback-not-taken")
        ),
        security=[{CALLBACK_SECURITY: []}],
    )
    async def receive(self, request: ApiRequest, operation_id: FromPath[UUID]) -> None:
        """Called by Temporal. A 204 means that the callback is stored or contains nothing new."""
        services = request.services
        tenant = _tenant(services, operation_id, request)
        check_query(request)
        message = CallbackMessage(_headers(request), await _body(request))
        try:
            outcome = await services.receive_callback.receive(operation_id, tenant, message)
        except EngineUnavailable:
            raise CallbackNotTaken("Temporal is unavailable, and the callback needs it. Retry.") from None
        if outcome is CallbackOutcome.UNKNOWN_OPERATION:
            raise CallbackNotTaken("The operation does not exist yet. Retry.")
        if outcome is CallbackOutcome.DELETED:
            raise OperationNotFound(f"there is no operation {operation_id}: it was deleted")


def _tenant(services: HttpServices, operation_id: UUID, request: ApiRequest) -> str:
    """The tenant of the token. Raises UnauthorizedCallback before the body is read."""
    tokens = request.headers.getall(_TOKEN, [])
    keys = services.callback_keys
    tenant = keys.verify(operation_id, tokens[0]) if keys is not None and len(tokens) == 1 else None
    if tenant is None:
        services.metrics.callback(CallbackOutcome.UNAUTHORIZED)
        raise UnauthorizedCallback
    return tenant


def _headers(request: ApiRequest) -> dict[str, str]:
    """Headers by lower-case name, repeated ones joined (RFC 9110, 5.3), without the token."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in request.scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    headers.pop(_TOKEN, None)
    return headers


async def _body(request: ApiRequest) -> bytes:
    return await read_body(request, lambda: CallbackNotTaken("The connection closed before the end of the body."))
