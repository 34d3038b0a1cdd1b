"""The API process."""

import asyncio
import gc
from collections.abc import Mapping
from functools import partial
from typing import Any

from litestar import Litestar

from entrypoints import net
from entrypoints.http.app import create_app
from entrypoints.http.security.key_usage import noting
from entrypoints.http.server.uvicorn_server import serve
from entrypoints.logs import configure_logs
from entrypoints.process import loop_factory, raise_descriptor_limit, run_to_exit
from entrypoints.settings.loading import load_settings
from entrypoints.settings.settings import Settings
from entrypoints.ui.dashboard import dashboard
from entrypoints.ui.request import Temporal
from entrypoints.wiring import api


def main(flags: Mapping[str, Any]) -> None:
    """Serves the API until SIGTERM or SIGINT."""
    # Each waiter keeps dozens of objects alive; with the default thresholds every burst of requests scans all of them.
    gc.set_threshold(50_000, 20, 100)
    raise_descriptor_limit()
    settings = load_settings(flags)
    configure_logs(settings.log_format, settings.log_level)
    run_to_exit(partial(run, settings), loop_factory=loop_factory())


def application(parts: api.ApiParts, settings: Settings) -> Litestar:
    """Builds the application of these parts, with the dashboard."""
    temporal = Temporal(parts.namespace, settings.temporal_ui_url)
    return create_app(
        parts.services,
        page_token_key=parts.page_token_key,
        access=parts.access,
        proxies=settings.proxy_rules(),
        origins=settings.allowed_origins(),
        pages=dashboard(key=parts.page_token_key, clock=parts.clock, temporal=temporal, sign_in=parts.sign_in),
    )


async def run(settings: Settings, stop: asyncio.Event) -> int:
    """Serves until `stop` is set and the last request has ended. Raises StartupError: the port is taken, or a setting
    cannot be used."""
    net.ensure_free(settings.host, settings.port, "--port")
    async with api.api(settings) as parts, noting(parts.key_uses):
        app = application(parts, settings)
        closing = asyncio.Event()
        # Streams and waits end first: they would delay the shutdown.
        shutdown = parts.stopping.run(stop, settings.stop_delay, parts.end_waiting, closing.set)
        leaving = asyncio.create_task(shutdown)
        try:
            return 0 if await serve(app, settings.host, settings.port, closing) else 1
        finally:
            leaving.cancel()
