"""Responses that hold an operation, and the headers that go with it."""

from collections.abc import Mapping
from typing import Any, Final, cast

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from application.ports.storage.operation_view import OperationDetails, OperationView
from entrypoints.http.requests.conditional import entity_tag, matches
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.response_bodies import OperationBody, json_bytes, operation_body

POLL_AFTER: Final = "1"
"""Seconds after which a client should poll an operation that is not done."""
_NO_HEADERS: Final[Mapping[str, str]] = {}


class CurrentOperation:
    """ASGI application that answers with the current operation: 200, or 304 to a client that has this version. A cache
    may store it, and revalidates before each use."""

    def __init__(
        self, operation: OperationDetails, if_none_match: list[str], more_headers: Mapping[str, str] = _NO_HEADERS
    ) -> None:
        tag = entity_tag(operation)
        headers = {"ETag": tag, "Cache-Control": "private, no-cache", **_retry_after(operation), **more_headers}
        if matches(if_none_match, tag):
            self._status, self._body = 304, b""
        else:
            self._status, self._body = 200, json_bytes(operation_body(operation, operation.children))
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(self._body))}
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


class CurrentOperationResponse(JsonResponse[OperationBody | None]):
    """`CurrentOperation` as a response of the framework, which adds nothing to it."""

    def __init__(self, current: CurrentOperation) -> None:
        super().__init__(None)
        self._current = current

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        return cast(ASGIResponse, self._current)


def operation_response(operation: OperationView, status: int, headers: dict[str, str]) -> JsonResponse[OperationBody]:
    """The operation, with `Retry-After` while it is not done."""
    return JsonResponse(operation_body(operation), status_code=status, headers={**headers, **_retry_after(operation)})


def _retry_after(operation: OperationView) -> dict[str, str]:
    return {} if operation.done else {"Retry-After": POLL_AFTER}
