"""Clients that do not read their response, on a real socket."""

import asyncio
from typing import ClassVar

import pytest
from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send

from entrypoints.http.server.slow_readers import HttpServerProtocol
from tests.support.http.served import served

CHUNK = b"x" * 65_536
LONG = 30.0
"""Seconds; longer than any test runs."""


class Hurried(HttpServerProtocol):
    """Allows a stalled response little time."""

    stalled_seconds: ClassVar = 0.2


class Brisk(HttpServerProtocol):
    """Allows a stalled response less time than the test reads."""

    stalled_seconds: ClassVar = 1.0


class Endless:
    """Sends without end, until it is cancelled or disconnected."""

    def __init__(self, chunks: int) -> None:
        self.chunks = chunks
        self.sent = 0
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        leaving = asyncio.create_task(self._gone(receive))
        for number in range(self.chunks):
            if leaving.done():
                break
            await send({"type": "http.response.body", "body": CHUNK, "more_body": number < self.chunks - 1})
            self.sent += 1
        self.ended.set()
        leaving.cancel()

    async def _gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


async def test_a_client_that_does_not_read_is_disconnected() -> None:
    """The handler ends, so that it keeps no memory and delays no shutdown."""
    app = Endless(chunks=10_000)
    async with served(app, Hurried) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        await asyncio.wait_for(app.ended.wait(), LONG)
        assert app.sent < app.chunks
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(app.chunks * len(CHUNK))
        writer.close()


async def test_a_client_that_reads_slowly_is_served() -> None:
    """With any number of short pauses."""
    app = Endless(chunks=200)
    async with served(app, Brisk) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=65_536)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        received = 0
        while data := await reader.read(1_000_000):
            received += len(data)
            await asyncio.sleep(0.02)
        assert received > app.chunks * len(CHUNK)
        writer.close()
