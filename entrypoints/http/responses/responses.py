"""Answers: JSON that is always valid, and the headers that go with an operation."""

import json
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.serialization import default_serializer
from litestar.types import Serializer

from application.ports.operation_view import OperationView
from entrypoints.http.requests.conditional import entity_tag
from entrypoints.http.responses.schemas import OperationBody, operation_body

_T = TypeVar("_T")
POLL_AFTER = "1"
"""Seconds after which to ask again for an operation that is not done."""


def json_bytes(content: Any) -> bytes:
    """JSON on one line, whatever the texts in it."""
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(content, enc_hook=_read)).encode()


def _read(written: Any) -> Any:
    """The value of JSON that was to be passed on as it is written."""
    return json.loads(bytes(written))


class JsonResponse(Response[_T]):
    """JSON, also for texts that UTF-8 cannot say (half a surrogate pair in a workflow's result)."""

    def render(self, content: Any, media_type: str, enc_hook: Serializer = default_serializer) -> bytes:
        if isinstance(content, bytes) or "json" not in media_type:
            return super().render(content, media_type, enc_hook)
        return json_bytes(content)


def operation_response(operation: OperationView, status: int, headers: dict[str, str]) -> JsonResponse[OperationBody]:
    """The operation, and when to ask again where it is not done."""
    return JsonResponse(operation_body(operation), status_code=status, headers={**headers, **retry_after(operation)})


def current_headers(operation: OperationView) -> dict[str, str]:
    """What a current representation is sent with, 304 included: a cache may keep it, and asks before using it."""
    return {"ETag": entity_tag(operation), "Cache-Control": "private, no-cache", **retry_after(operation)}


def retry_after(operation: OperationView) -> dict[str, str]:
    """When to ask again; nothing for an operation that is done."""
    return {} if operation.done else {"Retry-After": POLL_AFTER}


def rendered(operation: OperationView) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of a 200 with its current representation."""
    body = json_bytes(operation_body(operation))
    given = {**current_headers(operation), "Content-Type": "application/json", "Content-Length": str(len(body))}
    return raw_headers(given), body


def raw_headers(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """As a server takes them."""
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
