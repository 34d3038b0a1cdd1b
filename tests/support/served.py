"""An application behind uvicorn as the API has it, on a real socket, in the test's own event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from litestar.types import ASGIApp

from entrypoints.http.server.uvicorn_server import config


@asynccontextmanager
async def served(app: ASGIApp, protocol: type[asyncio.Protocol]) -> AsyncIterator[int]:
    """On a port of its own, until the block ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        settings = config(app, "127.0.0.1", 0)
        settings.http, settings.lifespan = protocol, "auto"
        server = uvicorn.Server(settings)
        serving = asyncio.create_task(server._serve([listener]))
        while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            await serving
