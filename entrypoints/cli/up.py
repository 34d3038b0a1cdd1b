"""`opledger up`."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import StartupError
from entrypoints import net
from entrypoints.cli.stack import migrate, namespace_from_environment, prepare_temporal, tell, temporal_from_environment
from entrypoints.local.demo_types import DEMO_TYPES, NOTICE
from entrypoints.local.embedded.callbacks import KEYS, URL
from entrypoints.local.embedded.options import Options, Running
from entrypoints.local.embedded.up import up
from entrypoints.process import run_to_exit, say
from entrypoints.settings.loading import load_settings
from entrypoints.settings.operations_file import find_operations_file
from entrypoints.settings.settings import Settings
from entrypoints.wiring.catalogue import checked_catalogue

TEMPORAL_PORT = 7233
TEMPORAL_UI_PORT = 8233
"""The default ports of Temporal's tools and its web page."""


def serve(
    flags: Mapping[str, Any], *, ephemeral: bool, temporal_port: int | None, ui_port: int | None, callbacks: bool
) -> None:
    """Serves until a signal stops it. Raises StartupError."""
    settings = _with_types(load_settings(flags))
    if settings.callback_url and not callbacks:
        raise StartupError("callback_url is set, and --no-callbacks is given: leave out one of them")
    if settings.root_path:
        raise StartupError(
            "root_path is for `opledger api` behind a proxy: unset it; `opledger up` serves only this machine"
        )
    checked_catalogue(settings)
    options = _options(settings, ephemeral=ephemeral, temporal_port=temporal_port, ui_port=ui_port, callbacks=callbacks)
    run_to_exit(partial(_serve, options, settings.database_direct_url))


def _with_types(settings: Settings) -> Settings:
    """Returns the settings with an operations file: the demo's if there is no other."""
    operations = find_operations_file(settings.operations) or DEMO_TYPES
    return msgspec.structs.replace(settings, operations=str(operations.absolute()))


def _options(
    settings: Settings, *, ephemeral: bool, temporal_port: int | None, ui_port: int | None, callbacks: bool
) -> Options:
    namespace = namespace_from_environment()
    address = temporal_from_environment()
    return Options(
        data_dir=None if ephemeral else Path(settings.data_dir),
        host=settings.host,
        port=settings.port or None,
        ui=address is None,
        ui_port=ui_port or net.preferred(TEMPORAL_UI_PORT),
        temporal_port=temporal_port or net.preferred(TEMPORAL_PORT),
        database_url=settings.database_url,
        temporal_address=address,
        temporal_namespace=namespace,
        callbacks=callbacks,
        env=_environment(settings),
    )


def _environment(settings: Settings) -> dict[str, str]:
    """Returns the variables that API and worker must share, and those that the command line set."""
    environment = {
        "OPLEDGER_PAGE_TOKEN_KEY": settings.page_token_key or secrets.token_urlsafe(32),
        "OPLEDGER_OPERATIONS": settings.operations or "",
    }
    if settings.callback_url:
        environment[URL] = settings.callback_url
    if settings.callback_keys:
        environment[KEYS] = settings.callback_keys
    return environment


async def _serve(options: Options, direct_url: str | None, stop: asyncio.Event) -> int:
    started = time.monotonic()

    def on_ready(application: Running) -> None:
        for line in _welcome(application, time.monotonic() - started):
            say(line)

    await up(
        options,
        stop,
        tell(say),
        on_ready=on_ready,
        migrate=lambda url: migrate(direct_url or url),
        prepare_engine=prepare_temporal(ours=options.temporal_address is None),
    )
    return 0


def _welcome(application: Running, seconds: float) -> list[str]:
    ui = f"  (web page: {application.temporal_ui_url})" if application.temporal_ui_url else ""
    return [
        f"opledger is ready after {seconds:.1f} s. Ctrl-C stops it.",
        f"  dashboard {application.api_url}/",
        f"  API       {application.api_url}/v1/operations  (documentation: {application.docs_url})",
        f"  Temporal  {application.temporal_address}, namespace {application.temporal_namespace}{ui}",
        *([f"  types     {NOTICE}"] if application.operations == str(DEMO_TYPES) else []),
        f"  data      {application.data_dir}",
    ]
