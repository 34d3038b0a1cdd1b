"""`opledger doctor`."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.errors import OpledgerError
from entrypoints.cli.running import of_running_stack
from entrypoints.process import run_to_exit
from entrypoints.settings.loading import load_settings
from entrypoints.settings.settings import Settings
from entrypoints.wiring.checks import Check, checks

CHECK_TIMEOUT = 8.0
"""Seconds that one check may take."""


def examine(flags: Mapping[str, Any]) -> None:
    """Prints a line for every check. Exits with 0 if all pass, else with 1."""
    settings = load_settings(flags)
    run_to_exit(partial(_examine, of_running_stack(settings)))


async def _examine(settings: Settings, stop: asyncio.Event) -> int:
    table = Table("check", "", "what was found", box=None)
    async with checks(settings) as by_name:
        found = {name: await _ask(check) for name, check in by_name.items()}
    for name, (well, words) in found.items():
        table.add_row(name, "[green]ok[/]" if well else "[red]bad[/]", escape(words))
    Console().print(table)
    return 0 if all(well for well, _ in found.values()) else 1


async def _ask(check: Check) -> tuple[bool, str]:
    """Returns whether the check passes, and a description."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            return True, await check() or "well"
    except TimeoutError:
        return False, f"no answer within {CHECK_TIMEOUT:g} s"
    except OpledgerError as error:
        return False, str(error)
    except Exception as error:
        return False, f"the check itself failed: {type(error).__name__}"
