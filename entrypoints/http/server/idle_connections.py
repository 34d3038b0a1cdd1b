"""Limits the connections without a request, which are unauthenticated."""

from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState

from entrypoints.http.server.head_limits import LimitedHttpProtocol


class IdleLimitedProtocol(LimitedHttpProtocol):
    """Closes the longest idle connection when there are more than `max_idle`, so that descriptors remain for active
    clients. Idle: between two requests, or before the first request is complete."""

    max_idle: ClassVar = 5000
    """Connections per server."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle = _IDLE.setdefault(self.server_state, {})

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._becomes_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle.pop(self, None)
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._idle.pop(self, None)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._busy():
            self._becomes_idle()

    def _becomes_idle(self) -> None:
        self._idle[self] = None
        if len(self._idle) > self.max_idle:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.transport.abort()


_IDLE: Final[WeakKeyDictionary[ServerState, dict[IdleLimitedProtocol, None]]] = WeakKeyDictionary()
"""Idle connections by server, longest idle first."""
