"""What is kept for a client that does not read its answer: not much, and not for long."""

import asyncio
from typing import Any, ClassVar

from entrypoints.http.heads import LimitedHttpProtocol


class ServedProtocol(LimitedHttpProtocol):
    """Hangs up where nothing of an answer could be sent on for long. The handler then ends as with a client that has
    left; else a stream would be held open, and what it has read kept, for as long as somebody likes."""

    stalled_seconds: ClassVar = 30.0
    """For which what is waiting to be sent stays above the transport's mark (64 KiB by default)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stalled: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.stalled_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._reads()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reads()
        super().connection_lost(exc)

    def _reads(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
