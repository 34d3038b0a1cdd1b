"""PostgreSQL from the wheel: a Unix socket in a private folder, no TCP, data that a kill at any moment leaves whole."""

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import asyncpg

from domain.errors import StartupError
from entrypoints.local.embedded import binaries
from entrypoints.local.embedded.data_folder import DataFolder
from entrypoints.local.embedded.part import launch
from entrypoints.local.embedded.processes import privileges
from entrypoints.local.embedded.processes.process import Command, GuardedProcess, leftovers_gone, run

USER = "opledger"
PORT = 5432
"""Part of the socket's name only: nothing listens on it."""
STOP = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 8.0))
"""PostgreSQL's fast, then its immediate shutdown."""
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}


class EmbeddedPostgres:
    """One server on one data folder, a `Part` for the supervisor; by itself: `start`, `stop`, `async with`."""

    name = "postgres"
    start_seconds = 60.0

    def __init__(self, folder: DataFolder, *, durable: bool = True, settings: Mapping[str, str] | None = None) -> None:
        """`durable`: flush a new cluster to disk before use; pointless where the folder is a temporary one."""
        self.folder = folder
        self._durable = durable
        self._settings = {**SETTINGS, **(settings or {})}
        self._bin = binaries.postgres_bin()
        self._identity: privileges.Identity = "same"
        self._process: GuardedProcess | None = None

    def url_for(self, database: str, scheme: str = "postgresql+asyncpg") -> str:
        """The URL of a database, for SQLAlchemy or, with scheme `postgresql`, for asyncpg and psql."""
        return f"{scheme}://{USER}@/{quote(database)}?host={quote(str(self._socket))}&port={PORT}"

    @property
    def url(self) -> str:
        return self.url_for("opledger")

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start without a supervisor. Raises StartupError."""
        self._process = await launch(self)

    async def stop(self) -> None:
        if self._process:
            await self._process.stop()

    async def __aenter__(self) -> "EmbeddedPostgres":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def prepare(self) -> None:
        self._identity = await asyncio.to_thread(privileges.identity_for_postgres)
        for folder in (self.folder.path, self._socket):
            privileges.hand_over(folder, self._identity)
        await leftovers_gone(self.folder.lock_of(self.name))
        if self.folder.postgres.exists():
            await self._check_version()
            self._drop_stale_pid_file()
        else:
            await self._initialise()
            await asyncio.to_thread(self._initialised.rename, self.folder.postgres)

    def command(self) -> Command:
        settings = {**self._settings, "unix_socket_directories": str(self._socket)}
        flags = [f"--{key}={value}" for key, value in settings.items()]
        return self._command("postgres", "-D", str(self.folder.postgres), *flags)

    async def ready(self) -> bool:
        """Whether it answers; asked only once its process file says so, which keeps refusals out of the log."""
        try:
            if not self._pid_file.read_text(errors="replace").rstrip().endswith("ready"):
                return False
            connection = await self._connect()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            return False
        await connection.close()
        return True

    async def create_database(self, name: str = "opledger", *, template: str | None = None) -> bool:
        """Create a database; False where it is there already. From a `template` nobody is connected to: about 20 ms."""
        if await self.execute("SELECT 1 FROM pg_database WHERE datname = $1", name):
            return False
        statement = f"CREATE DATABASE {_quoted(name)}" + (f" TEMPLATE {_quoted(template)}" if template else "")
        try:
            await self.execute(statement)
        except asyncpg.DuplicateDatabaseError:
            return False
        return True

    @property
    def _initialised(self) -> Path:
        return self.folder.path / "postgres.new"

    @property
    def _pid_file(self) -> Path:
        return self.folder.postgres / "postmaster.pid"

    @property
    def _socket(self) -> Path:
        return self.folder.socket_folder()

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            host=str(self._socket), port=PORT, user=USER, database="postgres", ssl=False, timeout=5
        )

    async def execute(self, statement: str, *arguments: str) -> list[asyncpg.Record]:
        """Run one statement in the database `postgres`, outside of any transaction."""
        connection = await self._connect()
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    def _command(self, program: str, *arguments: str) -> Command:
        # PGPORT, PGDATA and their like would change what the server does.
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
        return Command(
            argv=(str(self._bin / program), *arguments),
            env={**env, "LC_ALL": "C", "TZ": "UTC"},
            log=self.folder.logs / f"{self.name}.log",
            lock=self.folder.lock_of(self.name),
            stop=STOP,
            identity=self._identity,
        )

    async def _initialise(self) -> None:
        """initdb beside the final place, then rename: a start that is killed leaves nothing half-made in it."""
        shutil.rmtree(self._initialised, ignore_errors=True)
        self._initialised.mkdir(mode=0o700)
        privileges.hand_over(self._initialised, self._identity)
        if not self._durable:
            sync = "--no-sync"
        else:
            sync = "--sync-method=syncfs" if sys.platform == "linux" else "--sync-method=fsync"
        await run(
            self._command(
                *("initdb", "-D", str(self._initialised), "-U", USER, "--encoding=UTF8", "--locale=C", sync),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
                *("--auth-local=trust", "--auth-host=reject"),
            )
        )

    async def _check_version(self) -> None:
        """Raises StartupError where another major version made the data."""
        process = await asyncio.create_subprocess_exec(
            self._bin / "postgres", "--version", stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        version = re.search(r"\d+", output.decode())
        made_by = (self.folder.postgres / "PG_VERSION").read_text(errors="replace").strip()
        if version and version[0] != made_by:
            raise StartupError(
                f"{self.folder.postgres} was made by PostgreSQL {made_by}, this is {version[0]}: use the former "
                f"package, or export and import the data"
            )

    def _drop_stale_pid_file(self) -> None:
        """No process of ours is left, but the number in the file may be another program's by now: PostgreSQL would
        take that for a running server and refuse. A server that somebody started by hand is left to that check."""
        if sys.platform != "linux" or not self._pid_file.exists():
            return
        process_id = self._pid_file.read_text(errors="replace").partition("\n")[0].strip()
        working_folder = Path("/proc", process_id if process_id.isdigit() else "none", "cwd")
        try:
            by_hand = working_folder.samefile(self.folder.postgres)
        except OSError:
            by_hand = False
        if not by_hand:
            self._pid_file.unlink()


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
