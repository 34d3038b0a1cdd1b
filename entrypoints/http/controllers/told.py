"""The answer to those who have waited: thousands are told of the same change at the same time."""

from functools import lru_cache
from typing import Any, cast

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from application.ports.operation_view import OperationView
from entrypoints.http.responses.responses import JsonResponse, raw_headers, rendered
from entrypoints.http.responses.schemas import OperationBody


class _Same:
    """The operation as one object: what is kept for it is found without looking into it."""

    __slots__ = ("operation",)

    def __init__(self, operation: OperationView) -> None:
        self.operation = operation

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.operation is self.operation

    def __hash__(self) -> int:
        return id(self.operation)


class ToldResponse(JsonResponse[OperationBody | None]):
    """The operation as it was told. Its bytes are made once, and nothing of the framework's is done for each."""

    def __init__(self, operation: OperationView, applied: dict[str, str]) -> None:
        """`applied`: headers of this answer alone."""
        super().__init__(None)
        self._operation = operation
        self._applied = applied

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """The answer as a server takes it."""
        shared, body = _rendered(_Same(self._operation))
        headers = [*shared, *raw_headers(self._applied)]

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

        return cast(ASGIResponse, answer)


@lru_cache(maxsize=32)
def _rendered(same: _Same) -> tuple[list[tuple[bytes, bytes]], bytes]:
    return rendered(same.operation)
