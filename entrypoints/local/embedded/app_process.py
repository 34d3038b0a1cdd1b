"""A process of the application itself, such as the API or the worker, as a part."""

import asyncio
from collections.abc import Mapping, Sequence

from entrypoints import net
from entrypoints.local.embedded.data_folder import DataFolder
from entrypoints.local.embedded.processes.process import Command


class AppProcess:
    """A process of the application. With a readiness URL it starts at once, so that it imports its modules while the
    servers start, and is ready when that URL says so. Without one it starts after the servers, and is ready as soon as
    it runs."""

    start_seconds = 120.0
    """Seconds, with the start of the servers."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        folder: DataFolder,
        servers_ready: asyncio.Event,
        *,
        ready_at: tuple[str, int, str] | None = None,
    ) -> None:
        """`ready_at`: host, port, path."""
        self.name = name
        self._servers_ready = servers_ready
        self._ready_at = ready_at
        self._command = Command(
            argv=tuple(argv),
            env=env,
            log=folder.logs / f"{name}.log",
            lock=folder.lock_of(name),
        )

    async def prepare(self) -> None:
        if self._ready_at is None:
            await self._servers_ready.wait()

    def command(self) -> Command:
        return self._command

    async def ready(self) -> bool:
        if self._ready_at is None:
            return True
        return self._servers_ready.is_set() and await net.http_status(*self._ready_at) == 200
