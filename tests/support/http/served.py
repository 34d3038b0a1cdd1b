"""An application behind uvicorn as the API has it, on a real socket, in the test's own event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from litestar.types import ASGIApp

from entrypoints.http.server.uvicorn_server import config


class _Server(uvicorn.Server):
    """Stops within milliseconds. uvicorn looks every tenth of a second whether it should stop, then waits another one:
    in sum half a minute of the unit tests."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await super().startup(sockets)
        await self.on_tick(0)  # the headers of every answer

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 -- no event for it
                    await asyncio.sleep(0.005)
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
        await self.lifespan.shutdown()


@asynccontextmanager
async def served(app: ASGIApp, protocol: type[asyncio.Protocol], port: int = 0) -> AsyncIterator[int]:
    """On this port, or one of its own, until the block ends. Requests that are open then have a second: streams."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        settings = config(app, "127.0.0.1", 0, drain_seconds=1)
        settings.http, settings.lifespan = protocol, "auto"
        server = _Server(settings)
        await server.startup([listener])
        try:
            yield int(listener.getsockname()[1])
        finally:
            await server.shutdown()
