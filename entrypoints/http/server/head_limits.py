"""Limits the size, the time and the framing of request heads, which arrive before authentication.

httptools buffers a head of any size for any time, and uvicorn has limits for h11 only.
"""

import asyncio
import secrets
from typing import Any, ClassVar, Final

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from entrypoints.http.problems.kinds import problem_of
from entrypoints.http.problems.problems import MEDIA_TYPE, HeadTooLarge, MalformedHead, RequestError, TooManyPipelined
from entrypoints.http.server.framing import check_framing, without_upgrade
from entrypoints.http.server.middleware import HEADERS

MAX_HEAD_BYTES: Final = 64 * 1024
"""Bytes of URL and headers."""
MAX_PIPELINED: Final = 100
"""Requests of one connection that wait for an earlier response."""
LINGER_SECONDS: Final = 1.0
"""Seconds for which input is discarded after a refusal. A client that is disconnected while sending misses the
response."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with these limits; refusals are problems. Trailers are ignored: merged into the headers
    (RFC 9110, 6.5.1), they would bypass a proxy that filters headers."""

    head_seconds: ClassVar = 20.0
    """Seconds from the connection, or from the first byte of a later head, until the head is complete."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._buffered = 0
        """Bytes since the last event of the parser, which buffers them."""
        self._parsed = False
        self._in_head = False
        self._in_body = False
        self._upgrades = False
        self._refused = False
        self._refusal: RequestError | None = None
        """To be sent after the responses to earlier requests."""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # uvicorn's method responds to errors in plain text, and drops what follows an upgrade request.
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._parsed = False
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self.broken(_reason(error))
            return
        self._buffered = 0 if self._parsed else self._buffered + len(data)
        if self._buffered > MAX_HEAD_BYTES:
            self.broken(HeadTooLarge(MAX_HEAD_BYTES))
        elif self._in_head or not (self._in_body or self._parsed):
            self._await_head()
        else:
            self._stop_timer()

    def _feed(self, data: bytes) -> None:
        """The parser stops after a head with an upgrade request and would parse the body as the next request. Upgrades
        are not supported (RFC 9110, 7.8), so a new parser reads the head without the upgrade."""
        rest = memoryview(data)
        while rest:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
                version = self.parser.get_http_version()
                head = without_upgrade(self.parser.get_method(), self.url, version, self.headers)
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self.parser.feed_data(head)
            else:
                return

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        # A head that arrived in one piece is not counted yet. The parser stops at an exception.
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            raise HeadTooLarge(MAX_HEAD_BYTES)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise TooManyPipelined(MAX_PIPELINED)
        version = self.parser.get_http_version()
        check_framing(self.parser.get_method(), version, self.url, self.headers)
        self._upgrades = self.parser.should_upgrade()
        if self._upgrades:
            return
        if version == "1.0":
            self.expect_100_continue = False
        self._parsed, self._in_head, self._in_body = True, False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._parsed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._upgrades:
            return
        self._parsed, self._in_body = True, False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._refusal is not None and not self._busy():
            self._hang_up(self._refusal)

    def broken(self, error: RequestError) -> None:
        """Handles input that cannot be parsed."""
        self.refuse(error)

    def refuse(self, error: RequestError) -> None:
        """Stops reading, and sends the problem after the responses to earlier requests."""
        self._refused, self._refusal = True, error
        self._stop_timer()
        if not self._busy():
            self._hang_up(error)

    def _hang_up(self, error: RequestError) -> None:
        self._refusal = None
        self._unset_keepalive_if_required()
        if not self.transport.is_closing():
            self.transport.write(self._response(error))
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _response(self, error: RequestError) -> bytes:
        problem = problem_of(error)
        body = msgspec.json.encode(problem)
        headers = [
            *self.server_state.default_headers,
            *HEADERS.items(),
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"x-request-id", secrets.token_hex(16).encode()),
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


def _reason(error: httptools.HttpParserError) -> RequestError:
    cause = error.__context__
    if isinstance(cause, RequestError):
        return cause
    return MalformedHead("the request target is invalid" if cause else f"{error}")
