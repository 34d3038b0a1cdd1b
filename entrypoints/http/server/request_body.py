"""Receives request bodies: why the server stopped reading one, and the rest of a refused one."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from litestar.types import HTTPScope, Receive, Scope

from entrypoints.http.problems.problems import RequestError
from entrypoints.http.server.framing import MAX_LENGTH_DIGITS

INCOMING: Final = "opledger_incoming_body"
"""Key of the scope of a request with a body: its IncomingBody. Set by servers with limits."""
LINGER_SECONDS: Final = 5.0
"""Seconds for which the rest of a refused body is read and discarded. Closing while the client sends resets the
connection, and many clients then miss the response."""
CUT_OFF_LINGER_SECONDS: Final = 1.0
"""Seconds of the same, for a body that the server stopped reading."""
MAX_LINGERING: Final = 64
"""Refused bodies per peer that are drained at the same time. Further connections are closed at once."""
_SMALL_BODY: Final = 64 * 1024
"""Bytes that the server reads on a connection that stays open."""


@dataclass(slots=True)
class IncomingBody:
    """State of a body that is arriving."""

    started: float | None = None
    """Time of the event loop. None: the request waits for an earlier response."""
    received: int = 0
    """Bytes."""
    error: RequestError | None = None
    """Why the server stopped reading."""


def body_error(scope: Scope) -> RequestError | None:
    """Why the server stopped reading the body; None: it did not."""
    incoming: IncomingBody | None = scope.get(INCOMING)  # type: ignore[assignment]
    return None if incoming is None else incoming.error


class Lingering:
    """Counts the refused bodies that are being drained, by peer."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    def take(self, peer: str) -> bool:
        """Takes a slot, if the peer has one left. `end` releases it."""
        if self._of[peer] >= MAX_LINGERING:
            return False
        self._of[peer] += 1
        return True

    def end(self, peer: str) -> None:
        """Releases a slot."""
        self._of[peer] -= 1
        if not self._of[peer]:
            del self._of[peer]


class RequestBody:
    """Receives the body for the application. A body that the server stopped reading ends as a disconnect."""

    def __init__(self, scope: HTTPScope, receive: Receive, lingering: Lingering) -> None:
        self._scope = scope
        self._receive = receive
        self._lingering = lingering
        self._large = _may_be_large(scope)
        self._ended = False

    @property
    def unread(self) -> bool:
        """Whether unread parts of the body may still arrive."""
        return self._cut_off or (self._large and not self._ended)

    @property
    def _cut_off(self) -> bool:
        return body_error(self._scope) is not None

    async def receive(self) -> Any:
        """Receives the next ASGI message."""
        message: Any = await self._receive()
        if self._cut_off and not self._ended:
            message = {"type": "http.disconnect"}
        self._ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def drop(self) -> None:
        """Reads and discards the rest."""
        peer = str((self._scope.get("client") or ("",))[0])
        if not self._lingering.take(peer):
            return
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CUT_OFF_LINGER_SECONDS if self._cut_off else LINGER_SECONDS):
                    await self._read_rest()
        finally:
            self._lingering.end(peer)

    async def _read_rest(self) -> None:
        while self._cut_off or not self._ended:
            message: Any = await self._receive()
            if message["type"] == "http.disconnect":
                return
            self._ended = not message.get("more_body", False)


def _may_be_large(scope: HTTPScope) -> bool:
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    if b"transfer-encoding" in headers or not length.isdigit():
        return True
    return len(length) > MAX_LENGTH_DIGITS or int(length) > _SMALL_BODY
