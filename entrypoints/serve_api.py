"""The API process."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from entrypoints import net
from entrypoints.http.app import create_app
from entrypoints.http.security.key_usage import noting
from entrypoints.http.server.uvicorn_server import serve
from entrypoints.logs import configure_logs
from entrypoints.process import loop_factory, raise_descriptor_limit, run_to_exit
from entrypoints.settings.settings import Settings, load_settings
from entrypoints.wiring import api

LOAD_TEMPORAL_AFTER: Final = 1.0
"""Seconds after the start, unless a callback or a readiness check needs Temporal before."""


def main(flags: Mapping[str, Any]) -> None:
    """Serves the API until it is told to stop."""
    # Each waiter keeps dozens of objects alive; with the default thresholds every burst of requests scans all of them.
    gc.set_threshold(50_000, 20, 100)
    raise_descriptor_limit()
    settings = load_settings(flags)
    configure_logs(settings.log_format, settings.log_level)
    run_to_exit(partial(run, settings), loop_factory=loop_factory())


async def run(settings: Settings, stop: asyncio.Event) -> int:
    """Serves until `stop` is set and the last request has ended. Raises StartupError: the port is taken, or a setting
    cannot be used."""
    net.ensure_free(settings.host, settings.port, "--port")
    async with api.api(settings) as parts, noting(parts.key_uses):
        app = create_app(
            parts.services,
            page_token_key=parts.page_token_key,
            access=parts.access,
            proxies=settings.proxy_rules(),
            origins=settings.allowed_origins(),
        )
        closing = asyncio.Event()
        # Streams and waits end first: they would delay the shutdown.
        shutdown = parts.stopping.run(stop, settings.stop_delay, parts.end_waiting, closing.set)
        leaving = asyncio.create_task(shutdown)
        loading = asyncio.create_task(_load(parts.load_temporal, closing))
        try:
            served = await serve(app, settings.host, settings.port, closing)
            if loading.done():
                loading.result()
            return 0 if served else 1
        finally:
            leaving.cancel()
            loading.cancel()


async def _load(load_temporal: Callable[[], Awaitable[None]], closing: asyncio.Event) -> None:
    """Loads Temporal's adapters a moment after the start; ends the process where their configuration cannot be used."""
    await asyncio.sleep(LOAD_TEMPORAL_AFTER)
    try:
        await load_temporal()
    except BaseException:
        closing.set()
        raise
