"""Runs the application with uvicorn."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Final

import uvicorn
from litestar.types import ASGIApp

from domain.errors import StartupError
from entrypoints.http.server.slow_readers import HttpServerProtocol

DRAIN_SECONDS: Final = 10
"""Seconds that open requests have to end after SIGTERM."""
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 1024


def config(app: ASGIApp, host: str, port: int, *, drain_seconds: int = DRAIN_SECONDS) -> uvicorn.Config:
    """The server's configuration."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="auto",
        http=HttpServerProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=drain_seconds,
    )


class _Server(uvicorn.Server):
    """Handles signals only if the caller does not stop it by an event, and returns to the caller after a signal.
    uvicorn's server raises the signal again, which kills the process before the caller can clean up."""

    def __init__(self, config: uvicorn.Config, *, handles_signals: bool) -> None:
        super().__init__(config)
        self._handles_signals = handles_signals

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if not self._handles_signals:
            yield
            return
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def stop_after(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.should_exit = True


async def serve(
    app: ASGIApp, host: str, port: int, stop: asyncio.Event | None = None, *, drain_seconds: int = DRAIN_SECONDS
) -> bool:
    """Serves until `stop` is set (without it: until SIGINT or SIGTERM), then waits up to `drain_seconds` for open
    requests, because an open stream would never end. Returns whether the application started. Raises StartupError if
    the port is in use."""
    server = _Server(config(app, host, port, drain_seconds=drain_seconds), handles_signals=stop is None)
    waiting = asyncio.create_task(server.stop_after(stop)) if stop is not None else None
    try:
        await server.serve()
    except SystemExit:
        raise StartupError(f"cannot listen on {host}:{port}; the log has the cause") from None
    finally:
        if waiting is not None:
            waiting.cancel()
    return server.started


def run(app: ASGIApp, host: str, port: int, *, drain_seconds: int = DRAIN_SECONDS) -> bool:
    """Runs `serve` on a new event loop: uvloop, if installed."""
    with asyncio.Runner(loop_factory=config(app, host, port).get_loop_factory()) as runner:
        return runner.run(serve(app, host, port, drain_seconds=drain_seconds))
