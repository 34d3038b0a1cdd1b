"""Limits on a request's head, which is read before authentication: its size, its time and its framing.

httptools keeps a head of any size for any time, and uvicorn limits h11 alone.
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

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of URL and headers."""
MAX_PIPELINED: Final = 100
"""Requests of one connection that wait for the answer to an earlier one."""
_LINGER_SECONDS = 1.0
"""Seconds for which input is dropped after a refusal. A client that is cut off while it sends never sees the answer."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with these limits. Trailers are ignored: merged into the headers (RFC 9110, 6.5.1) they would
    bypass a proxy that filters headers. Refusals are problems."""

    head_seconds: ClassVar = 20.0
    """From the connection, or the first byte of a later head, until the head is complete."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unread = 0
        """Bytes since the parser last reported something: it has kept them all."""
        self._gave = False
        self._in_head = False
        self._in_body = False
        self._upgrades = False
        self._refused = False
        self._refusal: RequestError | None = None
        """To be sent after the answers to earlier requests."""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # uvicorn's own method answers errors in plain text, and drops what follows a request for an upgrade.
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._gave = False
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self.broken(_reason(error))
            return
        self._unread = 0 if self._gave else self._unread + len(data)
        if self._unread > LARGEST_HEAD:
            self.broken(HeadTooLarge(LARGEST_HEAD))
        elif self._in_head or not (self._in_body or self._gave):
            self._await_head()
        else:
            self._stop_timer()

    def _feed(self, data: bytes) -> None:
        """The parser stops behind a head that asks for an upgrade, and takes the body for the next request. No upgrade
        is offered (RFC 9110, 7.8): a new parser reads the head without it."""
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
        # A head that came in one piece was not counted. The parser stops at an exception.
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > LARGEST_HEAD:
            raise HeadTooLarge(LARGEST_HEAD)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise TooManyPipelined(MAX_PIPELINED)
        version = self.parser.get_http_version()
        check_framing(self.parser.get_method(), version, self.url, self.headers)
        self._upgrades = self.parser.should_upgrade()
        if self._upgrades:
            return
        if version == "1.0":
            self.expect_100_continue = False
        self._gave, self._in_head, self._in_body = True, False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._gave = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._upgrades:
            return
        self._gave, self._in_body = True, False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._refusal is not None and not self._busy():
            self._hang_up(self._refusal)

    def broken(self, error: RequestError) -> None:
        """What came cannot be parsed, and neither can what follows."""
        self.refuse(error)

    def refuse(self, error: RequestError) -> None:
        """Read nothing more; answer after the earlier requests."""
        self._refused, self._refusal = True, error
        self._stop_timer()
        if not self._busy():
            self._hang_up(error)

    def _hang_up(self, error: RequestError) -> None:
        self._refusal = None
        self._unset_keepalive_if_required()
        if not self.transport.is_closing():
            self.transport.write(self._answer(error))
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
    return MalformedHead("the request target is not valid" if cause else f"{error}")
