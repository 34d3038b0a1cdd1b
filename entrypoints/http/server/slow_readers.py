"""The HTTP protocol of the API server: all limits of its base classes, and one for clients that do not read."""

import asyncio
from typing import Any, ClassVar

from entrypoints.http.server.body_limits import BodyProtocol
from entrypoints.http.server.close_delimited import close_delimited


class HttpServerProtocol(BodyProtocol):
    """Closes the connection when no part of a response can be sent for `stalled_seconds`. The handler then ends as
    after a disconnect. Otherwise the client could hold a stream and its buffers for any time."""

    stalled_seconds: ClassVar = 30.0
    """Seconds for which unsent data may exceed the transport's high-water mark (64 KiB by default)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stalled: asyncio.TimerHandle | None = None

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if cycle.scope["http_version"] == "1.0":
            app = close_delimited(app, cycle)
        super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.stalled_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_stalled_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_stalled_timer()
        super().connection_lost(exc)

    def _stop_stalled_timer(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
