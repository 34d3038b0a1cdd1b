"""Limits on a request's head, which is read before anybody has shown credentials: its size, and the time it may take.

httptools keeps a head of any size for any time, and uvicorn limits h11 alone.
"""

import asyncio
from typing import Any, ClassVar, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from entrypoints.http.edge import HEADERS
from entrypoints.http.errors import problem_of
from entrypoints.http.problems import MEDIA_TYPE, HeadTooLarge, MalformedHead, RequestError

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of URL and headers."""
_LINGER_SECONDS = 1.0
"""How long what comes after a refusal is dropped: a client that is cut off while it sends never sees the answer."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's, with these limits. Its own refusals are problems too."""

    head_seconds: ClassVar = 20.0
    """From the connection, or the first byte of a later head, until the head is whole."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unread = 0
        """Bytes since the parser last gave something away: it has kept them all."""
        self._gave = False
        self._too_large = False
        self._in_head = False
        self._in_body = False
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._gave = False
        super().data_received(data)
        self._unread = 0 if self._gave else self._unread + len(data)
        if self._refused:
            return
        if self._unread > LARGEST_HEAD:
            self._refuse(HeadTooLarge(LARGEST_HEAD))
        elif self._in_head or not (self._in_body or self._gave):
            self._await_head()
        else:
            self._stop_timer()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        # What came in one piece was not counted. The parser stops at an exception, and uvicorn refuses.
        self._too_large = len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > LARGEST_HEAD
        if self._too_large:
            raise HeadTooLarge(LARGEST_HEAD)
        self._gave, self._in_head, self._in_body = True, False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._gave = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._gave, self._in_body = True, False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(HeadTooLarge(LARGEST_HEAD) if self._too_large else MalformedHead(msg))

    def _refuse(self, error: RequestError) -> None:
        """Answer, unless another answer is on its way, and read nothing more."""
        self._refused = True
        if not self._busy():
            self.transport.write(self._answer(error))
        self._stop_timer()
        self._timer = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _answer(self, error: RequestError) -> bytes:
        problem = problem_of(error)
        body = msgspec.json.encode(problem)
        headers = [
            *self.server_state.default_headers,
            *HEADERS.items(),
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        lines = [STATUS_LINE[problem.status], *(b"%s: %s\r\n" % header for header in headers)]
        return b"".join([*lines, b"\r\n", body])

    def _await_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.head_seconds, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        if self._busy():
            self._await_head()
        else:
            self.transport.close()

    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
