"""The worker's metrics server on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from entrypoints.scrape import MetricsPage
from entrypoints.worker.metrics_server import serve_metrics
from tests.support.http.api import Drift, page
from tests.support.ports import free_port


@asynccontextmanager
async def metrics_served() -> AsyncIterator[int]:
    """Yields its port."""
    stop, port = asyncio.Event(), free_port()
    serving = asyncio.create_task(serve_metrics(MetricsPage(Drift(), page), "127.0.0.1", port, stop))
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                break
        yield port
    finally:
        stop.set()
        await serving
