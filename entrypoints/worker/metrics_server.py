"""The worker's HTTP server for Prometheus: `GET /metrics` and `GET /livez`, nothing else."""

import asyncio
import contextlib
import logging
from typing import Final

from entrypoints import net
from entrypoints.scrape import MEDIA_TYPE, MetricsPage

MAX_HEAD: Final = 8 * 1024
"""Bytes of a request's head."""
REQUEST_TIMEOUT: Final = 10.0
"""Seconds that a connection may take for its request and response."""
MAX_CONNECTIONS: Final = 64
"""Further connections are closed at once."""
_END: Final = b"\r\n\r\n"
_TEXT: Final = "text/plain"
_REASONS: Final = {200: "OK", 400: "Bad Request", 404: "Not Found"}
_log = logging.getLogger(__name__)


async def serve_metrics(page: MetricsPage, host: str, port: int, stop: asyncio.Event) -> None:
    """Serves until `stop` is set. Logs a failure and returns: the worker's work does not depend on the page."""
    try:
        server = await asyncio.start_server(_Server(page).connected, host, port, limit=MAX_HEAD)
    except OSError as error:
        _log.error("metrics are not served on %s: %s", net.authority(host, port), error.strerror)
        return
    try:
        await stop.wait()
    finally:
        server.close()


def ensure_metrics_port(host: str, port: int | None) -> None:
    """Raises StartupError: the port is taken. Checked at the start, so that it is not first noticed on a dashboard."""
    if port is not None:
        net.ensure_free(host, port, "OPLEDGER_METRICS_PORT")


class _Server:
    """Answers one request a connection and closes it."""

    def __init__(self, page: MetricsPage) -> None:
        self._page = page
        self._open = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handles a new connection."""
        self._open += 1
        try:
            if self._open <= MAX_CONNECTIONS:
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    async with asyncio.timeout(REQUEST_TIMEOUT):
                        await self._answer(reader, writer)
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readuntil(_END)).partition(b"\r\n")[0]
        method, target, version = (*line.split(b" "), b"", b"", b"")[:3]
        if line.count(b" ") != 2 or not version.startswith(b"HTTP/1."):
            status, media_type, body = 400, _TEXT, b"not an HTTP request\n"
        else:
            status, media_type, body = await self._response(method, target.partition(b"?")[0])
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {media_type}; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n"
            "connection: close\r\n\r\n"
        )
        writer.write(head.encode() + (b"" if method == b"HEAD" else body))
        await writer.drain()

    async def _response(self, method: bytes, path: bytes) -> tuple[int, str, bytes]:
        if method not in {b"GET", b"HEAD"} or path not in {b"/metrics", b"/livez"}:
            return 404, _TEXT, b"GET /metrics, GET /livez\n"
        if path == b"/livez":
            return 200, _TEXT, b"alive\n"
        return 200, MEDIA_TYPE, await self._page.read()
