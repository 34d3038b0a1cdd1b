"""A client of server-sent events, with nothing between it and the application."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.http.api import Api, scope_of

TIMEOUT = 60
"""Seconds that no test waits for."""


@dataclass(frozen=True)
class SentEvent:
    """An event as the HTML standard reads it."""

    kind: str
    id: str | None
    data: Any


def read_block(block: str) -> SentEvent | None:
    """One block of the stream; None: it is a comment alone."""
    fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
    if not fields:
        return None
    assert fields.keys() <= {"event", "id", "data"}
    return SentEvent(fields["event"], fields.get("id"), json.loads(fields["data"]))


class Streamed:
    """What arrives."""

    def __init__(self) -> None:
        self._blocks: asyncio.Queue[str | None] = asyncio.Queue()
        self._reads = asyncio.Event()
        self._reads.set()
        self.gone = asyncio.Event()
        self.ended = False
        self.status = 0

    async def send(self, message: Any) -> None:
        """The application's side."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        await self._reads.wait()
        for block in message.get("body", b"").decode().split("\n\n"):
            if block:
                self._blocks.put_nowait(block)
        if not message.get("more_body", False):
            self._blocks.put_nowait(None)
            self.gone.set()

    async def receive(self) -> Any:
        """Nothing more until the client leaves, or the answer is whole, as a server has it."""
        if not self.gone.is_set():
            await self.gone.wait()
        return {"type": "http.disconnect"}

    async def event(self) -> SentEvent:
        """The next event; comments are passed over."""
        while True:
            block = await self._block()
            assert block is not None, "the stream has ended"
            event = read_block(block)
            if event is not None:
                return event

    async def comment(self) -> bool:
        """Whether the next block is a comment alone."""
        block = await self._block()
        return block is not None and read_block(block) is None

    async def rest(self) -> list[SentEvent]:
        """All events until the stream ends."""
        blocks = []
        while (block := await self._block()) is not None:
            blocks.append(block)
        self.ended = True
        return [event for event in map(read_block, blocks) if event is not None]

    def hold(self) -> None:
        """Read no more."""
        self._reads.clear()

    def release(self) -> None:
        """Read on."""
        self._reads.set()

    async def _block(self) -> str | None:
        return await asyncio.wait_for(self._blocks.get(), TIMEOUT)


@asynccontextmanager
async def streaming(api: Api, path: str, last_event_id: str | None = None) -> AsyncIterator[Streamed]:
    """A stream that is read until the block ends."""
    headers = {} if last_event_id is None else {"last-event-id": last_event_id}
    async with stream_of(api.app, path, headers) as stream:
        yield stream


@asynccontextmanager
async def stream_of(
    application: Any, path: str, given: Mapping[str, str], query: bytes = b""
) -> AsyncIterator[Streamed]:
    """The same, of any application, with these headers and this query."""
    headers = [(name.lower().encode(), value.encode()) for name, value in given.items()]
    stream = Streamed()
    task = asyncio.create_task(application(scope_of("GET", path, query, headers), stream.receive, stream.send))
    try:
        yield stream
    finally:
        stream.release()
        stream.gone.set()
        await task
