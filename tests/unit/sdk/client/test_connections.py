"""How many connections a client opens."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.support.http.clients import clients
from tests.unit.sdk.client.test_broken_answers import GOOD

LIMIT = 20
"""The limit of docs/client.md."""


@dataclass
class Server:
    """A server that counts its connections, and answers none before `full` of them have a request."""

    full: int
    url: str = ""
    accepted: int = 0
    is_full: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                if self.accepted >= self.full:
                    self.is_full.set()
                await self.is_full.wait()
                writer.write(GOOD)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()  # the client has closed the connection


@asynccontextmanager
async def counting(full: int) -> AsyncIterator[Server]:
    made = Server(full)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    async with server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_calls_one_after_the_other_share_a_connection(kind: str) -> None:
    """It stays open between them."""
    async with counting(1) as server:
        client = clients(server.url)[kind]
        for _ in range(50):
            await client.counts()
        await client.close()
    assert server.accepted == 1


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_concurrent_calls_share_as_many_connections_as_the_limit(kind: str) -> None:
    """The others wait for a free one."""
    calls = 3 * LIMIT
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(calls))
    async with counting(LIMIT) as server:
        client = clients(server.url)[kind]
        await asyncio.gather(*(client.counts() for _ in range(calls)))
        await client.close()
    assert server.accepted == LIMIT
