"""`opledger doctor`."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.errors import OpledgerError
from entrypoints import container
from entrypoints.process import run_to_exit
from entrypoints.settings import Settings, load_settings

PATIENCE = 8.0
"""Seconds that one check may take."""
Check = Callable[[], Awaitable[None]]
"""Raises OpledgerError about what is not well."""


def examine(flags: Mapping[str, Any]) -> None:
    """Print a line for every check. Exit code 0 if all is well, else 1."""
    settings = load_settings(flags)
    run_to_exit(partial(_examine, _of_running_stack(settings)))


def _of_running_stack(settings: Settings) -> Settings:
    """The settings, with the addresses of the embedded parts where these run and nothing else is set."""
    status = Path(settings.data_dir) / "run.json"
    if not status.exists():
        return settings
    try:
        running = json.loads(status.read_text())
        addresses = (running["temporal_address"], running["temporal_namespace"], running["database_url"])
    except (OSError, ValueError, KeyError, TypeError):
        return settings
    os.environ.setdefault("TEMPORAL_ADDRESS", addresses[0])
    os.environ.setdefault("TEMPORAL_NAMESPACE", addresses[1])
    return load_settings({"database_url": settings.database_url or addresses[2]})


async def _examine(settings: Settings, stop: asyncio.Event) -> int:
    table = Table("check", "", "what was found", box=None)
    async with container.checks(settings) as checks:
        found = {name: await _ask(check) for name, check in {"operations": _nothing_wrong, **checks}.items()}
    for name, trouble in found.items():
        mark = "[green]ok[/]" if trouble is None else "[red]bad[/]"
        table.add_row(name, mark, escape(trouble or "well"))
    Console().print(table)
    return 1 if any(found.values()) else 0


async def _ask(check: Check) -> str | None:
    """What is wrong, if something is."""
    try:
        async with asyncio.timeout(PATIENCE):
            await check()
    except TimeoutError:
        return f"no answer within {PATIENCE:g} s"
    except OpledgerError as error:
        return str(error)
    return None


async def _nothing_wrong() -> None:
    """The operations file was read, and its schemas checked, when the container was made."""
