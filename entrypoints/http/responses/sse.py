"""Server-sent event streams as responses."""

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
RECHECK_INTERVAL: Final = 10.0
"""Seconds after which a stream rechecks the client's authorization before it sends the next event."""
KEEP_ALIVE: Final = b": keep-alive\n\n"
_UNBUFFERED: Final = {"X-Accel-Buffering": "no"}
_log = logging.getLogger(__name__)


class EventStream(Stream, Generic[_T]):
    """Streams events from an iterator to the socket, without the framework's layers: thousands of subscribers may
    receive the same event."""

    def __init__(
        self,
        items: AsyncGenerator[_T],
        render: Callable[[_T], bytes],
        check: Callable[[], Awaitable[None]],
        slot: AbstractContextManager[None],
    ) -> None:
        """`check` runs at most every RECHECK_INTERVAL, before an event is sent. An OpledgerError from it or from
        `items` ends the stream. `slot` is held for the whole response; an error on entering it becomes the response."""
        super().__init__((), media_type=MEDIA_TYPE, headers=_UNBUFFERED)
        self._items = items
        self._render = render
        self._check = check
        self._slot = slot

    def to_asgi_response(self, *args: Any, **given: Any) -> ASGIResponse:
        """The response as an ASGI application. It closes `items` at the end."""
        head = super().to_asgi_response(*args, **given)

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            async with aclosing(self._items):
                with self._slot:
                    await head.start_response(send)
                    if scope.get(IS_HEAD):
                        await _end(send)
                        return
                    async with asyncio.TaskGroup() as group:
                        sender = group.create_task(self._send_events(send))
                        await _disconnected(receive)
                        sender.cancel()

        return cast(ASGIResponse, respond)

    async def _send_events(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        checked = loop.time()
        try:
            async for item in self._items:
                if loop.time() - checked >= RECHECK_INTERVAL:
                    await self._check()
                    checked = loop.time()
                await send({"type": "http.response.body", "body": self._render(item), "more_body": True})
        except OpledgerError as error:
            _log.warning("event stream ended early: %s", error)
        await _end(send)


def data_event(text: str) -> bytes:
    """An event with this data, of several lines too. Characters that UTF-8 does not have become `?`."""
    return ("data: " + "\ndata: ".join(text.splitlines())).encode("utf-8", "replace") + b"\n\n"


async def _end(send: Send) -> None:
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    """Returns when the client disconnects or has the complete response."""
    while (await receive())["type"] != "http.disconnect":
        pass
