"""Where Temporal calls when an operation's execution has closed.

What Temporal does with the answer: 400, 401, 403, 404, 409 and 501 are final, 5xx and a lost connection are tried
again after 1 s, doubling up to an hour, without end, and more than five of them in a row stop all calls to this address
for a minute. So 503 is for what may pass, and 204 for everything that was looked at. An operation that is not there,
though it was submitted minutes ago, was deleted: 404, and nobody has to remember which one it was.
"""

from typing import Final
from uuid import UUID

from litestar import Controller, post
from litestar.params import FromPath

from application.dispatch.completion_callbacks import PATH
from application.ports.callback_reader import CallbackMessage
from application.ports.metrics import CallbackOutcome
from application.ports.workflow_engine import EngineUnavailable
from domain.access.callback_token import TOKEN_HEADER
from domain.errors import OperationNotFound
from entrypoints.http.openapi.routes import CALLBACK_SECURITY, CallbackOperation, problems
from entrypoints.http.problems.problems import CallbackNotTaken, UnauthorizedCallback
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.json_body import read_body
from entrypoints.http.requests.query_params import check_query
from entrypoints.http.security.authorization import ANYBODY
from entrypoints.http.security.host_check import ANY_HOST
from entrypoints.http.services import HttpServices

MAX_CALLBACK: Final = 3 * 1024 * 1024
"""Bytes: a payload of 2 MiB, which is what the engine takes, and what it wraps around it."""
_TOKEN: Final = TOKEN_HEADER.lower()
_WORDS: Final = {
    400: "There is a query parameter",
    413: "The body is over 3 MiB",
    404: "There is no such operation any more, or the id is no UUID",
    503: "Not stored, call again: there is no such operation yet, or the database or Temporal cannot be reached",
}


class CallbackController(Controller):
    """Outside the router of the other calls: neither the rules for JSON bodies nor a client's tenant apply here."""

    path = PATH
    tags = ("callbacks",)
    opt = {"scope": ANYBODY, ANY_HOST: True}  # noqa: RUF012
    """Whoever has the operation's token."""

    @post(
        "/{operation_id:uuid}",
        status_code=204,
        operation_id="receiveCallback",
        summary="Take in the close of an execution",
        operation_class=CallbackOperation,
        request_max_body_size=MAX_CALLBACK,
        responses=problems(400, 401, 404, 413, words=_WORDS, never=("invalid-ticket",)),
        security=[{CALLBACK_SECURITY: []}],
    )
    async def receive(self, request: ApiRequest, operation_id: FromPath[UUID]) -> None:
        """For Temporal alone. A 204 means: what it says is stored, or it says nothing that is new."""
        services = request.services
        tenant = _tenant(services, operation_id, request)
        check_query(request)
        message = CallbackMessage(_headers(request), await _body(request))
        try:
            outcome = await services.receive_callback.receive(operation_id, tenant, message)
        except EngineUnavailable:
            raise CallbackNotTaken("Temporal cannot be asked, and no question can be planned.") from None
        if outcome is CallbackOutcome.UNKNOWN_OPERATION:
            raise CallbackNotTaken("There is no such operation yet.")
        if outcome is CallbackOutcome.DELETED:
            raise OperationNotFound(f"there is no operation {operation_id}: it was deleted")


def _tenant(services: HttpServices, operation_id: UUID, request: ApiRequest) -> str:
    """The one that the token was made for. Raises UnauthorizedCallback, before anything of the body is read."""
    tokens = request.headers.getall(_TOKEN, [])
    keys = services.callback_keys
    tenant = keys.verify(operation_id, tokens[0]) if keys is not None and len(tokens) == 1 else None
    if tenant is None:
        services.metrics.callback(CallbackOutcome.UNAUTHORIZED)
        raise UnauthorizedCallback
    return tenant


def _headers(request: ApiRequest) -> dict[str, str]:
    """In lower case, those that are repeated joined as RFC 9110 says (5.3); without the secret."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in request.scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    headers.pop(_TOKEN, None)
    return headers


async def _body(request: ApiRequest) -> bytes:
    return await read_body(request, lambda: CallbackNotTaken("The connection ended before the body did."))
