"""Limits on a client that does not read its answer, and the protocol that the server uses."""

import asyncio
from typing import Any, ClassVar

from entrypoints.http.server.body_limits import BodyProtocol
from entrypoints.http.server.close_delimited import close_delimited


class ServedProtocol(BodyProtocol):
    """Closes the connection when no part of a response could be sent for `stalled_seconds`. The handler then ends as
    with a client that has left; otherwise a stream and what it has read would be kept for as long as the client likes.
    """

    stalled_seconds: ClassVar = 30.0
    """For which what is waiting to be sent stays above the transport's mark (64 KiB by default)."""

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
