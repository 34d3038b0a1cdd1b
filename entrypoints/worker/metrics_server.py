"""The worker's HTTP server for Prometheus: `GET /metrics` and `GET /livez`, nothing else."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from entrypoints import net
from entrypoints.scrape import MEDIA_TYPE, MetricsPage

MAX_HEAD: Final = 8 * 1024
"""Bytes of a request's head."""
MAX_CONNECTIONS: Final = 64
"""Further connections are answered with 503."""
_TEXT: Final = "text/plain"
_log = logging.getLogger(__name__)


async def serve_metrics(page: MetricsPage, host: str, port: int, stop: asyncio.Event) -> None:
    """Serves until `stop` is set. Logs a failure and returns: the worker's work does not depend on the page."""
    import uvicorn  # a worker without a metrics port does not need it

    class Server(uvicorn.Server):
        """Leaves signals to the worker."""

        @contextlib.contextmanager
        def capture_signals(self) -> Any:
            yield

    server = Server(
        uvicorn.Config(
            metrics_app(page),
            host=host,
            port=port,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.CRITICAL,
            access_log=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEAD,
            timeout_graceful_shutdown=1,
        )
    )
    stopping = asyncio.create_task(_stop_after(stop, server))
    try:
        await server.serve()
    except SystemExit:
        _log.error("metrics are not served on %s: the port is in use", net.authority(host, port))
    finally:
        stopping.cancel()


async def _stop_after(stop: asyncio.Event, server: Any) -> None:
    await stop.wait()
    server.should_exit = True


def ensure_metrics_port(host: str, port: int | None) -> None:
    """Raises StartupError: the port is taken. Checked at the start, so that it is not first noticed on a dashboard."""
    if port is not None:
        net.ensure_free(host, port, "OPLEDGER_METRICS_PORT")


def metrics_app(page: MetricsPage) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """The ASGI application: 404 for every other path and method."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        status, media_type, body = await _response(page, scope["method"], scope["path"])
        headers = [
            (b"content-type", f"{media_type}; charset=utf-8".encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return app


async def _response(page: MetricsPage, method: str, path: str) -> tuple[int, str, bytes]:
    if method not in {"GET", "HEAD"} or path not in {"/metrics", "/livez"}:
        return 404, _TEXT, b"GET /metrics, GET /livez\n"
    if path == "/livez":
        return 200, _TEXT, b"alive\n"
    return 200, MEDIA_TYPE, await page.read()
