"""The worker's own page for Prometheus, and its sign of life: it serves nothing else, and only this machine."""

import asyncio
import logging
from typing import Any

from litestar.types import ASGIApp

from domain.errors import StartupError
from entrypoints.http.server.uvicorn_server import serve
from entrypoints.local.embedded import net
from entrypoints.scrape import MEDIA_TYPE, MetricsPage

_TEXT = "text/plain"
_log = logging.getLogger(__name__)


def metrics_app(page: MetricsPage) -> ASGIApp:
    """`GET /metrics` and `GET /livez`; 404 for everything else."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            status, media_type, body = await _answer(page, scope["method"], scope["raw_path"])
            headers = [
                (b"content-type", f"{media_type}; charset=utf-8".encode()),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
                (b"x-content-type-options", b"nosniff"),
            ]
            body = b"" if scope["method"] == "HEAD" else body
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

    return app


async def serve_metrics(page: MetricsPage, host: str, port: int, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. The worker's work does not depend on it: a failure is logged."""
    try:
        await serve(metrics_app(page), host, port, stop, drain_seconds=1)
    except StartupError as error:
        _log.error("the metrics are not served: %s", error)


def ensure_metrics_port(host: str, port: int | None) -> None:
    """Raise StartupError where the port is taken: found at the start rather than on a dashboard."""
    if port is not None:
        net.ensure_free(host, port, "OPLEDGER_METRICS_PORT")


async def _answer(page: MetricsPage, method: str, path: bytes) -> tuple[int, str, bytes]:
    if method not in {"GET", "HEAD"} or path not in {b"/metrics", b"/livez"}:
        return 404, _TEXT, b"GET /metrics, GET /livez\n"
    if path == b"/livez":
        return 200, _TEXT, b"alive\n"
    return 200, MEDIA_TYPE, await page.read()


async def _live(receive: Any, send: Any) -> None:
    """Nothing to begin, nothing to end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
