"""Options of the application on one machine, and the running application."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from entrypoints.local.embedded.supervisor import Supervisor

COMMAND = (sys.executable, "-m", "entrypoints.cli.main")


@dataclass(frozen=True)
class Options:
    """Options of a start. A port of None is a free one. A server whose URL or address is given is not started."""

    data_dir: Path | None = Path(".opledger")
    """None: a temporary folder, removed at the end."""
    host: str = "127.0.0.1"
    port: int | None = 8080
    ui: bool = False
    ui_port: int | None = None
    temporal_port: int | None = None
    database_url: str | None = None
    temporal_address: str | None = None
    temporal_namespace: str = "default"
    dynamic_config: tuple[str, ...] = ()
    """Dynamic configuration of the embedded Temporal: `key=json` each."""
    callbacks: bool = True
    """Whether the embedded Temporal calls the API when an execution closes: where `env` does not say, at `api_url`."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables for the API and the worker, in addition to the environment of this process."""
    api_command: tuple[str, ...] = (*COMMAND, "api")
    worker_command: tuple[str, ...] | None = (*COMMAND, "worker", "--demo")


@dataclass(frozen=True)
class Running:
    """The application when it is ready."""

    api_url: str
    database_url: str
    temporal_address: str
    temporal_namespace: str
    temporal_ui_url: str | None
    callback_url: str | None
    """URL of the embedded Temporal's callbacks. None: callbacks are off."""
    operations: str | None
    """The operations file, where it is not the one in the working folder."""
    data_dir: Path
    supervisor: Supervisor

    @property
    def docs_url(self) -> str:
        return f"{self.api_url}/docs"

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the running parts, by name: postgres, temporal, api, worker."""
        return self.supervisor.pids

    async def wait(self) -> None:
        """Waits until a part cannot be kept running, then raises StartupError."""
        await self.supervisor.wait()
