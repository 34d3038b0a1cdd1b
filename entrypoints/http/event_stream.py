"""An answer that goes on, and leaves nothing behind."""

from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing
from typing import Any, Final, cast

from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

MEDIA_TYPE: Final = "text/event-stream"
_UNBUFFERED: Final = {"X-Accel-Buffering": "no"}


class EventStream(Stream):
    """Litestar's own lets go of its generator when a client leaves that has not read everything, and what that holds
    stays until somebody looks for garbage. Here it is closed with the answer."""

    def __init__(self, chunks: AsyncGenerator[bytes], place: AbstractContextManager[None]) -> None:
        """`place` is held for as long as the answer goes on; what it raises is answered instead."""
        super().__init__(chunks, media_type=MEDIA_TYPE, headers=_UNBUFFERED)
        self._chunks = chunks
        self._place = place

    def to_asgi_response(self, *args: Any, **given: Any) -> ASGIResponse:
        """The answer as a server takes it."""
        answer = super().to_asgi_response(*args, **given)

        async def answer_and_close(scope: Scope, receive: Receive, send: Send) -> None:
            async with aclosing(self._chunks):
                with self._place:
                    await answer(scope, receive, send)

        return cast(ASGIResponse, answer_and_close)
