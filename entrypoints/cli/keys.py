"""`opledger keys`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from application.access.api_key_admin import ManageKeys
from domain.access.api_key import ApiKey
from domain.access.scope import Scope, scope_names
from entrypoints.cli.running import of_running_stack
from entrypoints.process import run_to_exit
from entrypoints.settings.loading import load_settings
from entrypoints.wiring.database import api_keys

Action = Callable[[ManageKeys], Awaitable[None]]


def create(flags: Mapping[str, Any], name: str, tenant: str, scopes: Sequence[str], life: timedelta | None) -> None:
    """Prints the key to standard output, where a script can read it, and its description to standard error."""

    async def act(keys: ManageKeys) -> None:
        made = await keys.create(name, tenant=tenant, scopes=frozenset(map(Scope, scopes)), life=life)
        key = made.stored
        print(f"key {key.prefix} of {key.name}, tenant {key.tenant}: {scope_names(key.scopes)}", file=sys.stderr)
        print(f"it expires: {_time(key.expires_at)}; it is not shown again:", file=sys.stderr)
        print(made.text)

    _run(flags, act)


def show(flags: Mapping[str, Any], tenant: str | None) -> None:
    """Prints a line for every key, without its secret."""

    async def act(keys: ManageKeys) -> None:
        table = Table("prefix", "name", "tenant", "scopes", "created", "expires", "last used", box=None)
        for key in await keys.list(tenant):
            fields = (key.prefix, key.name, key.tenant, scope_names(key.scopes), _time(key.created_at), _end(key))
            table.add_row(*map(escape, fields), _time(key.last_used_at))
        console = Console() if sys.stdout.isatty() else Console(width=200)
        console.print(table)

    _run(flags, act)


def revoke(flags: Mapping[str, Any], prefix: str) -> None:
    """Revokes the key. Every API process refuses it within seconds."""

    async def act(keys: ManageKeys) -> None:
        key = await keys.revoke(prefix)
        print(f"key {key.prefix} of {key.name} is revoked; every API refuses it within seconds", file=sys.stderr)

    _run(flags, act)


def _run(flags: Mapping[str, Any], action: Action) -> None:
    settings = of_running_stack(load_settings(flags))
    run_to_exit(partial(_act, settings.require_direct_url(), action))


async def _act(database_url: str, action: Action, stop: asyncio.Event) -> int:
    async with api_keys(database_url) as keys:
        await action(keys)
    return 0


def _end(key: ApiKey) -> str:
    return f"revoked {_time(key.revoked_at)}" if key.revoked_at else _time(key.expires_at)


def _time(time: datetime | None) -> str:
    return "never" if time is None else f"{time:%Y-%m-%d %H:%M}Z"
