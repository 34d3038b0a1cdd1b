"""The rest of a body that is refused before its end."""

import asyncio
import contextlib
from typing import Any, Final

from litestar.types import HTTPScope, Receive

LINGER_SECONDS: Final = 5.0
"""How long the rest of a refused body is read and dropped. A connection that is closed while the client still sends is
reset, and many clients then never see the answer."""
_LITTLE = 64 * 1024
"""Bytes that the server may well read in passing."""


class Upload:
    """A request's body, as far as it was read."""

    def __init__(self, scope: HTTPScope, receive: Receive) -> None:
        self._receive = receive
        self._large = _may_be_large(scope)
        self._ended = False

    @property
    def unread(self) -> bool:
        """Whether much may still come that nobody wants."""
        return self._large and not self._ended

    async def receive(self) -> Any:
        """The next message."""
        message: Any = await self._receive()
        self._ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def drop(self) -> None:
        """Read the rest, and forget it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._ended:
                    await self.receive()


def _may_be_large(scope: HTTPScope) -> bool:
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    return b"transfer-encoding" in headers or not length.isdigit() or int(length) > _LITTLE
