"""An answer that goes on, and leaves nothing behind."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing
from typing import Any, Final, Generic, TypeVar, cast

from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from domain.errors import OpledgerError
from entrypoints.http.server.middleware import IS_HEAD

_T = TypeVar("_T")
MEDIA_TYPE: Final = "text/event-stream"
CHECK_EVERY: Final = 10.0
"""Seconds after which a stream that has something to send asks first whether the client may still have it."""
_UNBUFFERED: Final = {"X-Accel-Buffering": "no"}
_log = logging.getLogger(__name__)


class EventStream(Stream, Generic[_T]):
    """One loop between what happens and the socket: thousands are told of the same change, and whatever lies between
    is paid for by each of them."""

    def __init__(
        self,
        items: AsyncGenerator[_T],
        render: Callable[[_T], bytes],
        check: Callable[[], Awaitable[None]],
        place: AbstractContextManager[None],
    ) -> None:
        """`check` is asked from time to time before something is sent: what it raises ends the stream, and so does what
        goes wrong in the middle. `place` is held for as long as the answer goes on; what it raises is answered."""
        super().__init__((), media_type=MEDIA_TYPE, headers=_UNBUFFERED)
        self._items = items
        self._render = render
        self._check = check
        self._place = place

    def to_asgi_response(self, *args: Any, **given: Any) -> ASGIResponse:
        """The answer as a server takes it. What the items hold is let go of when it ends."""
        head = super().to_asgi_response(*args, **given)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            async with aclosing(self._items):
                with self._place:
                    await head.start_response(send)
                    if scope.get(IS_HEAD):
                        await _end(send)
                        return
                    async with asyncio.TaskGroup() as group:
                        telling = group.create_task(self._tell(send))
                        await _gone(receive)
                        telling.cancel()

        return cast(ASGIResponse, answer)

    async def _tell(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        checked = loop.time()
        try:
            async for item in self._items:
                if loop.time() - checked >= CHECK_EVERY:
                    await self._check()
                    checked = loop.time()
                await send({"type": "http.response.body", "body": self._render(item), "more_body": True})
        except OpledgerError as error:
            _log.warning("a stream ended early: %s", error)
        await _end(send)


async def _end(send: Send) -> None:
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    """Until the client has left, or has the whole answer."""
    while (await receive())["type"] != "http.disconnect":
        pass
