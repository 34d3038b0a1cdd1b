"""A process of the application itself, such as the API or the worker, as a part."""

from collections.abc import Mapping, Sequence

from entrypoints import net
from entrypoints.local.embedded.data_folder import DataFolder
from entrypoints.local.embedded.processes.process import Command


class AppProcess:
    """A command of ours; ready when its readiness URL says so, or, without one, as soon as it runs."""

    start_seconds = 60.0

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        folder: DataFolder,
        *,
        ready_at: tuple[str, int, str] | None = None,
    ) -> None:
        """`ready_at`: host, port, path."""
        self.name = name
        self._ready_at = ready_at
        self._command = Command(
            argv=tuple(argv),
            env=env,
            log=folder.logs / f"{name}.log",
            lock=folder.lock_of(name),
        )

    async def prepare(self) -> None:
        pass

    def command(self) -> Command:
        return self._command

    async def ready(self) -> bool:
        return self._ready_at is None or await net.http_status(*self._ready_at) == 200
