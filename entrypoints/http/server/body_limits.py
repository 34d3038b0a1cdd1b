"""Limits the time in which a request body must arrive."""

import asyncio
from typing import Any, ClassVar

from entrypoints.http.problems.problems import MalformedBody, RequestError, SlowBody
from entrypoints.http.server.framing import has_body
from entrypoints.http.server.idle_connections import IdleLimitedProtocol
from entrypoints.http.server.request_body import CUT_OFF_LINGER_SECONDS, INCOMING, LINGER_SECONDS, IncomingBody


class BodyProtocol(IdleLimitedProtocol):
    """Responds 408 and closes the connection when a body takes longer than `body_seconds` plus one second per
    `body_rate` received bytes, or longer than `body_deadline`. The time starts when the request is handled, because the
    body of a pipelined request is not read before."""

    body_seconds: ClassVar = 20.0
    body_rate: ClassVar = 1000
    """Bytes per second."""
    body_deadline: ClassVar = 300.0
    """Seconds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._incoming: IncomingBody | None = None
        self._body_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_body_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._incoming is not None and self._body_timer is None and not self._refused:
            self._check_later(self.body_seconds)

    def on_headers_complete(self) -> None:
        incoming = IncomingBody() if has_body(self.headers) else None
        if incoming is not None:
            self.scope[INCOMING] = incoming  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()
        self._incoming = incoming

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        incoming: IncomingBody | None = cycle.scope.get(INCOMING)
        if incoming is not None:
            incoming.started = self.loop.time()
            if incoming.error is not None:
                self._close_later(cycle)
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        if self._incoming is not None:
            self._incoming.received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._incoming = None
        self._stop_body_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._incoming is not None and not self._busy():
            self._stop_body_timer()
            self._body_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def broken(self, error: RequestError) -> None:
        if self._incoming is None:
            self.refuse(error)
        else:
            self._cut_off(MalformedBody(f"the chunked body is invalid: {error}"))

    def _cut_off(self, error: RequestError) -> None:
        """Stops reading. The application finds the error in the scope and responds with it."""
        self._refused = True
        self._stop_body_timer()
        if self._incoming is None or not self._busy():
            self.transport.close()
            return
        self._incoming.error = error
        self.cycle.keep_alive = False
        self.cycle.message_event.set()
        if self._incoming.started is not None:
            self._close_later(self.cycle)

    def _close_later(self, cycle: Any) -> None:
        """Closes sooner if the response has started, because it cannot carry the error."""
        linger = CUT_OFF_LINGER_SECONDS if cycle.response_started else LINGER_SECONDS
        self._body_timer = self.loop.call_later(linger, self.transport.close)

    def _check_body(self) -> None:
        self._body_timer = None
        incoming = self._incoming
        if incoming is None:
            return
        if self.flow.read_paused or incoming.started is None:
            incoming.started = incoming.started and self.loop.time()
            self._check_later(self.body_seconds)
            return
        allowed = min(self.body_seconds + incoming.received / self.body_rate, self.body_deadline)
        left = incoming.started + allowed - self.loop.time()
        if left > 0:
            self._check_later(left)
        else:
            self._cut_off(SlowBody(self.body_rate))

    def _check_later(self, seconds: float) -> None:
        self._body_timer = self.loop.call_later(seconds, self._check_body)

    def _stop_body_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
